from __future__ import annotations

from pathlib import Path

from tests.benchmarks.programs import modules_of_benchmarks, refused


def test_missing_files(tmp_path: Path) -> None:
    text = refused("dynamic.py", tmp_path, "--only", "squeezenet")

    assert text == f"files {tmp_path / 'squeezenet_v10_han_dc.onnx'}, {tmp_path / 'imagenet_sample_1000.npz'}"


def test_an_unknown_model(tmp_path: Path) -> None:
    assert refused("dynamic.py", tmp_path, "--only", "b") == "models b: expected some of squeezenet, minilm"


def test_a_figure_is_held_to_what_it_must_and_should_keep_to() -> None:
    with modules_of_benchmarks():
        from dynamic import Limits, verdicts

        assert list(verdicts(0.5, Limits("drop", 0.8, 0.3))) == ["drop must 0.8: reached", "drop aim 0.3: missed"]
        assert list(verdicts(0.9, Limits("drop", 0.8, 0.3))) == ["drop must 0.8: missed", "drop aim 0.3: missed"]
        assert list(verdicts(0.3, Limits("drop", 0.8, 0.3))) == ["drop must 0.8: reached", "drop aim 0.3: reached"]

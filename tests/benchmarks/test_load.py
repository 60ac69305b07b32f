from __future__ import annotations

from pathlib import Path

from tests.benchmarks.programs import refused, run
from tests.helpers.small_models import LENET


def test_a_line_for_each_model() -> None:
    ended = run("portable.py", LENET, "--only", "300x784", "squeezenet", "--runs", "1")

    assert ended.error == ""
    headings, *rows = ended.lines
    assert headings.split()[:4] == ["model", "bytes", "load", "dense"]
    assert [row.split()[0] for row in rows] == ["300x784", "squeezenet"]
    assert "(0.25)" in rows[0]
    assert "(100)" in rows[0]
    assert ended.code in (0, 1)  # whether the targets are reached


def test_a_missing_model(tmp_path: Path) -> None:
    text = refused("portable.py", "--only", "300x784", "minilm", ONNXDC_DATA=tmp_path)

    assert text == f"file {tmp_path / 'minilm.onnx'}"


def test_an_unknown_model() -> None:
    text = refused("portable.py", "--only", "vgg")

    assert text == "models vgg: expected some of 300x784, 4096x9216, squeezenet, minilm"

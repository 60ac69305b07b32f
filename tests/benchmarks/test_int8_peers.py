from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.benchmarks.programs import modules_of_benchmarks, refused, run


def test_missing_files(tmp_path: Path) -> None:
    text = refused("int8_peers.py", tmp_path, "--only", "squeezenet")

    assert text == f"files {tmp_path / 'squeezenet_v10_dense.onnx'}, {tmp_path / 'imagenet_sample_1000.npz'}"


def test_unknown_rows(tmp_path: Path) -> None:
    ended = run("int8_peers.py", tmp_path, "--rows", "TensorRT")

    assert ended.code == 2
    assert "no row is called TensorRT: expected 600KB, 540KB, onnxruntime static" in ended.error


def test_a_line_has_the_figures_in_the_order_of_the_headings() -> None:
    with modules_of_benchmarks():
        from int8.trained import Measured
        from int8_peers import COLUMNS, line
        from onnxdc.evaluate.metrics import Drop

        measured = Measured(1000, 0.02, Drop(before=80.0, after=79.0, error=0.25), 0.4, 0.125)
        cells = line("resnet56", "NNCF", measured, 900).split()
    assert cells == ["resnet56", "NNCF", "1,000", "900", "0.02", "79", "1.000", "+-", "0.250", "0.40", "0.12"]
    assert list(COLUMNS)[2:6] == ["bytes", "brotli", "f", "score"]


def test_transformers_are_not_for_the_static_quantiser() -> None:
    with modules_of_benchmarks():
        from int8.peers import all_ways

        names = {model: [way.name for way in all_ways(model)] for model in ("resnet56", "minilm")}
    assert names["resnet56"] == ["380KB", "330KB", "onnxruntime static", "onnxruntime dynamic", "NNCF"]
    assert names["minilm"] == ["10.5MB", "9MB", "onnxruntime dynamic", "NNCF"]


def test_other_tools_calibrate_on_the_first_items() -> None:
    with modules_of_benchmarks():
        from int8.peers import _first

        feeds = [{"x": np.full((50, 2), number)} for number in range(4)]
        assert [int(feed["x"][0, 0]) for feed in _first(feeds)] == [0, 1]

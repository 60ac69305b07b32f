from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.programs import modules_of_benchmarks, refused, run


def test_missing_files(tmp_path: Path) -> None:
    text = refused("int8_trained.py", tmp_path, "--only", "squeezenet")

    assert text == f"files {tmp_path / 'squeezenet_v10_dense.onnx'}, {tmp_path / 'imagenet_sample_1000.npz'}"


def test_unknown_rows(tmp_path: Path) -> None:
    ended = run("int8_trained.py", tmp_path, "--rows", "1KB")

    assert ended.code == 2
    assert "no row is called 1KB: expected 600KB, 540KB, 380KB, 330KB, 10.5MB, 9MB" in ended.error


@pytest.mark.parametrize(
    ("figure", "missed"), [("f", ["f"]), ("latency", ["latency"]), ("load", ["load"]), ("drop", ["drop"])]
)
def test_what_exceeds_its_limit_is_named(figure: str, missed: list[str]) -> None:
    with modules_of_benchmarks():
        from int8.trained import Measured
        from int8_trained import Limits
        from int8_trained import missed as exceeding
        from onnxdc.evaluate.metrics import Drop

        figures = {"f": 0.01, "latency": 0.4, "load": 0.1, "drop": 0.5}
        limits = Limits("must", "1KB", figures["f"], figures["drop"], figures["latency"], figures["load"])
        figures[figure] *= 1.1
        drop = Drop(before=80.0, after=80.0 - figures["drop"], error=0.1)
        measured = Measured(1000, figures["f"], drop, figures["latency"], figures["load"])
        assert np.isclose(drop.value, figures["drop"])
        assert exceeding(measured, limits) == missed

"""The command that shows what a model loses at which size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.helpers.calibration_networks import perceptron
from tests.helpers.small_models import onnxdc

LINES = ("measure 2/2", "round 2/2", "share 2/2", "tune 2/2")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model, x = perceptron()
    ir.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "x.npz", x=x)
    return tmp_path / "model.onnx", tmp_path / "x.npz"


def test_tune_prints_tables_and_a_recipe_repeats_a_point(files, tmp_path):
    model, data = files
    options = ("--data", data, "--min-elements", "40", "--codes", "bytes", "--points", "2", "--no-fold")
    result = onnxdc("tune", model, "-o", tmp_path / "curve", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].split() == ["ratio", "bytes", "f", "recipe"]
    assert [line for line in LINES if line in result.stderr.splitlines()] == ["measure 2/2", "round 2/2", "tune 2/2"]
    again = onnxdc("tune", model, "-o", tmp_path / "curve", *options, "--json")
    assert again.stderr.splitlines() == ["tune 2/2"]
    point = json.loads(again.stdout)["points"][0]
    recipe = tmp_path / "curve" / point["recipe"]
    command = ("--recipe", recipe, "--data", data, "--no-fold", "-q")
    assert onnxdc("compress", model, "-o", tmp_path / "small.onnx", *command).exit_code == 0
    assert (tmp_path / "small.onnx").stat().st_size == point["nbytes"]


def test_errors_are_one_line_with_the_names_of_options(files, tmp_path):
    model, data = files
    result = onnxdc("tune", model, "-o", tmp_path / "curve", "--data", data, "--metric", "top1")
    assert (result.exit_code, result.stderr) == (2, "Error: --metric needs --val\n")

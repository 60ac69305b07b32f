"""The options of data and budgets on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.helpers.calibration_networks import perceptron
from tests.helpers.small_models import onnxdc, report_of

MODULE = """
import numpy as np

def arrays():
    return dict(np.load("data.npz"))

def feeds():
    x = np.load("data.npz")["x"]
    for start in range(0, len(x), 50):
        yield {"x": x[start:start + 50]}

def score(outputs, labels):
    return float((outputs[0].argmax(axis=1) == labels).mean())

number = 3
"""
SETTINGS = ("--min-elements", "40")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    model, x = perceptron()
    ir.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "data.npz", x=x)
    np.savez(tmp_path / "val.npz", x=x, labels=np.arange(len(x)) % 5)
    (tmp_path / "of_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "of_mine", raising=False)
    return tmp_path


def compressed(*arguments: object) -> bytes:
    result = onnxdc("compress", "model.onnx", "-o", "small.onnx", *SETTINGS, *arguments)
    assert result.exit_code == 0, result.stderr
    return Path("small.onnx").read_bytes()


def test_data_calibrate_and_each_stage_tells_its_progress(folder):
    result = onnxdc("compress", "model.onnx", "-o", "small.onnx", *SETTINGS, "--data", "data.npz")
    assert result.exit_code == 0
    assert "items held back from calibration" in result.stdout
    stages = [line.split()[0] for line in result.stderr.splitlines()]
    assert list(dict.fromkeys(stages)) == ["calibrate", "measure", "round", "encode"]


def test_functions_give_the_same_data(folder):
    expected = compressed("--data", "data.npz")
    assert compressed("--data", "of_mine:arrays") == expected
    assert compressed("--data", "of_mine:feeds") == expected


def test_a_size_is_kept_to(folder):
    assert len(compressed("--target-size", "5KB", "--data", "data.npz")) <= 5000


def test_a_function_is_a_metric(folder):
    result = onnxdc(
        *("compress", "model.onnx", "-o", "small.onnx", *SETTINGS, "--json"),
        *("--val", "val.npz", "--max-drop", "0.1", "--metric", "of_mine:score"),
    )
    assert any(remark.startswith("score 0.") for remark in report_of(result)["remarks"])


def test_a_recipe_cannot_name_a_function(folder):
    (folder / "recipe.toml").write_text('data = "of_mine:arrays"\n')
    result = onnxdc("compress", "model.onnx", "-o", "small.onnx", "--recipe", "recipe.toml")
    assert (result.exit_code, "unknown key" in result.stderr or "data" in result.stderr) == (1, True)
    assert not (folder / "small.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "of_mine:nothing"), "of_mine:nothing: expected a function nothing in of_mine, got none"),
        (("--data", "of_mine:number"), "expected a function number in of_mine, got none"),
        (("--data", "nowhere:f"), "nowhere:f: no module nowhere"),
        (
            ("--val", "val.npz", "--max-drop", "1", "--metric", "f1"),
            "expected top1, cosine, spearman or module:function",
        ),
        (("--max-drop", "1"), "--max-drop needs --val"),
        (("--target-size", "1x", "--max-drop", "1", "--val", "val.npz"), "got --target-size and --max-drop"),
        (("--target-size", "small"), "--target-size: expected bytes"),
        (("--strict",), "--strict needs --data"),
        (("--data", "data.npz", "--mask-input", "mask"), "--mask-input: expected an input of the model, x, got mask"),
    ],
)
def test_wrong_usage_ends_with_2(folder, arguments, message):
    result = onnxdc("compress", "model.onnx", "-o", "small.onnx", *SETTINGS, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (folder / "small.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "missing.npz"), "missing.npz: cannot read"),
        (("--data", "model.onnx"), "model.onnx: cannot read: not an .npz file"),
        (("--target-size", "100"), "model.onnx: expected a file of at most 100 bytes, got "),
        (("--data", "data.npz", "--bits", "1", "--strict"), "models beyond 0.05 have lost accuracy"),
    ],
)
def test_what_a_user_can_mend_ends_with_1(folder, arguments, message):
    result = onnxdc("compress", "model.onnx", "-o", "small.onnx", *SETTINGS, *arguments)
    assert result.exit_code == 1, result.output
    assert message in result.stderr.splitlines()[-1]
    assert not (folder / "small.onnx").exists()


def test_data_are_never_written_over(folder):
    before = (folder / "data.npz").read_bytes()
    result = onnxdc("compress", "model.onnx", "-o", "data.npz", "--data", "data.npz")
    assert result.exit_code in (1, 2)
    assert (folder / "data.npz").read_bytes() == before


def test_quiet_prints_warnings_only(folder):
    np.savez(folder / "few.npz", x=np.load(folder / "data.npz")["x"][:30])
    command = [sys.executable, "-m", "onnxdc", "compress", "model.onnx", "-o", "small.onnx", "-q", *SETTINGS]
    done = subprocess.run([*command, "--data", "few.npz"], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout == ""
    assert done.stderr == "onnxdc: warning: calibrated on 20 items, 50 or more are better\n"

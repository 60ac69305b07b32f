"""The command ``verify``: its options, its exit codes, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from onnxdc import library_path
from tests.helpers.small_models import DIGITS, LENET, dense, onnxdc, saved
from tests.helpers.text_models import build


def nan() -> ir.Model:
    return build("g (float[N, 4] x) => (float[N, 4] y) { z = Sub(x, x)  y = Div(z, z) }")


def test_a_verdict_and_its_reasons_are_printed(tmp_path):
    onnxdc("compress", LENET, "-o", tmp_path / "ruined.onnx", "-q", "--sharing", "kmeans", "--bits", 1)
    arguments = ["verify", LENET, tmp_path / "ruined.onnx", "--inputs", DIGITS, "--labels", "labels"]
    result = onnxdc(*arguments)
    assert result.exit_code == 1
    assert ": FAILED" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("onnxdc: error: logits: divergence ")
    content = json.loads(onnxdc(*arguments, "--json").stdout)
    assert (content["verdict"], content["passed"]) == ("failed", False)
    assert content["comparisons"][0]["outputs"][0]["measure"] == "kl"
    assert onnxdc(*arguments, "--max-divergence", "9").exit_code == 0


def test_warnings_are_told_even_in_quiet(tmp_path):
    path = saved(nan(), tmp_path / "nan.onnx")
    result = onnxdc("verify", path, path)
    assert result.exit_code == 0
    assert ": says nothing" in result.stdout
    assert "warning: y: NaN or infinite throughout" in result.stdout
    quiet = onnxdc("verify", path, path, "-q")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    assert quiet.stderr.startswith("onnxdc: warning: y: NaN")


@pytest.mark.parametrize(
    "option", [("--seed", -1), ("--seed", 2**70), ("--tolerance", "nan"), ("--max-divergence", -1)]
)
def test_values_out_of_range_are_wrong_usage(tmp_path, option):
    path = saved(dense(), tmp_path / "dense.onnx")
    result = onnxdc("verify", path, path, *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr.splitlines()[-1]


def test_libraries_of_operators_are_registered(tmp_path, monkeypatch):
    (tmp_path / "library.so").write_bytes(Path(library_path()).read_bytes())
    dense_path, small = saved(dense(), tmp_path / "dense.onnx"), tmp_path / "small.onnx"
    onnxdc("compress", dense_path, "-o", small, "--density", "0.1", "--execution", "sparse", "-q")
    proto = ir.to_proto(ir.load(small))
    del proto.functions[:]  # now only a library knows the operators
    small.write_bytes(proto.SerializeToString())
    monkeypatch.setattr("onnxdc.evaluate.runner.why_not_native", lambda: "not here")
    arguments = ["verify", dense_path, small]
    assert "onnxruntime refuses it" in onnxdc(*arguments).stderr
    assert onnxdc(*arguments, "--custom-ops", tmp_path / "library.so").exit_code == 0


@pytest.mark.parametrize("content", [None, b"", b"no library"])
def test_what_is_no_library_is_named(tmp_path, content):
    path = saved(dense(), tmp_path / "dense.onnx")
    if content is not None:
        (tmp_path / "library.so").write_bytes(content)
    result = onnxdc("verify", path, path, "--custom-ops", tmp_path / "library.so")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"onnxdc: error: {tmp_path}/library.so: ")
    assert "custom operators" in line


def test_real_inputs_are_asked_for(tmp_path):
    text = "g (float[N, M] x) => (float[A, K] y) { r = Reshape(x, s)  y = MatMul(r, w) }"
    path = saved(build(text, s=np.array([-1, 37]), w=np.ones((37, 3), np.float32)), tmp_path / "odd.onnx")
    result = onnxdc("verify", path, path)
    assert result.exit_code == 1
    assert result.stderr.rstrip().endswith("give real ones with --inputs)")

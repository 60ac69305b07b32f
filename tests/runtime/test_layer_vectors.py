"""The vectors of layers on integers, natively, portably, and unpacked by the npm package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxdc import native
from tests.helpers.npm_packages import node_command
from tests.helpers.portable_models import run_in_reference

REPOSITORY = Path(__file__).parents[2]
VECTORS = sorted((REPOSITORY / "tests" / "vectors" / "layers").glob("*.onnx"))


def run(model: bytes, x: np.ndarray, library: str | None = None) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if library is not None:
        options.register_custom_ops_library(library)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def check(found: np.ndarray, y: np.ndarray) -> None:
    """Integers are equal: one that is not would be 1/255 of a product off."""
    for got, wanted in zip(found, y, strict=True):
        largest = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6 * largest)


def test_there_are_vectors():
    assert len(VECTORS) >= 4


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("isa", native.supported_isas())
def test_natively(path: Path, isa: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONNXDC_ISA", isa)
    arrays = np.load(path.with_suffix(".npz"))
    check(run(path.read_bytes(), arrays["x"], native.library_path()), arrays["y"])


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_portably(path: Path):
    arrays = np.load(path.with_suffix(".npz"))
    model = onnx.load(path)
    check(run(path.read_bytes(), arrays["x"]), arrays["y"])
    with np.errstate(invalid="ignore"):
        check(run_in_reference(model, {model.graph.input[0].name: arrays["x"]}), arrays["y"])


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_in_a_library_that_does_not_know_them(path: Path):
    """It has kernels for neither the operators nor their symbols, which it would leave empty if it had."""
    model = onnx.load(path)
    assert all("Dynamic" in node.op_type for node in model.graph.node)
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        node.op_type = node.op_type.replace("Dynamic", "Unknown")
    for function in model.functions:
        function.name = function.name.replace("Dynamic", "Unknown")
    arrays = np.load(path.with_suffix(".npz"))
    check(run(model.SerializeToString(), arrays["x"], native.library_path()), arrays["y"])


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_unpacked_by_the_npm_package(path: Path, tmp_path: Path):
    node_command()
    (tmp_path / "model.onnx").write_bytes(path.read_bytes())
    address = (REPOSITORY / "js" / "src" / "index.js").as_uri()
    command = ["node", str(REPOSITORY / "tests" / "web" / "unpack.mjs"), address, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    plain = tmp_path / "model.plain"
    model = onnx.load_from_string(plain.read_bytes())
    onnx.checker.check_model(model, full_check=True)
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    arrays = np.load(path.with_suffix(".npz"))
    check(run(plain.read_bytes(), arrays["x"]), arrays["y"])

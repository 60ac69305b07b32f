"""Two layers of the size that fully connected ones have, in every runtime without the native library."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest

from onnxdc.numeric.encoding import encode_weight
from tests.helpers.npm_packages import installed, node_command
from tests.helpers.portable_models import Node, compressed_model, run, run_in_reference, sparse

LAYERS = {"784x300": ((784, 300), 0.08), "9216x4096": ((9216, 4096), 0.09)}
PARAMS = ["784x300", pytest.param("9216x4096", marks=pytest.mark.slow)]


class Layer(NamedTuple):
    model: onnx.ModelProto
    x: np.ndarray
    expected: np.ndarray


@pytest.fixture(scope="module", params=PARAMS)
def layer(request) -> Layer:
    """5-bit codes and 5-bit gaps, as the fully connected layers of Han et al. have."""
    shape, density = LAYERS[request.param]
    weight = sparse(shape, density, values=31)
    x = np.random.default_rng(1).integers(-4, 5, (2, shape[0])).astype(np.float32)
    group = encode_weight(weight, index_bits=5)
    model = compressed_model("SparseQuantMatMul", group, Node(2, {"A": x}), opset=17)
    return Layer(model, x, x @ weight)


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Path:
    """A folder with the script and the onnxruntime-web that it needs."""
    node_command()
    return installed(tmp_path_factory.mktemp("web"))


def test_layer_in_onnxruntime(layer):
    np.testing.assert_array_equal(run(layer.model, {"A": layer.x}), layer.expected)


def test_layer_in_the_reference_evaluator(layer):
    np.testing.assert_array_equal(run_in_reference(layer.model, {"A": layer.x}), layer.expected)


def test_layer_in_onnxruntime_web(layer, web):
    onnx.save(layer.model, web / "model.onnx")
    (web / "input").write_bytes(layer.x.tobytes())
    command = ["node", "run.mjs", "model.onnx", "input", "output", *map(str, layer.x.shape)]
    done = subprocess.run(command, cwd=web, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    output = np.frombuffer((web / "output").read_bytes(), np.float32).reshape(layer.expected.shape)
    np.testing.assert_array_equal(output, layer.expected)

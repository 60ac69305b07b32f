"""Vectors under the native operators: good ones are looked up, bad ones refuse the session by node, weight and rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from onnxdc import native
from tests.vectors import vector_file

pytestmark = pytest.mark.slow

GOOD = sorted((Path(__file__).parents[1] / "vectors" / "good").glob("*.onnx"))
BAD = sorted((Path(__file__).parents[1] / "vectors" / "bad").glob("*.onnx"))
TYPE_RULES = {"codebook-type", "tensor-type"}  # onnxruntime may refuse a wrong type before the operator sees it
STREAM_RULES = {"truncated", "packet-fill", "code", "position"}  # streams are read when the rank is known to fit


def has_rows(path: Path) -> bool:
    """True for a weight that SparseQuantGather takes: float32, and with an axis."""
    expected = vector_file.load_expected(path)
    return expected.dtype == np.float32 and expected.ndim > 0


def is_vector(path: Path) -> bool:
    """True for a weight of rank 1, which is none of a matrix product."""
    return vector_file.load(path).extent.size == 3


def consumer(path: Path, op_type: str) -> onnx.ModelProto:
    """The vector's weight under an operator that multiplies by it or looks it up."""
    model = onnx.load(path)
    graph = model.graph
    (node,) = graph.node
    node.op_type, node.name = op_type, "fc1"
    if op_type == "SparseQuantGather":
        node.input.extend(["", "", "A"])  # without symbol inputs
        graph.input.append(helper.make_tensor_value_info("A", TensorProto.INT64, [None]))
    else:
        node.input.insert(0, "A")
        graph.input.append(helper.make_tensor_value_info("A", TensorProto.FLOAT, [None, None]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info("W", TensorProto.FLOAT, None))
    return model


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session with the native library."""
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(native.library_path())
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


@pytest.mark.parametrize("path", [*filter(has_rows, GOOD)], ids=lambda path: path.stem)
def test_lookup_of_every_row_yields_the_expected_bits(path):
    expected = vector_file.load_expected(path)
    rows = np.arange(-len(expected), 0)
    (found,) = session_of(consumer(path, "SparseQuantGather")).run(None, {"A": rows})
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.mark.parametrize("op_type", ["SparseQuantGemm", "SparseQuantMatMul", "SparseQuantGather"])
@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_session_is_refused_and_the_error_names_node_weight_and_rule(path, op_type):
    with pytest.raises(Exception, match=r"fc1") as error:
        session_of(consumer(path, op_type))
    message, rule = str(error.value), path.stem.split("--")[0]
    assert vector_file.WEIGHT in message
    if rule in STREAM_RULES and is_vector(path) and op_type != "SparseQuantGather":
        assert "expected rank 2" in message
    else:
        assert f"{rule}: " in message or (rule in TYPE_RULES and "Type Error" in message)

"""Stripping: attributes at their defaults go, all others stay, and a model computes the same bits."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper

from onnxdc.model_io import load
from onnxdc.passes.strip.attributes import drop_default_attributes
from tests.helpers.text_models import normal
from tests.helpers.text_models import run as run_plainly

CASES = {
    "every default of a convolution": (
        "Conv",
        {"pads": [0, 0, 0, 0], "strides": [1, 1], "dilations": [1, 1], "group": 1, "auto_pad": "NOTSET"},
        {"auto_pad"},
    ),
    "none of them": (
        "Conv",
        {"pads": [0, 1, 0, 1], "strides": [1, 2], "dilations": [2, 1], "kernel_shape": [3, 3]},
        {"pads", "strides", "dilations", "kernel_shape"},
    ),
    "a pool": (
        "MaxPool",
        {"kernel_shape": [2, 2], "pads": [0, 0, 0, 0], "strides": [1, 1], "ceil_mode": 0, "storage_order": 0},
        {"kernel_shape"},
    ),
    "a slope at its default": ("LeakyRelu", {"alpha": 0.01}, set()),
    "another slope": ("LeakyRelu", {"alpha": 0.02}, {"alpha"}),
    "an axis": ("Softmax", {"axis": -1}, set()),
    "another axis": ("Softmax", {"axis": 1}, {"axis"}),
}
SHAPES: dict[str, list[int] | None] = {"x": [1, 4, 9, 9], "y": None}


@pytest.mark.parametrize(("op_type", "attributes", "left"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("opset", [11, 13, 21])
def test_only_what_holds_anyway_goes(op_type: str, attributes: dict, left: set, opset: int):
    inputs = ["x", "w"] if op_type == "Conv" else ["x"]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in SHAPES.items())
    node = helper.make_node(op_type, inputs, ["y"], **attributes)
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(normal(4, 4, 3, 3), "w")])
    imports = [helper.make_opsetid("", opset)]
    model = load(helper.make_model(graph, opset_imports=imports, ir_version=8 if opset < 21 else 10))
    feed = {"x": normal(1, 4, 9, 9, seed=1)}
    (before,), size = run_plainly(model, feed), to_bytes(model)
    dropped = drop_default_attributes(model)
    expected = left | ({"axis"} if op_type == "Softmax" and opset < 13 and attributes["axis"] == -1 else set())
    expected -= {"axis"} if op_type == "Softmax" and opset < 13 and attributes["axis"] == 1 else set()
    assert set(model.graph[0].attributes) == expected
    assert dropped == size - to_bytes(model)
    np.testing.assert_array_equal(run_plainly(model, feed)[0], before)


def to_bytes(model: ir.Model) -> int:
    return ir.to_proto(model).ByteSize()

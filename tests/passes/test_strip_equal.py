"""Stripping has equal small constants once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

import onnxdc
from onnxdc.passes.plan import plan_weights
from onnxdc.passes.strip import strip
from onnxdc.recipe import Recipe
from tests.helpers.channel_models import SIZE, channels
from tests.helpers.int8_models import optimised_operators
from tests.helpers.integer_models import qdq_conv
from tests.helpers.text_models import build, normal


def stripped(model: ir.Model) -> int:
    return strip(plan_weights(model, Recipe()))


def small(model: ir.Model) -> list[bytes]:
    tensors = (value.const_value for value in model.graph.initializers.values())
    return [tensor.tobytes() for tensor in tensors if tensor is not None and tensor.size < 256]


def test_equal_constants_are_there_once_and_the_model_is_smaller_by_what_is_told() -> None:
    text = """g (float[N, 8] x) => (float[N, 8] y, float[N, 8] b) {
        p = Add(x, a)
        q = Mul(p, c)
        r = Add(q, b)
        y = Sub(r, d)
    }"""
    vector = normal(8)
    model = build(text, a=vector, b=vector, c=vector.copy(), d=-vector)
    before = ir.to_proto(model).ByteSize()
    dropped = stripped(model)
    assert len(small(model)) == 3  # b is an output, so it keeps its own
    assert before - ir.to_proto(model).ByteSize() == dropped > 0
    assert model.graph.outputs[1].name == "b"


def test_zeros_of_both_signs_and_other_shapes_are_not_equal() -> None:
    text = """g (float[N, 4] x) => (float[N, 4] y) {
        p = Add(x, a)
        q = Add(p, b)
        y = Add(q, c)
    }"""
    model = build(text, a=np.zeros(4, np.float32), b=-np.zeros(4, np.float32), c=np.zeros((1, 4), np.float32))
    stripped(model)
    assert len(small(model)) == 3


def test_large_constants_stay_for_the_recipe_tells_them_apart() -> None:
    text = """g (float[N, 64] x) => (float[N, 64] y) {
        p = MatMul(x, a)
        y = MatMul(p, b)
    }"""
    weight = normal(64, 64)
    model = build(text, a=weight, b=weight)
    stripped(model)
    assert len(model.graph.initializers) == 2


def test_zero_points_and_scales_of_quantised_models_are_shared(tmp_path: Path) -> None:
    plain = channels((30_001, 20_001, 10_001))
    zeros = [name for name in plain.graph.initializers if name[0] in "zu" and name != "zx"]
    assert len(zeros) == 6
    path = tmp_path / "small.onnx"
    onnxdc.encode(plain, strip=True).save(path)
    tensors = [value.const_value for value in ir.load(path).graph.initializers.values()]
    found = [tensor.dtype for tensor in tensors if not any(tensor.tobytes()) and tensor.size == SIZE]
    assert found == [ir.DataType.INT8] * 2  # those of weights, and those of biases, which a Cast widens
    assert optimised_operators(path, tmp_path) == optimised_operators(plain, tmp_path)
    assert optimised_operators(path, tmp_path)["QLinearConv"] == 3
    feed = {"x": normal(2, SIZE, 5, 5)}
    sessions = [
        ort.InferenceSession(each, providers=["CPUExecutionProvider"])
        for each in (ir.to_proto(plain).SerializeToString(), path.read_bytes())
    ]
    np.testing.assert_array_equal(*[session.run(None, feed)[0] for session in sessions])


def test_a_bias_of_integers_keeps_its_scale_to_itself() -> None:
    model = qdq_conv()
    graph = model.graph
    graph.initializers["sw"].const_value = ir.tensor(np.float32(0.001), name="sw")  # that of the bias, too
    stripped(model)
    bias = next(
        node
        for node in graph
        if node.op_type == "DequantizeLinear"
        and node.inputs[0].const_value is not None
        and node.inputs[0].const_value.dtype is ir.DataType.INT32
    )
    assert len(bias.inputs[1].uses()) == 1

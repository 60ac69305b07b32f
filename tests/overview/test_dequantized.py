"""What integers stand for, against what onnx.reference makes of them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from onnxdc.graph.slots import ROLES
from onnxdc.graph.weights import find_weights
from onnxdc.overview.dequantized import dequantized
from tests.helpers.text_models import build

RNG = np.random.default_rng(0)
INTEGERS = RNG.integers(-128, 128, (12, 20)).astype(np.int8)


def weight_of(model: ir.Model):
    (found,) = (weight for weight in find_weights(model, 1, ROLES)[0] if weight.name == "w")
    return found


@pytest.mark.parametrize("axis", [0, 1])
def test_dequantize_linear_with_zero_points(axis):
    size = INTEGERS.shape[axis]
    scale = RNG.uniform(0.01, 1, size).astype(np.float32)
    zero = RNG.integers(-5, 5, size).astype(np.int8)
    outputs = "(float[12, 20] d, float[N, 20] y)"
    body = f"d = DequantizeLinear<axis: int = {axis}>(w, s, z) y = MatMul(x, d)"
    text = f"g (float[N, 12] x) => {outputs} {{ {body} }}"
    model = build(text, w=INTEGERS, s=scale, z=zero)
    model.opset_imports[""] = 21  # the oldest that onnx.reference dequantizes
    expected = ReferenceEvaluator(ir.to_proto(model)).run(["d"], {"x": np.zeros((1, 12), np.float32)})[0]
    np.testing.assert_allclose(dequantized(weight_of(model)), expected, rtol=1e-6)


def test_a_product_of_integers():
    scale = RNG.uniform(0.01, 1, 20).astype(np.float32)
    text = """
        g (float[N, 12] x) => (float[N, 20] y) {
            q, xs, xz = DynamicQuantizeLinear(x)
            sums = MatMulInteger(q, w, xz)
            floats = Cast<to: int = 1>(sums)
            scales = Mul(xs, s)
            y = Mul(floats, scales)
        }
    """
    model = build(text, w=INTEGERS, s=scale)
    np.testing.assert_allclose(dequantized(weight_of(model)), INTEGERS * scale, rtol=1e-6)


def test_rows_of_a_table_are_dequantized_once_they_are_looked_up():
    text = "g (int64[N] i) => (float[N, 20] y) { r = Gather(w, i) y = DequantizeLinear(r, s) }"
    model = build(text, w=INTEGERS, s=np.float32(0.5))
    np.testing.assert_array_equal(dequantized(weight_of(model)), INTEGERS * np.float32(0.5))


def test_steps_that_cannot_be_found_are_not_guessed():
    model = build("g (float[N, 12] x) => (float[N, 20] y) { c = Cast<to: int = 1>(w) y = MatMul(x, c) }", w=INTEGERS)
    assert dequantized(weight_of(model)) is None

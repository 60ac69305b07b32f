"""The portable bodies of layers on integers, against their definition in numpy, whose sums are in int64."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from onnxdc.domain.group import decoder_of
from onnxdc.domain.operators import DECODERS, DYNAMIC, OPERATORS
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.weight import CompressedWeight
from tests.helpers.dynamic_products import convolution, matrix_product
from tests.helpers.native_models import normal, sparse_array
from tests.helpers.portable_models import NEWEST_OPSET, OPSETS, Node, compressed_model, run, run_in_reference

BYTES_ALLOWED = 11500


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def check(model: onnx.ModelProto, node: Node, expected: np.ndarray) -> None:
    """Integers are equal: one that is not would be 1/255 of a product off."""
    onnx.checker.check_model(model, full_check=True)
    assert sum(function.ByteSize() for function in model.functions) < BYTES_ALLOWED
    for found in (run(model, node.feeds), run_in_reference(model, node.feeds)):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max(initial=0))


def test_every_product_has_a_twin_on_integers_with_all_its_activations():
    names = {name.replace("SparseQuant", "SparseDynamic") for name in OPERATORS if name.startswith("SparseQuant")}
    assert {name for name in OPERATORS if name.startswith("SparseDynamic")} == {
        name for name in names if "Gather" not in name
    }
    assert set(DYNAMIC) == {"Gemm", "MatMul", "Conv"}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("shape", [(40,), (2, 3, 40), (0, 40)])
def test_matmul(opset: int, shape: tuple[int, ...]):
    weight, a = sparse_array(rng(), (40, 24)), normal(rng(), shape) + np.float32(0.3)
    node = Node(len(shape), {"A": a})
    expected = matrix_product(a.reshape(-1, 40), weight).reshape(*shape[:-1], 24)
    check(compressed_model("SparseDynamicMatMul", weight, node, opset), node, expected)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("turned", [{}, {"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1}, {"transB": 0}])
def test_gemm(opset: int, turned: dict[str, int]):
    weight, a, c = sparse_array(rng(), (40, 24)), normal(rng(), (6, 40)), normal(rng(), (6, 1))
    stored = np.ascontiguousarray(weight.T) if turned.get("transB") else weight
    before = {"A": np.ascontiguousarray(a.T) if turned.get("transA") else a}
    node = Node(2, before, {"C": c}, {"alpha": 0.5, "beta": 2.0, **turned})
    expected = 0.5 * matrix_product(a, weight) + 2.0 * c
    check(compressed_model("SparseDynamicGemm", stored, node, opset), node, expected)


def test_gemm_without_c():
    weight, a = sparse_array(rng(), (40, 24)), normal(rng(), (6, 40))
    node = Node(2, {"A": a})
    check(compressed_model("SparseDynamicGemm", weight, node, 17), node, matrix_product(a, weight))


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1-D": ((5, 3, 4), (2, 3, 11), {}),
    "2-D": ((8, 3, 3, 3), (2, 3, 9, 8), {"pads": [1, 1, 1, 1]}),
    "2-D with all": (
        (6, 2, 3, 2),
        (3, 4, 9, 10),
        {"group": 2, "dilations": [2, 1], "kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1]},
    ),
    "depthwise": ((6, 1, 3, 3), (2, 6, 5, 5), {"group": 6, "pads": [1, 1, 1, 1]}),
    "3-D": ((3, 2, 2, 3, 2), (2, 2, 4, 5, 4), {"pads": [0, 1, 0, 1, 1, 0]}),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(opset: int, name: str):
    shape, x_shape, attributes = CONVOLUTIONS[name]
    # Images far from 0, so that padding that is not 0 shows.
    weight, x, b = sparse_array(rng(), shape, 0.5), normal(rng(), x_shape) + np.float32(2), normal(rng(), shape[:1])
    node = Node(len(shape), {"X": x}, {"B": b}, attributes)
    expected = convolution(x, weight, attributes) + b.reshape(-1, *[1] * (x.ndim - 2))
    check(compressed_model("SparseDynamicConv", weight, node, opset), node, expected)


def test_convolution_without_b():
    weight, x = sparse_array(rng(), (8, 3, 3, 3), 0.5), normal(rng(), (1, 3, 9, 8))
    node = Node(4, {"X": x}, {}, {"auto_pad": "VALID"})
    check(compressed_model("SparseDynamicConv", weight, node, 17), node, convolution(x, weight, {}))


def on_grid(groups: int, axis: int, most: int) -> tuple[np.ndarray, CompressedWeight]:
    """A weight [64, 24] or [24, 64] on one grid, or on as many as the axis is long."""
    random = np.random.default_rng(6)
    odd = random.choice([9, 11, 13, 15], 24) * 2.0 ** random.integers(-9, 0, 24) if groups > 1 else np.full(24, 0.3)
    steps = odd.astype(np.float32).reshape((1, 24) if axis else (24, 1))
    chosen = np.concatenate([[-most, most, 1], random.choice(np.arange(-most, most), 2 * most // 3, replace=False)])
    shape = (64, 24) if axis else (24, 64)
    integers = random.choice(chosen, shape) * (random.random(shape) < 0.5)
    weight = integers.astype(np.float32) * steps
    compressed = encode_weight(weight, group_axis=axis)
    assert compressed.step.shape == (groups, 1)
    return weight, compressed


@pytest.mark.parametrize(("most", "counts"), [(9, True), (127, True), (128, False)])
@pytest.mark.parametrize(("groups", "axis"), [(1, 1), (24, 1), (24, 0)])
@pytest.mark.parametrize("alone", [True, False], ids=["one decoder", "any decoder"])
def test_integers_of_a_grid_are_taken_as_they_are(most: int, counts: bool, groups: int, axis: int, alone: bool):
    weight, compressed = on_grid(groups, axis, most)
    a = normal(rng(), (5, len(weight)))
    # Of groups along the inputs no output has one step.
    outputs = weight.shape[1]
    own = compressed.step[:, 0].repeat(outputs // groups) if counts and (axis or groups == 1) else None
    node = Node(2, {"A": a}, {}, {"group_axis": axis} if groups > 1 else {})
    decoders = {decoder_of(compressed)} if alone else DECODERS
    model = compressed_model("SparseDynamicMatMul", compressed, node, 17, decoders)
    check(model, node, matrix_product(a, weight, own))


@pytest.mark.parametrize("opset", [11, NEWEST_OPSET])
def test_groups_of_filters_have_steps_of_their_own(opset: int):
    weight, compressed = on_grid(24, 0, 60)
    x = normal(rng(), (2, 64, 3, 3))
    reshaped = encode_weight(weight.reshape(24, 64, 1, 1), group_axis=0)
    node = Node(4, {"X": x}, {}, {"group_axis": 0})
    expected = convolution(x, weight.reshape(24, 64, 1, 1), {}, compressed.step[:, 0])
    check(compressed_model("SparseDynamicConv", reshaped, node, opset), node, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("opset", [11, NEWEST_OPSET])
def test_what_has_no_range_makes_no_numbers_and_spoils_nothing_else(value: float, opset: int):
    weight, a = sparse_array(rng(), (40, 24)), normal(rng(), (5, 40))
    a[2, 7] = value
    found = run(compressed_model("SparseDynamicMatMul", weight, Node(2, {"A": a}), opset), {"A": a})
    assert np.isnan(found[2]).all()
    expected = matrix_product(a, weight)
    np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(expected, 2, 0), rtol=1e-5, atol=1e-5)


def test_zeros_and_extremes():
    weight = sparse_array(rng(), (30, 20))
    weight[:, 3] = 0
    weight[:, 4] *= np.float32(1e-42)
    weight[:, 5] *= np.float32(1e36)
    a = np.zeros((5, 30), np.float32)
    a[1], a[2] = 7, -7
    a[3], a[4] = np.linspace(-3e38, 3e38, 30), np.linspace(-1e-42, 1e-42, 30)
    with np.errstate(over="ignore", under="ignore"):
        expected = matrix_product(a, weight).astype(np.float32)
    found = run(compressed_model("SparseDynamicMatMul", weight, Node(2, {"A": a}), 17), {"A": a})
    np.testing.assert_allclose(found, expected, rtol=1e-6)

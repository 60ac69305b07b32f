"""Native layers on integers against their definition in numpy, in every instruction set that this machine has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from onnxdc import native
from onnxdc.numeric.encoding import encode_weight
from tests.helpers.dynamic_products import convolution, matrix_product
from tests.helpers.native_models import Pair, isa_params, normal, session, sparse_array


@pytest.fixture(params=isa_params(native.supported_isas()), autouse=True)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forces one instruction set."""
    monkeypatch.setenv("ONNXDC_ISA", request.param)


def run(pair: Pair, threads: int = 1, **attributes: Any) -> np.ndarray:
    model = pair.sparse_model(prefix="SparseDynamic", **attributes)
    feeds = {name: array for name, array in pair.feeds.items() if array is not None}
    return session(model, threads).run(None, feeds)[0]


def assert_near(found: np.ndarray, expected: np.ndarray) -> None:
    """The integers are equal: one that is not would be 1/255 of a product off."""
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max(initial=0))


SIZES = [(1, 1, 1), (1, 17, 33), (2, 300, 100), (5, 31, 65), (8, 64, 40), (9, 700, 24), (33, 70, 50), (70, 1500, 140)]


@pytest.mark.parametrize(("m", "k", "n"), SIZES)
@pytest.mark.parametrize("density", [0.05, 0.4, 1.0])
def test_matmul(m, k, n, density):
    rng = np.random.default_rng(m * 1000 + k + n)
    weight, a = sparse_array(rng, (k, n), density), normal(rng, (m, k)) + np.float32(0.3)
    assert_near(run(Pair("MatMul", weight, {"A": a})), matrix_product(a, weight))


@pytest.mark.parametrize("shape", [(40,), (1, 40), (2, 3, 40), (2, 1, 3, 40), (0, 40), (2, 0, 40)])
def test_matmul_of_any_rank(shape):
    rng = np.random.default_rng(7)
    weight, a = sparse_array(rng, (40, 50)), normal(rng, shape)
    expected = matrix_product(a.reshape(-1, 40), weight)
    assert_near(run(Pair("MatMul", weight, {"A": a})), expected.reshape(*shape[:-1], 50))


@pytest.mark.parametrize(("trans_a", "trans_b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("shape_c", [(), (18,), (7, 1), (7, 18), None])
def test_gemm(trans_a, trans_b, shape_c):
    rng = np.random.default_rng(3)
    weight, a = sparse_array(rng, (30, 18)), normal(rng, (7, 30))
    c = None if shape_c is None else normal(rng, shape_c)
    feeds = {"A": np.ascontiguousarray(a.T) if trans_a else a, "C": c}
    stored = np.ascontiguousarray(weight.T) if trans_b else weight
    attributes = {"alpha": 0.5, "beta": 2.0, "transA": trans_a, "transB": trans_b}
    expected = 0.5 * matrix_product(a, weight) + (0 if c is None else 2.0 * c.astype(np.float64))
    assert_near(run(Pair("Gemm", stored, feeds, attributes)), expected)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1-D": ((6, 4, 3), (2, 4, 20), {}),
    "1-D strided": ((6, 4, 5), (2, 4, 31), {"strides": [3], "pads": [2, 1]}),
    "2-D": ((8, 3, 3, 3), (1, 3, 12, 13), {"pads": [1, 1, 1, 1]}),
    "2-D of many": ((40, 24, 3, 3), (3, 24, 14, 14), {"pads": [1, 1, 1, 1]}),
    "1x1": ((33, 70, 1, 1), (2, 70, 7, 7), {}),
    "1x1 strided": ((20, 30, 1, 1), (1, 30, 9, 9), {"strides": [2, 2]}),
    "2-D strided": ((8, 6, 3, 3), (2, 6, 15, 14), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "2-D dilated": ((8, 6, 3, 3), (2, 6, 15, 14), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "2-D with all": (
        (6, 2, 3, 2),
        (3, 4, 9, 10),
        {"group": 2, "dilations": [2, 1], "strides": [2, 3], "pads": [1, 0, 2, 1]},
    ),
    "depthwise": ((12, 1, 3, 3), (2, 12, 10, 10), {"group": 12, "pads": [1, 1, 1, 1]}),
    "3-D": ((5, 3, 2, 3, 2), (2, 3, 6, 7, 8), {"strides": [1, 2, 1], "pads": [1, 0, 1, 0, 1, 1]}),
    "wide": ((4, 2, 1, 7), (1, 2, 3, 200), {"pads": [0, 3, 0, 3]}),
    "far apart": ((4, 2, 2, 2), (1, 2, 40, 40), {"strides": [19, 23]}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("density", [0.1, 0.7])
def test_convolution(name, density):
    shape, x_shape, attributes = CONVOLUTIONS[name]
    rng = np.random.default_rng(5)
    weight, x, b = sparse_array(rng, shape, density), normal(rng, x_shape) + np.float32(0.2), normal(rng, shape[:1])
    expected = convolution(x, weight, attributes) + b.reshape(-1, *[1] * (x.ndim - 2))
    for threads in (1, 3):
        assert_near(run(Pair("Conv", weight, {"X": x, "B": b}, attributes), threads), expected)


def on_grid(rng: np.random.Generator, shape: tuple[int, ...], steps: np.ndarray, most: int) -> np.ndarray:
    """Multiples of steps by some integers, `most` and its negative among them."""
    chosen = np.concatenate([[-most, most, 1], rng.choice(np.arange(-most, most + 1), min(most, 60), replace=False)])
    integers = rng.choice(chosen, shape) * (rng.random(shape) < 0.5)
    return (integers.astype(np.float32) * steps).astype(np.float32)


@pytest.mark.parametrize(("most", "counts"), [(9, True), (127, True), (128, False)])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("groups", [1, 24])
def test_integers_of_a_grid_are_taken_as_they_are(most, counts, axis, groups):
    rng = np.random.default_rng(6)
    odd = rng.choice([9, 11, 13, 15], (1, groups)) * 2.0 ** rng.integers(-9, 0, (1, groups))
    steps = np.tile(odd if groups > 1 else 0.3, 24 // groups).astype(np.float32).reshape(1, 24)
    weight = on_grid(rng, (64, 24), steps, most) if axis else on_grid(rng, (24, 64), steps.T, most)
    compressed = encode_weight(weight, group_axis=axis)
    assert compressed.step.shape == (groups, 1)
    assert counts == (np.abs(compressed.codebook.astype(int)).max() <= 127)
    a = normal(rng, (5, weight.shape[0]))
    # Of groups along the inputs no output has one step.
    outputs = weight.shape[1]
    own = compressed.step[:, 0].repeat(outputs // groups) if counts and (axis or groups == 1) else None
    found = session(Pair("MatMul", weight, {"A": a}).sparse_model(compressed, "SparseDynamic")).run(None, {"A": a})[0]
    assert_near(found, matrix_product(a, weight, own))


def test_rows_do_not_depend_on_each_other():
    rng = np.random.default_rng(8)
    weight, a = sparse_array(rng, (200, 90)), normal(rng, (67, 200)) * np.float32(10) ** rng.integers(-3, 4, (67, 1))
    pair = Pair("MatMul", weight, {"A": a.astype(np.float32)})
    together = run(pair)
    for rows in (slice(0, 1), slice(5, 7), slice(11, 20), slice(30, 66)):
        alone = run(Pair("MatMul", weight, {"A": pair.feeds["A"][rows]}))
        np.testing.assert_array_equal(alone, together[rows])
    np.testing.assert_array_equal(run(pair, 3), together)


def test_images_do_not_depend_on_each_other():
    rng = np.random.default_rng(9)
    weight, x = sparse_array(rng, (30, 8, 3, 3)), normal(rng, (5, 8, 7, 7))
    attributes = {"pads": [1, 1, 1, 1]}
    together = run(Pair("Conv", weight, {"X": x, "B": None}, attributes))
    for image in range(5):
        alone = run(Pair("Conv", weight, {"X": x[image : image + 1], "B": None}, attributes))
        np.testing.assert_array_equal(alone[0], together[image])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_has_no_range_makes_no_numbers_and_spoils_nothing_else(value):
    rng = np.random.default_rng(10)
    weight, a = sparse_array(rng, (50, 40)), normal(rng, (6, 50))
    a[2, 11] = value
    found = run(Pair("MatMul", weight, {"A": a}))
    assert np.isnan(found[2]).all()
    assert_near(np.delete(found, 2, 0), np.delete(matrix_product(a, weight), 2, 0))
    filters, x = sparse_array(rng, (7, 3, 3, 3)), normal(rng, (2, 3, 8, 8))
    x[0, 1, 2, 3] = value
    found = run(Pair("Conv", filters, {"X": x, "B": None}))
    assert np.isnan(found[0]).all()
    assert_near(found[1], convolution(x, filters, {})[1])


def test_zeros_and_extremes():
    weight = sparse_array(np.random.default_rng(11), (30, 20))
    weight[:, 3] = 0
    weight[:, 4] *= np.float32(1e-42)
    weight[:, 5] *= np.float32(1e36)
    a = np.zeros((5, 30), np.float32)
    a[1] = 7
    a[2] = -7
    a[3] = np.linspace(-3e38, 3e38, 30)
    a[4] = np.linspace(-1e-42, 1e-42, 30)
    with np.errstate(over="ignore", under="ignore"):
        expected = matrix_product(a, weight).astype(np.float32)
        found = run(Pair("MatMul", weight, {"A": a}))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert not found[0].any()
    assert not found[:, 3].any()


def test_a_weight_that_no_integers_stand_for_is_refused():
    weight = np.ones((30, 20), np.float32)
    weight[3, 4] = np.inf
    with pytest.raises(RuntimeException, match="infinity or a NaN"):
        run(Pair("MatMul", weight, {"A": np.ones((1, 30), np.float32)}))


def test_sums_that_32_bits_do_not_hold_are_refused():
    a: Mapping[str, np.ndarray | None] = {"A": np.ones((1, 70000), np.float32)}
    assert run(Pair("MatMul", np.ones((66000, 1), np.float32), {"A": a["A"][:, :66000]})) == pytest.approx(66000)
    with pytest.raises(RuntimeException, match="32 bits"):
        run(Pair("MatMul", np.ones((70000, 1), np.float32), a))

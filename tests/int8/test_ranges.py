"""The ranges of activations: what rounding to 256 values of them loses, by float64."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.int8.ranges import ranges_of
from onnxdc.numeric.ranges import best_range
from onnxdc.passes.plan import plan_weights
from tests.helpers.text_models import build, normal


def error(values: np.ndarray, low: float, high: float) -> float:
    """The mean squared error of values that are rounded to 256 integers, as QuantizeLinear does."""
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    rounded = (np.clip(np.rint(values.astype(np.float64) / scale) + zero, 0, 255) - zero) * scale
    return float(np.square(values - rounded).mean())


def identity_ranges(values: np.ndarray, parts: int = 3) -> tuple[float, float]:
    """The range of a tensor that takes these values."""
    model = build("g (float[N, 8] x) => (float[N, 4] y) { y = MatMul (x, w) }", w=normal(8, 4))
    feeds = [{"x": part} for part in np.array_split(values.reshape(-1, 8).astype(np.float32), parts)]
    return ranges_of(plan_weights(model), ["x"], feeds)["x"]


@pytest.mark.parametrize("far", [6.0, 30.0])
def test_a_few_far_values_do_not_make_all_others_coarse(far: float) -> None:
    values = normal(40_000, seed=1, dtype=np.float64)
    values[:4] = far
    low, high = identity_ranges(values)
    assert low <= 0 < high <= far
    assert error(values, low, high) <= error(values, values.min(), values.max())


def test_even_values_are_not_cut() -> None:
    values = np.random.default_rng(0).uniform(0, 5, 40_000)
    low, high = identity_ranges(values)
    assert low == 0
    assert error(values, low, high) <= 1.02 * error(values, 0, values.max())


def test_zero_is_in_every_range() -> None:
    assert identity_ranges(np.full(800, 3.0))[0] == 0
    assert identity_ranges(np.full(800, -3.0))[1] == 0
    assert identity_ranges(np.zeros(800)) == (0, 0)


def test_what_is_not_finite_does_not_count() -> None:
    values = normal(8000, seed=2)
    expected = identity_ranges(values)
    values[5], values[700] = np.nan, np.inf
    np.testing.assert_allclose(identity_ranges(values), expected, rtol=0.05)


def test_the_best_cuts_are_found() -> None:
    values = np.random.default_rng(3).laplace(size=200_000)
    counts, edges = np.histogram(values, bins=2048)
    low, high = best_range(counts.astype(np.float64), edges[0], edges[-1])
    found = error(values, low, high)
    every = [
        error(values, edges[0] * a, edges[-1] * b) for a in np.linspace(0.3, 1, 15) for b in np.linspace(0.3, 1, 15)
    ]
    assert found <= 1.03 * min(every)

"""Rounding to int8: what range and pairs permit, no clipping, zeros that stay, and less error than plain rounding."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxdc.errors import WeightError
from onnxdc.numeric.calibrated.factor import factor
from onnxdc.numeric.calibrated.int8 import Form, least_steps, round_to_int8
from tests.helpers.text_models import normal

ONE = Form(by_row=False, pairs=True, axis=0)
ROWS = Form(by_row=True, pairs=True, axis=0)
TABLE = Form(by_row=True, pairs=False, axis=1)


def moments(columns: int, seed: int = 0) -> NDArray[np.float64]:
    """Second moments of inputs that depend on each other, ``[1, columns, columns]``."""
    x = normal(4 * columns, columns, seed=seed, dtype=np.float64) @ normal(columns, columns, seed=seed + 1)
    return (x.T @ x / len(x))[None]


def loss(change: np.ndarray, second: NDArray[np.float64]) -> float:
    change = change[0].astype(np.float64)
    return float(np.trace(change @ second[0] @ change.T))


@pytest.mark.parametrize("step", [1e-6, 0.02, 0.2, 1.0, np.inf])
@pytest.mark.parametrize("form", [ONE, ROWS, TABLE])
@pytest.mark.parametrize("known", [False, True])
def test_integers_are_in_range_and_their_pairs_too(step: float, form: Form, known: bool) -> None:
    weights = normal(1, 20, 30, seed=1)
    weights[0, 3, 4] = 30
    made = factor(moments(30), 0.01) if known else None
    rounded = round_to_int8(weights, step, made, form)
    integers = rounded.integers.astype(int)
    assert np.abs(integers).max() <= 127
    if form.pairs:
        ordered = np.sort(integers, axis=2)
        assert ordered[:, :, -2:].sum(axis=2).max() <= 128
        assert ordered[:, :, :2].sum(axis=2).min() >= -128
    assert rounded.values().dtype == np.float32
    np.testing.assert_array_equal(rounded.values(), rounded.integers * rounded.steps[:, :, None])
    assert integers.any()


@pytest.mark.parametrize("form", [ONE, ROWS, TABLE])
def test_nothing_is_clipped(form: Form) -> None:
    weights = normal(1, 20, 30, seed=2)
    weights[0, 3, 4] = 100
    rounded = round_to_int8(weights, 0.05, None, form)
    # Beyond a plain half, a shorter codeword may be chosen: the whole step is never exceeded.
    assert (np.abs(rounded.values() - weights) <= rounded.steps[:, :, None]).all()


def test_one_step_where_the_range_permits_it_else_one_for_each_row() -> None:
    weights = normal(1, 20, 30, seed=3)
    assert round_to_int8(weights, 0.1, None, ROWS).one
    weights[0, 3, 4] = 100
    rounded = round_to_int8(weights, 0.1, None, ROWS)
    assert not rounded.one
    steps = rounded.steps[0]
    np.testing.assert_allclose(np.delete(steps, 3), 0.1, rtol=1e-6)
    assert steps[3] > 0.75
    one = round_to_int8(weights, 0.1, None, ONE)
    assert one.one
    assert np.unique(one.steps).size == 1


def test_least_steps_are_those_of_the_two_largest_of_a_sign() -> None:
    rows = np.array([[[1.0, -3.0, 2.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]]], np.float32)
    np.testing.assert_allclose(least_steps(rows, ROWS), [[3 / 125, 8 / 126, 0]])
    np.testing.assert_allclose(least_steps(rows, TABLE), [[3 / 125, 4 / 125, 0]])


@pytest.mark.parametrize("form", [ONE, ROWS])
def test_feedback_loses_less_than_plain_rounding_with_the_same_steps(form: Form) -> None:
    weights, second = normal(1, 40, 60, seed=4), moments(60, seed=5)
    weights[0, 7] *= 20
    rounded = round_to_int8(weights, 0.4, factor(second, 0.01), form)
    steps = rounded.steps[:, :, None].astype(np.float64)
    plain = np.rint(weights / steps) * steps
    assert loss(rounded.values() - weights, second) < 0.6 * loss(plain - weights, second)


def test_zeros_stay_zero_and_those_of_a_pruned_weight_are_all_there_are() -> None:
    weights = normal(1, 40, 60, seed=6)
    weights[0, :, ::3] = 0
    made = factor(moments(60, seed=7), 0.01)
    rounded = round_to_int8(weights, 0.3, made, ROWS)
    assert not rounded.integers[0, :, ::3].any()
    assert np.count_nonzero(rounded.integers) < np.count_nonzero(weights)
    pruned = round_to_int8(weights, 0.3, made, ROWS, pruned=True)
    assert np.array_equal(pruned.integers == 0, weights == 0)


def test_few_values_are_so_many_at_most() -> None:
    rounded = round_to_int8(normal(1, 40, 60, seed=9), 1e-3, None, ONE, most=15)
    assert np.unique(rounded.integers).size <= 16


@pytest.mark.parametrize(("bad", "words"), [(np.nan, "finite"), (np.inf, "finite"), (1e-38, "below")])
def test_weights_without_steps_are_refused(bad: float, words: str) -> None:
    weights = np.zeros((1, 2, 3), np.float32)
    weights[0, 1, 1] = bad
    with pytest.raises(WeightError, match=words):
        round_to_int8(weights, 0.1, None, ONE)


def test_rows_and_back_are_the_weight() -> None:
    array = normal(4, 5, 6, seed=10)
    for axis in range(3):
        form = Form(by_row=True, pairs=True, axis=axis)
        rows = form.matrices(array)
        assert rows.shape == (1, array.shape[axis], array.size // array.shape[axis])
        np.testing.assert_array_equal(form.back(rows, array.shape), array)

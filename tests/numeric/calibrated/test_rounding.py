"""Rounding with error feedback: against plain loops, an exhaustive search, and the definition of the loss."""

from __future__ import annotations

import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest

from onnxdc.errors import WeightError
from onnxdc.numeric.calibrated import feedback
from onnxdc.numeric.calibrated.factor import Factor
from onnxdc.numeric.calibrated.lengths import PRICE, Prices, column_prices, histogram_of
from onnxdc.numeric.calibrated.rounding import round_alone, round_with_feedback
from onnxdc.numeric.calibrated.steps import LARGEST, fitting_step, next_step, steps_of
from onnxdc.numeric.grids import grid_of_values
from tests.helpers.second_moments import damped, layer, trace_loss

SHAPES = [(1, 5, 300), (2, 30, 40), (200, 1, 9), (1, 1100, 20)]


def bits_of(histogram: np.ndarray) -> np.ndarray:
    return -np.log2((histogram + 0.5) / (histogram + 0.5).sum())


def best(x: float, price: float, bits: np.ndarray) -> int:
    """The cheapest of the two integers next to x and zero, by trying them."""
    candidates = (int(np.floor(x)), int(np.floor(x)) + 1, 0)
    return min(candidates, key=lambda k: (x - k) ** 2 + price * bits[k + LARGEST])


def loop(weights: np.ndarray, step: float, made: Factor, passes: int = 2) -> np.ndarray:
    """The definition in float64, an element at a time: integers ``[g, rows, n]``."""
    histogram = histogram_of(np.rint(weights / step).astype(np.int16))
    prices = PRICE * made.pivots.mean() / made.pivots
    integers = np.empty(weights.shape, np.int16)
    for _ in range(passes):
        bits = bits_of(histogram)
        for group, row in np.ndindex(weights.shape[:2]):
            order, lower = made.order[group], made.lower[group].astype(np.float64)
            x = weights[group, row, order].astype(np.float64) / step
            for j, column in enumerate(order):
                integers[group, row, column] = k = best(x[j], prices[group, j], bits)
                x[j + 1 :] -= (x[j] - k) / lower[j, j] * lower[j + 1 :, j]
        histogram = histogram_of(integers)
    return integers


@pytest.mark.parametrize("shape", [(1, 4, 140), (2, 3, 20), (15, 1, 9)])
def test_the_integers_are_those_of_a_plain_loop(shape: tuple[int, int, int]) -> None:
    weights, made = layer(*shape)
    rounded = round_with_feedback(weights, 0.25, made)
    different = np.count_nonzero(rounded.integers != loop(weights, rounded.step, made))

    assert rounded.step == 0.25
    assert different <= 0.01 * weights.size  # what float32 tips to the other side, and what follows from that


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("step", [0.125, 0.75])
def test_the_loss_is_that_of_the_definition(shape: tuple[int, int, int], step: float) -> None:
    weights, made = layer(*shape)
    rounded = round_with_feedback(weights, step, made)
    change = weights - rounded.values(np.dtype(np.float32))

    assert rounded.loss == pytest.approx(trace_loss(change, damped(made)), rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_it_loses_less_than_plain_rounding(shape: tuple[int, int, int]) -> None:
    weights, made = layer(*shape)
    rounded = round_with_feedback(weights, 0.5, made)
    plain = np.rint(weights / rounded.step) * rounded.step

    assert rounded.loss < 0.8 * trace_loss(weights - plain, damped(made))


def test_feedback_comes_close_to_the_best_of_all_integers() -> None:
    weights, made = layer(1, 12, 4, seed=3)
    second = damped(made)
    rounded = round_with_feedback(weights, 0.5, made)
    around = np.stack(list(itertools.product(range(-2, 3), repeat=4)))
    losses = []
    for row in weights[0].astype(np.float64):
        changes = row - (np.rint(row / rounded.step) + around) * rounded.step
        losses.append(np.einsum("cn,nm,cm->c", changes, second[0], changes).min())
    plain = trace_loss(weights - np.rint(weights / rounded.step) * rounded.step, second)

    assert sum(losses) <= rounded.loss * (1 + 1e-6)
    assert rounded.loss - sum(losses) < 0.3 * (plain - sum(losses))


def test_independent_inputs_need_no_feedback() -> None:
    weights, made = layer(1, 20, 16)
    alone = Factor(made.order, np.eye(16, dtype=np.float32)[None], np.ones((1, 16)), np.zeros(1))

    assert np.array_equal(round_with_feedback(weights, 0.3, alone).integers, round_alone(weights, 0.3).integers)


def test_blocks_of_columns_and_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, made = layer(1, 70, 90)
    whole = round_with_feedback(weights, 0.25, made)
    for name, value in (("BLOCK", 7), ("_LATER", 13)):
        monkeypatch.setattr(feedback, name, value)
    parts = round_with_feedback(weights, 0.25, made)

    assert np.count_nonzero(parts.integers != whole.integers) <= 0.01 * weights.size
    assert parts.loss == pytest.approx(whole.loss, rel=0.01)


@pytest.mark.parametrize("price", [0.0, 0.05, 0.7])
@pytest.mark.parametrize("zero", [True, False])
def test_the_cheapest_integer_is_chosen(price: float, zero: bool) -> None:
    x = np.linspace(-9.9, 9.9, 991, dtype=np.float32)[None]
    histogram = histogram_of(np.rint(np.random.default_rng(0).standard_normal(5000) * 3).astype(np.int16))
    bits = bits_of(histogram)
    chosen = Prices(histogram, np.full((1, 1), price, np.float32), zero=zero).choose(x, 0)[0]
    for value, k in zip(x[0].astype(np.float64), chosen, strict=True):
        cost = (value - k) ** 2 + price * bits[int(k) + LARGEST]
        floor = int(np.floor(value))
        candidates = [floor, floor + 1, 0] if zero else [c for c in (floor, floor + 1) if c]
        if not zero and k != candidates[0] and 0 in (floor, floor + 1):
            assert k == np.copysign(1, value)  # where zero would be better than what is left
            continue
        assert cost <= min((value - c) ** 2 + price * bits[c + LARGEST] for c in candidates) + 1e-5


def test_a_price_on_length_makes_codes_shorter() -> None:
    weights = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    rounded = round_alone(weights, 0.5)
    plain = np.rint(weights / rounded.step).astype(np.int16)
    entropy = [bits_of(histogram_of(k))[k.astype(int) + LARGEST].mean() for k in (rounded.integers, plain)]

    assert entropy[0] < entropy[1] - 0.01
    error = np.square(weights - rounded.values(np.dtype(np.float32)), dtype=np.float64).sum()
    assert rounded.loss == pytest.approx(error, rel=1e-4)
    assert error < 1.01 * np.square(weights - plain * rounded.step).sum()


def test_prices_are_the_same_in_units_of_the_loss() -> None:
    pivots = np.array([[1.0, 4.0], [2.0, 1.0]])
    assert column_prices(pivots) * pivots == pytest.approx(np.full((2, 2), PRICE * 2.0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_values_are_on_a_grid_that_is_found_again_without_negative_zeros(dtype: type) -> None:
    weights, made = layer(1, 6, 30)
    values = round_with_feedback(weights, 0.3, made).values(np.dtype(dtype))

    assert values.dtype == dtype
    assert not np.signbit(values[values == 0]).any()
    found = grid_of_values(np.unique(values))
    assert found is not None
    if dtype is not ml_dtypes.bfloat16:  # which has 8 bits for a product of 4 and more
        assert float(found[0][0, 0]) == 0.3125


def test_outliers_have_steps_of_their_own_up_to_the_largest_integer() -> None:
    weights, made = layer(1, 50, 60)
    weights[0, 3, 7] = 150.0  # standard deviations
    rounded = round_with_feedback(weights, 0.1, made)

    assert rounded.step < 0.11
    assert 1400 < np.abs(rounded.integers).max() <= LARGEST
    assert np.unique(rounded.integers).size <= 256


def test_no_more_integers_than_the_format_has() -> None:
    weights, made = layer(1, 300, 60)
    rounded = round_with_feedback(weights, 1e-6, made)
    assert 150 < np.unique(rounded.integers[rounded.integers != 0]).size <= 255


def test_steps_are_of_four_bits_and_no_finer_than_the_range_permits() -> None:
    weights = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    for asked in (1e-9, 0.017, 0.3, 5.0, np.inf):
        step = fitting_step(weights, asked)
        assert grid_of_values(np.array([step, 3 * step])) is not None
        assert np.unique(np.rint(weights / np.float32(step))).size <= 200
        assert np.rint(weights / step).any()
    assert np.unique(np.rint(weights / np.float32(fitting_step(weights, 1e-9)))).size > 170
    assert fitting_step(weights, 0.3) == 0.3125
    assert fitting_step(np.zeros(3, np.float32), 0.1) == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(WeightError, match="finite"):
        round_alone(np.array([1.0, bad], np.float32), 0.1)


def test_steps_that_follow_each_other_differ_by_a_bit_of_four() -> None:
    step, seen = 1.0, []
    while step < 2.0:
        seen.append(step)
        step = next_step(step)
    assert seen == [1 + eighth / 8 for eighth in range(8)]


def test_one_lambda_gives_all_steps() -> None:
    steps = steps_of(0.09, np.array([1.0, 4.0]), np.array([1.0, 0.25]))
    assert steps.tolist() == pytest.approx([0.3, 0.3])


def test_what_is_rounded_can_be_sent() -> None:
    weights, made = layer(1, 3, 4)
    again = pickle.loads(pickle.dumps((weights, made)))
    assert np.array_equal(
        round_with_feedback(*again[:1], 0.3, again[1]).integers, round_with_feedback(weights, 0.3, made).integers
    )

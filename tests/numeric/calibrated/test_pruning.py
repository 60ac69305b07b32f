"""Pruning by second moments: against magnitude, exact solutions in float64, and a search through all masks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric.calibrated.pruning import prune
from onnxdc.numeric.calibrated.rounding import round_with_feedback
from tests.helpers.second_moments import damped, inputs, layer, moments_of, trace_loss

SHAPES = [(1, 10, 200), (2, 16, 30), (60, 1, 9)]
NONE = np.zeros(1)  # damping


def best_values(weights: np.ndarray, second: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The values of least loss within a mask, ``[g, rows, n]``: a system of linear equations for each row."""
    best = np.zeros(weights.shape)
    for group, row in np.ndindex(weights.shape[:2]):
        kept, pruned = np.flatnonzero(mask[group, row]), np.flatnonzero(~mask[group, row])
        h, w = second[group], weights[group, row].astype(np.float64)
        best[group, row, kept] = w[kept] + np.linalg.solve(h[np.ix_(kept, kept)], h[np.ix_(kept, pruned)] @ w[pruned])
    return best


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.5, 0.2])
def test_it_loses_far_less_than_magnitude(shape: tuple[int, int, int], density: float) -> None:
    weights, made = layer(*shape)
    second = damped(made)
    pruned = prune(weights, second, np.zeros(shape[0]), density)
    magnitude = np.where(np.abs(weights) >= np.quantile(np.abs(weights), 1 - density), weights, 0)
    fitted = best_values(weights, second, magnitude != 0)

    assert np.count_nonzero(pruned) == round(density * weights.size)
    assert not np.signbit(pruned[pruned == 0]).any()
    loss = trace_loss(weights - pruned, second)
    assert loss < 0.5 * trace_loss(weights - magnitude, second)
    assert loss < 0.9 * trace_loss(weights - fitted, second)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_the_best_for_the_mask(shape: tuple[int, int, int]) -> None:
    weights, made = layer(*shape, damping=0.1)
    second = damped(made)
    pruned = prune(weights, second, np.zeros(shape[0]), 0.5)
    best = trace_loss(weights - best_values(weights, second, pruned != 0), second)

    assert best <= trace_loss(weights - pruned, second) * (1 + 1e-6)
    assert trace_loss(weights - pruned, second) < 1.02 * best


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_it_comes_close_to_the_best_of_all_masks(seed: int) -> None:
    weights, made = layer(1, 1, 8, seed=seed)
    second = damped(made)
    losses = []
    for kept in itertools.combinations(range(8), 4):
        mask = np.isin(np.arange(8), kept)[None, None]
        losses.append(trace_loss(weights - best_values(weights, second, mask), second))
    loss = trace_loss(weights - prune(weights, second, NONE, 0.5), second)

    assert min(losses) <= loss * (1 + 1e-4)
    assert loss <= np.quantile(losses, 0.1) * (1 + 1e-4)


def test_damping_is_added_to_the_diagonal() -> None:
    second = moments_of(inputs(500, 1, 30))[1]
    weights = np.random.default_rng(1).standard_normal((1, 8, 30)).astype(np.float32)
    expected = prune(weights, second + 0.3 * np.eye(30), NONE, 0.5)
    assert prune(weights, second, np.array([0.3]), 0.5) == pytest.approx(expected, rel=1e-4)


def test_columns_that_are_always_the_same_are_pruned_first() -> None:
    second = moments_of(inputs(500, 1, 30))[1]
    second[:, 10:20] = second[:, :, 10:20] = 0
    weights = np.random.default_rng(1).standard_normal((1, 8, 30)).astype(np.float32)
    pruned = prune(weights, second, np.array([1e-3]), 0.5)
    assert np.count_nonzero(pruned[:, :, 10:20]) < 8


def test_zeros_stay_zero_and_what_is_sparse_enough_stays_as_it_is() -> None:
    weights, made = layer(1, 12, 40)
    weights[0, :, ::4] = 0
    pruned = prune(weights, damped(made), NONE, 0.5)
    assert np.count_nonzero(pruned) == weights.size // 2
    assert not pruned[0, :, ::4].any()
    assert np.array_equal(prune(pruned, damped(made), NONE, 0.6), pruned)


def test_a_pruned_weight_keeps_its_nonzeros_on_a_grid() -> None:
    weights, made = layer(2, 16, 30)
    pruned = prune(weights, damped(made), np.zeros(2), 0.5)
    rounded = round_with_feedback(pruned, 0.3, made, pruned=True)
    values = rounded.values(np.dtype(np.float32))
    plain = np.copysign(np.maximum(np.rint(np.abs(pruned) / rounded.step), 1), pruned) * rounded.step * (pruned != 0)

    assert np.array_equal(values == 0, pruned == 0)
    assert trace_loss(pruned - values, damped(made)) < 0.8 * trace_loss(pruned - plain, damped(made))


def test_all_and_nothing() -> None:
    weights, made = layer(1, 3, 5)
    assert np.array_equal(prune(weights, damped(made), NONE, 1.0), weights)
    assert not prune(weights, damped(made), NONE, 0.0).any()
    with pytest.raises(OptionError, match="density"):
        prune(weights, damped(made), NONE, 1.5)
    weights[0, 1, 1] = np.nan
    with pytest.raises(WeightError, match="finite"):
        prune(weights, damped(made), NONE, 0.5)

"""Pruning by second moments: against magnitude, the definition of the loss, and a search through all masks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from onnxdc.errors import OptionError
from onnxdc.numeric.calibrated.error import mean_change, output_error
from onnxdc.numeric.calibrated.zeros import prune_and_round, prune_with_feedback, saliency, shared_densities
from tests.helpers.second_moments import damped, inputs, layer, moments_of, trace_loss


@pytest.mark.parametrize("shape", [(1, 10, 200), (2, 16, 30), (60, 1, 9)])
@pytest.mark.parametrize("density", [0.5, 0.2])
def test_it_loses_less_than_magnitude_and_as_much_as_it_says(shape: tuple[int, int, int], density: float) -> None:
    weights, made = layer(*shape)
    pruned, loss = prune_with_feedback(weights, made, density)
    second = damped(made)
    magnitude = np.where(np.abs(weights) >= np.quantile(np.abs(weights), 1 - density), weights, 0)

    assert np.count_nonzero(pruned) / pruned.size == pytest.approx(density, abs=0.01)
    assert loss == pytest.approx(trace_loss(weights - pruned, second), rel=1e-3)
    assert loss < 0.8 * trace_loss(weights - magnitude, second)
    assert not np.signbit(pruned[pruned == 0]).any()


def test_one_zero_costs_its_saliency_at_least_and_the_first_column_exactly_that() -> None:
    weights, made = layer(1, 1, 6)
    second, salient = damped(made)[0], saliency(weights, made)[0, 0]
    first = made.order[0, 0]
    costs = []
    for column in range(6):
        others = [other for other in range(6) if other != column]
        change = np.zeros(6)
        change[column] = weights[0, 0, column]
        change[others] = -np.linalg.solve(second[np.ix_(others, others)], second[others, column]) * change[column]
        costs.append(change @ second @ change)

    assert salient[first] == pytest.approx(costs[first], rel=1e-4)
    assert (salient >= np.array(costs) * (1 - 1e-4)).all()


def test_it_comes_close_to_the_best_of_all_masks() -> None:
    weights, made = layer(1, 1, 8, seed=5)
    second = damped(made)[0]
    row = weights[0, 0].astype(np.float64)
    losses = []
    for pruned in itertools.combinations(range(8), 4):
        kept = [column for column in range(8) if column not in pruned]
        change = row.copy()
        change[kept] = -np.linalg.solve(second[np.ix_(kept, kept)], second[np.ix_(kept, pruned)] @ row[list(pruned)])
        losses.append(change @ second @ change)
    loss = prune_with_feedback(weights, made, 0.5)[1]

    assert min(losses) <= loss * (1 + 1e-4)
    assert loss < np.quantile(losses, 0.2)


@pytest.mark.parametrize("shape", [(1, 10, 200), (2, 16, 30), (60, 1, 9)])
def test_mask_and_grid_in_one_pass(shape: tuple[int, int, int]) -> None:
    weights, made = layer(*shape)
    rounded = prune_and_round(weights, made, 0.5, 0.25)
    values = rounded.values(np.dtype(np.float32))

    assert np.count_nonzero(rounded.integers) / weights.size == pytest.approx(0.5, abs=0.01)
    assert rounded.loss == pytest.approx(trace_loss(weights - values, damped(made)), rel=1e-3)
    pruned, _ = prune_with_feedback(weights, made, 0.5)
    afterwards = np.where(pruned == 0, 0, np.rint(pruned / rounded.step) * rounded.step)
    assert rounded.loss < trace_loss(weights - afterwards, damped(made))


def test_all_and_nothing() -> None:
    weights, made = layer(1, 3, 5)
    assert np.array_equal(prune_with_feedback(weights, made, 1.0)[0], weights)
    assert not prune_with_feedback(weights, made, 0.0)[0].any()
    with pytest.raises(OptionError, match="density"):
        prune_with_feedback(weights, made, 1.5)


def test_one_threshold_for_all_layers() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.random(1000).astype(np.float32), 3 * rng.random(500).astype(np.float32)
    densities = shared_densities([small, large], 0.4, 0.0)

    assert densities[0] * 1000 + densities[1] * 500 == 600
    threshold = np.sort(np.concatenate([small, large]))[-600]
    assert densities == pytest.approx([(small >= threshold).mean(), (large >= threshold).mean()])
    assert shared_densities([small, 100 + large], 0.2, 0.15) == [0.15, 0.3]
    assert shared_densities([small, 100 + large], 0.1, 0.2) == [0.2, 0.2]


def test_errors_are_those_of_outputs() -> None:
    x = inputs(400, 2, 6)
    mean, second = moments_of(x)
    change = np.random.default_rng(1).standard_normal((2, 3, 6))
    outputs = np.einsum("grn,xgn->xgr", change, x.astype(np.float64))

    assert mean_change(change, mean) == pytest.approx(outputs.mean(axis=0))
    assert output_error(change, second) == pytest.approx(outputs.var(axis=0).sum())

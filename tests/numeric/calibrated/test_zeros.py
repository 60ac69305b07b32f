"""What zeros cost: against exact solutions, and the definition of the loss."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.numeric.calibrated.error import mean_change, output_error
from onnxdc.numeric.calibrated.zeros import saliency, shared_densities
from tests.helpers.second_moments import damped, inputs, layer, moments_of


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

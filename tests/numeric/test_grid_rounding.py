"""Weights on grids: the step, the integers, and what the limits of both do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric.grid_rounding import MAX_INTEGER, round_to_grid, rounded_step
from tests.helpers.text_models import normal

W = normal(60, 50)


@pytest.mark.parametrize("exponent", [-90, -3, 0, 17])
def test_a_step_is_the_nearest_of_four_significant_bits(exponent: int) -> None:
    grid = np.ldexp(np.arange(8, 17), exponent)
    for step in np.ldexp(np.linspace(8, 16, 101), exponent):
        nearest = rounded_step(float(step))
        assert nearest in grid
        assert abs(nearest - step) == np.abs(grid - step).min()


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_step_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(OptionError, match="finite and above 0"):
        rounded_step(bad)


@pytest.mark.parametrize("bits", range(1, 9))
def test_no_more_values_than_asked_for(bits: int) -> None:
    rounded = round_to_grid(W, 0.01, most=2**bits - 1)
    values = np.unique(rounded.values[rounded.values != 0])

    assert 2 ** (bits - 2) <= values.size < 2**bits
    assert np.array_equal(values, np.rint(values / rounded.steps[0]) * rounded.steps[0])


def test_an_outlier_stays_and_makes_the_step_larger() -> None:
    weight = np.where(np.arange(W.size).reshape(W.shape) == 7, np.float32(1e5), W)
    rounded = round_to_grid(weight, 1e-6)

    assert np.abs(rounded.values / rounded.steps[0]).max() <= MAX_INTEGER
    assert rounded.values.max() == pytest.approx(1e5, rel=1e-2)


def test_zeros_stay_and_do_not_make_the_step_smaller() -> None:
    sparse = np.where(np.abs(W) > 1.5, W, np.float32(0))
    rounded = round_to_grid(sparse, 0.1)

    assert not rounded.values[sparse == 0].any()
    assert rounded.steps[0] == rounded_step(0.1 * float(np.sqrt(np.square(sparse[sparse != 0].astype(float)).mean())))


@pytest.mark.parametrize("scale", [1e-35, 1e35])
def test_steps_out_of_the_range_of_the_format_are_refused(scale: float) -> None:
    with pytest.raises(WeightError, match=r"from 2\^-100 to 2\^100"):
        round_to_grid(W.astype(np.float64) * scale, 0.1)

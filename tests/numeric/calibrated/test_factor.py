"""The factor of second moments: against scipy, with dead columns, and where H is not positive definite."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from onnxdc.errors import WeightError
from onnxdc.numeric.calibrated.factor import damping_of, factor
from tests.helpers.second_moments import damped, inputs, moments_of

H = moments_of(inputs(500, 3, 8))[1]


@pytest.mark.parametrize("group", range(3))
def test_it_is_scipys_cholesky_factor_of_the_inverse(group: int) -> None:
    made = factor(H, 0.03)
    variances = np.diagonal(H[group])
    order = made.order[group]
    assert (np.diff(variances[order]) <= 0).all()
    assert made.damping[group] == pytest.approx(0.03 * variances.mean())

    second = H[group][np.ix_(order, order)] + 0.03 * variances.mean() * np.eye(8)
    upper = scipy.linalg.cholesky(scipy.linalg.inv(second))  # U^T U = H^-1
    assert made.lower[group] == pytest.approx(upper.T, rel=1e-5, abs=1e-6)
    assert made.pivots[group] == pytest.approx(1 / np.diagonal(upper) ** 2)


def test_a_pivot_is_what_an_error_costs_once_later_columns_make_up_for_it() -> None:
    made = factor(H[:1], 0.01)
    order = made.order[0]
    second = damped(made)[0][np.ix_(order, order)]
    for column in range(8):
        later = slice(column + 1, 8)
        best = -np.linalg.solve(second[later, later], second[later, column]) if column < 7 else np.empty(0)
        error = np.concatenate([[1.0], best])
        assert made.pivots[0, column] == pytest.approx(error @ second[column:, column:] @ error, rel=1e-4)


def test_columns_that_are_always_the_same_get_no_covariances() -> None:
    second = H[:1].copy()
    second[0, 2] = second[0, :, 2] = 0
    second[0, 2, 2] = 1e-20
    second[0, 2, 3] = second[0, 3, 2] = 5.0  # what rounding may leave
    made = factor(second, 0.01)

    assert made.order[0, -1] == 2
    assert damped(made)[0][2] == pytest.approx(np.eye(8)[2] * made.damping[0], rel=1e-3, abs=1e-6)


def test_more_damping_where_h_is_not_positive_definite_and_only_there() -> None:
    second = H[:2].copy()
    second[0] -= 0.05 * np.diagonal(second[0]).mean() * np.eye(8)
    assert np.linalg.eigvalsh(second[0])[0] < 0
    made = factor(second, 0.01)

    variances = np.diagonal(second, axis1=1, axis2=2).mean(axis=1)
    assert made.damping == pytest.approx(variances * [0.1, 0.01])


def test_inputs_that_are_always_zero_have_a_factor() -> None:
    made = factor(np.zeros((1, 4, 4)), 0.01)
    assert np.isfinite(made.lower).all()
    assert made.pivot < 1e-20


def test_moments_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(WeightError, match="finite"):
        factor(np.full((1, 2, 2), np.nan), 0.01)


def test_fewer_rows_take_more_damping() -> None:
    assert [damping_of(100, rows) for rows in (0, 100, 400, 10**6)] == [0.1, 0.1, 0.05, 0.01]

"""The triangular factor of the inverse second moments, which says where the error of each column goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from onnxdc.errors import WeightError

_DAMPING: Final = (0.01, 0.1)  # of the mean of H's diagonal, least and most: best on inputs that H does not come from
_PER_COLUMN: Final = 0.2  # times columns over rows, in between
_DEAD: Final = 1e-12  # of the largest variance: a column with less is always the same
_LEAST: Final = 1e-30  # the variance of columns where all are dead
_TRIES: Final = 8  # each with ten times the damping of the one before: the last is far above H


@dataclass(frozen=True)
class Factor:
    """Second moments, factored.

    Attributes:
        order: The columns in the order in which to round them, by falling variance, int64 ``[g, n]``.
        lower: ``L``, float32 ``[g, n, n]``, lower triangular: ``L L^T`` is the inverse of the damped H in that order.
        pivots: ``1 / L_jj^2`` in that order, float64 ``[g, n]``: the mean squared error that an error of 1 in a column
            costs once the later columns make up for it.
        damping: What was added to the diagonal of H, float64 ``[g]``.
    """

    order: NDArray[np.int64]
    lower: NDArray[np.float32]
    pivots: NDArray[np.float64]
    damping: NDArray[np.float64]

    @property
    def pivot(self) -> float:
        """The mean of the pivots."""
        return float(self.pivots.mean())


def damping_of(columns: int, rows: int) -> float:
    """Return the damping for moments of ``rows`` rows, as a share of the mean variance.

    >>> [damping_of(9, 20_000), damping_of(384, 2_934), damping_of(1536, 2_934)]
    [0.01, 0.0261758691206544, 0.1]
    """
    return float(np.clip(_PER_COLUMN * columns / max(rows, 1), *_DAMPING))


def factor(second: NDArray[np.float64], damping: float) -> Factor:
    """Factor second moments.

    Columns that are always the same get the damping for a variance, and no covariances. Where rounding has made H
    indefinite by more than the damping, that group gets ten times as much until it is not.

    Args:
        second: H, symmetric float64 ``[g, n, n]``.
        damping: What to add to the diagonal, as a share of its mean, from ``damping_of``.

    Raises:
        WeightError: H is not finite.
    """
    if not np.isfinite(second).all():
        raise WeightError("second moments must be finite, got NaN or infinity")
    groups, columns = second.shape[:2]
    order = np.empty((groups, columns), np.int64)
    lower = np.empty((groups, columns, columns), np.float32)
    pivots = np.empty((groups, columns))
    added = np.empty(groups)
    for group, moments in enumerate(second):
        order[group], inverse, added[group] = _factor_one(moments, damping)
        lower[group] = inverse
        pivots[group] = 1 / np.square(np.diagonal(inverse))
    return Factor(order, lower, pivots, added)


def _factor_one(second: NDArray[np.float64], damping: float) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Return the order, ``L`` and what was added to the diagonal for one group."""
    variances = np.diagonal(second)
    dead = variances <= _DEAD * variances.max(initial=0)
    unit = max(float(variances.mean()), _LEAST)
    order = np.argsort(-np.where(dead, 0, variances), kind="stable")
    # With J for the reversal of an order and J H J = R R^T, the wanted L is J R^-T J: H^-1 = (J R^-T J)(J R^-1 J).
    reverse = order[::-1]
    clean = second[np.ix_(reverse, reverse)]
    clean[dead[reverse]] = 0
    clean[:, dead[reverse]] = 0
    diagonal = np.diagonal(clean).copy()
    for _ in range(_TRIES):
        np.fill_diagonal(clean, diagonal + damping * unit)
        try:
            root = scipy.linalg.cholesky(clean, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            damping *= 10
            continue
        inverse, info = scipy.linalg.lapack.dtrtri(root, lower=1)
        if info == 0:
            return order, inverse.T[::-1, ::-1], damping * unit
        damping *= 10
    raise WeightError("second moments must be positive semidefinite, got some that no damping makes so")

"""Column by column with error feedback: what choosing a value for a column costs is made up for by later columns."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxdc.numeric.calibrated.factor import Factor

BLOCK: Final = 128  # columns whose errors are passed on within the block at once and to the others together
ROWS: Final = 1024  # rows whose errors in a block stay in a second-level cache; rows do not depend on each other
_LATER: Final = 1024  # columns that get errors at a time


class Chooser(Protocol):
    """Chooses the value of each element of a column."""

    def start_block(self, columns: NDArray[np.float32], start: int) -> None:
        """See the columns of a block, float32 ``[g, columns, rows]``, before any of them is chosen."""

    def choose(self, column: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """Return what to put in place of column number ``index``, float32 ``[g, rows]``; it may be used again."""


def in_order(matrices: NDArray[np.float32], factor: Factor) -> NDArray[np.float32]:
    """Return matrices ``[g, rows, n]`` as new columns ``[g, n, rows]`` in the order of the factor."""
    return _taken(matrices.transpose(0, 2, 1), factor.order)


def out_of_order(columns: NDArray[np.float32], factor: Factor) -> NDArray[np.float32]:
    """Return columns ``[g, n, rows]`` in the order of the factor as matrices ``[g, rows, n]`` in their own order."""
    return _taken(columns, np.argsort(factor.order, axis=1)).transpose(0, 2, 1)


def _taken(columns: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    if len(order) == 1:
        return np.ascontiguousarray(columns[:, order[0]])
    return np.ascontiguousarray(np.take_along_axis(columns, order[:, :, None], axis=1))


def feed_back(columns: NDArray[np.float32], factor: Factor, chooser: Chooser) -> float:
    """Choose the value of each element, columns in order, and pass the errors on.

    Args:
        columns: float32 ``[g, n, rows]`` in the order of the factor; what was chosen is put in place of them.
        factor: The factor of ``g`` groups of ``n`` columns.
        chooser: Chooses the values.

    Returns:
        The loss: ``trace((W - What) H (W - What)^T)`` with the damped H, summed over the groups.
    """
    groups, count, rows = columns.shape
    lower, weights = factor.lower, np.sqrt(factor.pivots).astype(np.float32)
    errors = np.empty((groups, min(BLOCK, count), rows), np.float32)
    passed_on = np.empty((groups, 1, rows), np.float32)
    loss = 0.0
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        chooser.start_block(columns[:, start:stop], start)
        for index in range(start, stop):
            column, error = columns[:, index], errors[:, index - start]
            if index > start:
                np.matmul(lower[:, index : index + 1, start:index], errors[:, : index - start], out=passed_on)
                column -= passed_on[:, 0]
            chosen = chooser.choose(column, index)
            np.subtract(column, chosen, out=error)
            error *= weights[:, index, None]
            column[...] = chosen
        block = errors[:, : stop - start]
        loss += float(np.einsum("gcr,gcr->g", block, block).sum(dtype=np.float64))
        for first in range(stop, count, _LATER):
            later = slice(first, first + _LATER)
            columns[:, later] -= np.matmul(lower[:, later, start:stop], block)
    return loss


class ZerosStay:
    """Chooses zero for what was zero before, and for others what somebody else chooses.

    Args:
        others: Chooses the others.
        zero: Which elements are zero, bool ``[g, n, rows]`` in the order of the factor.
    """

    def __init__(self, others: Chooser, zero: NDArray[np.bool_]) -> None:
        self._others, self._zero = others, zero

    def start_block(self, columns: NDArray[np.float32], start: int) -> None:
        """See the columns of a block."""
        self._others.start_block(columns, start)

    def choose(self, column: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """Return the values for column number ``index``."""
        return np.where(self._zero[:, index], np.float32(0), self._others.choose(column, index))


def zeros_stay(others: Chooser, columns: NDArray[np.float32]) -> Chooser:
    """Return a chooser that leaves the zeros among ``columns``, as they are before anything is chosen, zero."""
    zero = columns == 0
    return ZerosStay(others, zero) if zero.any() else others

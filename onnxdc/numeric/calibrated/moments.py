"""The mean and the second moments of a layer's inputs, added up a block of rows at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 2048  # rows whose products are summed in float32, which costs at most 2^-24 * sqrt(2048) of a sum


class Moments:
    """What is known of the rows seen so far.

    Rows are taken in blocks, so that it does not matter in which batches they come. Each block is centred by its own
    mean before its products are summed in float32, so that a mean far from zero costs no precision; blocks are joined
    in float64 (Chan, Golub and LeVeque 1983). A row with a NaN or an infinity is left out.

    Args:
        groups: The number of groups ``g``, each with moments of its own.
        columns: The number of inputs ``n`` of each.

    >>> moments = Moments(1, 2)
    >>> moments.add(np.array([[[1.0, 0.0]], [[3.0, 0.0]]], np.float32))
    >>> moments.rows, moments.mean.tolist(), moments.second(centred=True).tolist()
    (2, [[2.0, 0.0]], [[[1.0, 0.0], [0.0, 0.0]]])
    """

    def __init__(self, groups: int, columns: int) -> None:
        self._rows = self._left_out = 0
        self._mean = np.zeros((groups, columns))
        self._scatter = np.zeros((groups, columns, columns))  # sum of (x - mean)(x - mean)^T
        self._pending: list[NDArray[np.float32]] = []  # fewer rows than a block, each [rows, g, n]

    def add(self, rows: NDArray[np.float32]) -> None:
        """Add rows, float32 ``[rows, g, n]``; they are not kept if there are many."""
        held = sum(map(len, self._pending))
        while held + len(rows) >= BLOCK:
            taken = BLOCK - held
            self._add_block(np.concatenate([*self._pending, rows[:taken]]))
            self._pending, rows, held = [], rows[taken:], 0
        if len(rows):
            self._pending.append(rows.copy())

    def merge(self, other: Moments) -> None:
        """Add what another one has seen."""
        self._finish()
        other._finish()
        self._left_out += other._left_out
        self._join(other._rows, other._mean, other._scatter)

    @property
    def rows(self) -> int:
        """The number of rows, without those that were left out."""
        self._finish()
        return self._rows

    @property
    def left_out(self) -> int:
        """The number of rows with a NaN or an infinity."""
        self._finish()
        return self._left_out

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of the rows, float64 ``[g, n]``; zeros if there are none."""
        self._finish()
        return self._mean

    @property
    def varies(self) -> bool:
        """Whether any input had more than one value."""
        self._finish()
        return bool(np.einsum("gnn->gn", self._scatter).any())

    def second(self, *, centred: bool) -> NDArray[np.float64]:
        """Return ``E[(x - m)(x - m)^T]``, or ``E[x x^T]`` if not centred, as a new float64 ``[g, n, n]``."""
        self._finish()
        second: NDArray[np.float64] = self._scatter / max(self._rows, 1)
        return second if centred else second + self._mean[:, :, None] * self._mean[:, None, :]

    def __getstate__(self) -> dict[str, Any]:
        self._finish()
        return self.__dict__

    def _finish(self) -> None:
        if self._pending:
            self._add_block(np.concatenate(self._pending))
            self._pending = []

    def _add_block(self, rows: NDArray[np.float32]) -> None:
        """Add rows ``[rows, g, n]``, which are changed."""
        if not np.isfinite(rows.sum(dtype=np.float64)):
            finite = np.isfinite(rows).all(axis=(1, 2))
            self._left_out += int(np.count_nonzero(~finite))
            rows = rows[finite]
        if not len(rows):
            return
        by_group = np.ascontiguousarray(rows.transpose(1, 0, 2))
        shift = by_group.mean(axis=1, dtype=np.float64).astype(np.float32)
        by_group -= shift[:, None]
        rest = by_group.mean(axis=1, dtype=np.float64)  # what float32 could not hold of the mean
        scatter = np.matmul(by_group.transpose(0, 2, 1), by_group).astype(np.float64)
        scatter -= len(rows) * rest[:, :, None] * rest[:, None, :]
        self._join(len(rows), shift + rest, scatter)

    def _join(self, rows: int, mean: NDArray[np.float64], scatter: NDArray[np.float64]) -> None:
        if not rows:
            return
        total = self._rows + rows
        apart = mean - self._mean
        self._scatter += scatter
        if self._rows:
            self._scatter += (self._rows * rows / total) * (apart[:, :, None] * apart[:, None, :])
        self._mean = self._mean + apart * (rows / total)
        self._rows = total

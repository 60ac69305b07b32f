"""What the codewords of integers cost, and which integer is best for a value when that counts, too."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from onnxdc.numeric.calibrated.steps import LARGEST

PRICE: Final = 0.05  # of a bit, in squared steps at the mean pivot: worth 1 % of the file; above 0.12 it costs more
_FLOOR: Final = 0.5  # what an integer that does not occur counts as
_HIGHEST: Final = 1e3  # of a price in squared steps: far beyond where all becomes zero

_NUMBER: Final = 2 * LARGEST + 1


def histogram_of(integers: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.int64]:
    """Count how often each integer from -LARGEST to LARGEST occurs: int64 ``[2 * LARGEST + 1]``."""
    return np.bincount(integers.reshape(-1).astype(np.intp) + LARGEST, minlength=_NUMBER)


def distinct(histogram: NDArray[np.int64]) -> int:
    """Return how many integers besides zero occur."""
    return int(np.count_nonzero(histogram)) - int(histogram[LARGEST] > 0)


class Prices:
    """Chooses integers by ``(x - k)^2 + price * bits(k)``, among the two next to x and zero.

    Args:
        histogram: How often each integer occurs, from ``histogram_of``: ideal codewords have ``-log2`` of its share.
        prices: What a bit costs in each column, float32 ``[g, n]`` in squared steps.
        zero: Whether zero may be chosen; without, zeros of the histogram do not count, either.
    """

    def __init__(self, histogram: NDArray[np.int64], prices: NDArray[np.float32], *, zero: bool = True) -> None:
        counts = histogram + _FLOOR
        if not zero:
            counts[LARGEST] = _FLOOR
        bits = -np.log2(counts / counts.sum())
        integers = np.abs(np.arange(-LARGEST, LARGEST + 1))
        # With f = floor(x): f + 1 is better where x - f > 1/2 + price * (bits(f + 1) - bits(f)) / 2, and zero better
        # than k where |x| < |k|/2 + price * (bits(k) - bits(0)) / (2 |k|).
        self._up = np.append(np.diff(bits) / 2, 0).astype(np.float32)
        self._to_zero = ((bits - bits[LARGEST]) / np.maximum(2 * integers, 1)).astype(np.float32)
        self._prices = np.minimum(prices, np.float32(_HIGHEST))
        self._zero = zero
        self._buffers: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]] | None = None

    def start_block(self, columns: NDArray[np.float32], start: int) -> None:
        """See the columns of a block, and do nothing about it."""

    def choose(self, column: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """Return the integers for column number ``index``, float32 ``[g, rows]``, in an array that is used again."""
        if self._buffers is None or self._buffers[0].shape != column.shape:
            self._buffers = np.empty_like(column), np.empty_like(column), np.empty(column.shape, np.intp)
        chosen, bound, place = self._buffers
        price = self._prices[:, index, None]
        np.clip(column, -LARGEST, LARGEST - 1, out=chosen)
        np.floor(chosen, out=chosen)
        _look_up(self._up, chosen, bound, place)
        bound *= price
        bound += 0.5
        bound += chosen
        chosen += column > bound
        if not self._zero:
            np.copyto(chosen, np.copysign(np.float32(1), column), where=chosen == 0)
            return chosen
        _look_up(self._to_zero, chosen, bound, place)
        bound *= price
        bound += np.abs(chosen) * np.float32(0.5)
        chosen *= np.abs(column) >= bound
        return chosen


def _look_up(
    table: NDArray[np.float32], integers: NDArray[np.float32], out: NDArray[np.float32], place: NDArray[np.intp]
) -> None:
    np.add(integers, LARGEST, out=place, casting="unsafe")
    np.take(table, place, out=out, mode="clip")


def column_prices(pivots: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what a bit costs in each column in squared steps, float32 ``[g, n]``: the same in units of the loss."""
    prices = PRICE * pivots.mean() / np.maximum(pivots, 1e-300)
    return np.asarray(np.minimum(prices, _HIGHEST), np.float32)

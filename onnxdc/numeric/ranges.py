"""Ranges of values that are rounded to a byte.

From the least to the largest value is a range for which a few far values cost all others. Between the two, and always
with zero, lies the one whose rounded values have the smallest squared error.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_LEVELS: Final = 255  # steps of a range
_CUTS: Final = np.linspace(1.0, 0.3, 36)  # of the ends of a range, a choice


def best_range(histogram: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Return the range around zero, within another, whose rounded values have the smallest squared error.

    Args:
        histogram: How many values are in each bin from ``low`` to ``high``, float64 ``[bins]``.
        low: The least value, 0 or less.
        high: The largest, 0 or more, and above the least.
    """
    centres = low + (np.arange(len(histogram)) + 0.5) * ((high - low) / len(histogram))
    used = histogram > 0
    counts, values = histogram[used], np.asarray(centres[used], np.float64)
    # The ends are cut one after the other: the best cut of one hardly depends on that of the other.
    for _ in range(2):
        high = high if high == 0 else min(_ends(high), key=lambda end: _error(counts, values, low, end))
        low = low if low == 0 else min(_ends(low), key=lambda end: _error(counts, values, end, high))
    return low, high


def _ends(end: float) -> list[float]:
    return [float(end * cut) for cut in _CUTS]


def _error(counts: NDArray[np.float64], values: NDArray[np.float64], low: float, high: float) -> float:
    """Return the squared error of values that are rounded to the integers of a range."""
    scale = (high - low) / _LEVELS
    zero = np.rint(-low / scale)
    rounded = (np.clip(np.rint(values / scale) + zero, 0, _LEVELS) - zero) * scale
    return float(counts @ np.square(values - rounded))

"""Where the points of a curve lie: evenly in the logarithm of f, which an octave of strength about doubles."""

from __future__ import annotations

import math
from typing import Final

_FINEST, _COARSEST = 0.003, 0.3  # of f: from next to no loss to a model that is of no use
_SMALLEST: Final = 2.0**-60  # for its logarithm


def strengths(start: float, divergence: float | None, points: int) -> list[float]:
    """Return the strengths of all points; ``start`` is one of them if it lies on the curve.

    Args:
        start: A strength.
        divergence: f there; None if it is no finite number.
        points: The number of points, 2 or more.

    >>> strengths(1.0, 0.003, 2) == [1.0, 1.0 + math.log2(100)]
    True
    """
    spacing = math.log2(_COARSEST / _FINEST) / (points - 1)
    around = _COARSEST if divergence is None else max(divergence, _SMALLEST)
    place = round(math.log2(around / _FINEST) / spacing)
    return [start + (number - place) * spacing for number in range(points)]

"""Steps of grids."""

from __future__ import annotations

import math


def rounded_step(step: float) -> float:
    """Return the nearest number of at most four significant bits: 127 times it is exact in float16.

    >>> rounded_step(0.1), rounded_step(3.0)
    (0.1015625, 3.0)
    """
    mantissa, exponent = math.frexp(step)
    return math.ldexp(round(mantissa * 16), exponent - 4)

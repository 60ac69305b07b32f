"""The energy of a weight, its sum of squares, and how much of it is lost when values change."""

from __future__ import annotations

import numpy as np

from onnxdc.numeric.arrays import CACHED, blocks


def energy_lost(before: np.ndarray, after: np.ndarray) -> float:
    """Return the sum of the squared changes over the sum of squares, in float64; 0.0 of a weight without energy.

    Args:
        before: A row-major weight of finite values, of any of the four types.
        after: The same weight, changed.

    >>> energy_lost(np.array([3.0, 4.0]), np.array([0.0, 4.0]))
    0.36
    """
    flat = before.reshape(-1)
    scale = _largest(flat) if flat.dtype.itemsize == 8 else 1.0  # squares of shorter floats fit float64 as they are
    energy = lost = 0.0
    for block, block_after in zip(blocks(flat, CACHED), blocks(after.reshape(-1), CACHED), strict=True):
        values, difference = block.astype(np.float64), block_after.astype(np.float64)
        difference -= values
        if scale != 1:
            values, difference = values / scale, difference / scale
        energy += float(np.square(values, out=values).sum())
        lost += float(np.square(difference, out=difference).sum())
    return lost / energy if energy else 0.0


def _largest(flat: np.ndarray) -> float:
    """Return the largest magnitude, 1.0 where there is none above zero."""
    return max((float(np.abs(block).max()) for block in blocks(flat)), default=0.0) or 1.0

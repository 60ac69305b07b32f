"""Biases of static layers: int32, of the scale that products have, and exactly what a bias in float16 gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LARGEST = 2**31 - 256  # the largest int32 that float32 holds


def bias_scale(x_scale: np.ndarray, steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scale of a bias, as Mul of float32 computes it: that of the products of its layer.

    Args:
        x_scale: The scale of the layer's inputs, float32, one number.
        steps: The steps of its weight, float32, one or one for each output.
    """
    return np.asarray(np.float32(x_scale) * steps, np.float32)


def rounded_bias(bias: np.ndarray, scale: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """Return a bias as integers, by way of float16 if that holds it; None if it is out of the range of int32.

    It is computed as Cast, Div, Round and Cast would compute it in float32.

    Args:
        bias: The bias, float, ``[outputs]``.
        scale: Its scale, float32, one or one for each output.

    >>> rounded_bias(np.array([0.25, -1.5], np.float32), np.float32([0.125])).tolist()
    [2, -12]
    """
    with np.errstate(over="ignore"):
        half = bias.astype(np.float16)
    short = half.astype(np.float32) if np.isfinite(half).all() else bias.astype(np.float32)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        integers = np.rint(short / scale)
    if not (np.abs(integers) <= _LARGEST).all():
        return None
    return np.asarray(integers, np.int32)

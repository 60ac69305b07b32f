"""Put a weight on a grid: every element becomes an integer times a step, which Huffman coding makes small.

This takes nothing but the weight. `grids` finds the grid again when the weight is encoded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric.arrays import normalized_axis, require_finite, require_float, split_groups, tiles
from onnxdc.numeric.grids import LARGEST_STEP, SMALLEST_STEP
from onnxdc.numeric.weight import MAX_CODES

MAX_INTEGER = 2047  # in magnitude: outliers of 200 deviations fit, and so do the integers that float16 holds
SPREAD = 4.5  # a channel that is this much larger than the weight hides others: docs/accuracy.md
FEWEST = 32  # elements of such a channel: a step takes four bytes
_SMALLEST_SCALE = 1 / 16  # of such a channel, over that of the weight: what is far below is dead, and costs no bytes
_GROWTH = 2.0**0.125  # from one step of four significant bits to the next, or the one after that
_SIGNIFICANT = 4  # bits of a step: docs/format.md, section 2


@dataclass(frozen=True)
class OnGrid:
    """A weight that was put on a grid.

    Attributes:
        values: The new values, of the shape and the type of the weight.
        steps: The step of each group, float64 ``[G]``: one, or one for each channel.
    """

    values: np.ndarray
    steps: np.ndarray


def rounded_step(step: float) -> float:
    """Return the number of four significant bits that is nearest to a step.

    Raises:
        OptionError: The step is not a finite number above 0.

    >>> rounded_step(0.1), rounded_step(1.0)
    (0.1015625, 1.0)
    """
    _require_step(step)
    return float(rounded_steps(np.array(step)))


def rounded_steps(steps: np.ndarray) -> np.ndarray:
    """Return the numbers of four significant bits that are nearest to steps, of their shape and type."""
    mantissas, exponents = np.frexp(steps)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissas, _SIGNIFICANT)), exponents - _SIGNIFICANT))


def round_to_grid(array: np.ndarray, step: float, *, most: int = MAX_CODES - 1, axis: int | None = None) -> OnGrid:
    """Round the elements of a weight to integers times a step.

    The step is ``step`` times the root mean square of the nonzeros, rounded to four significant bits. It is larger
    where an integer would exceed MAX_INTEGER, or where there would be more than ``most`` values besides zero; then the
    step, and the integers at which both ends are cut off, are those of the least squared error. Zeros stay zero,
    nonzeros may become zero, and none becomes -0.0. In 16 bits the products are rounded to the type.

    Where the root mean square of a channel is more than SPREAD times that of the weight, each channel has a step of its
    own, in proportion to its root mean square.

    Args:
        array: The weight: float16, bfloat16, float32 or float64 of any shape; not changed.
        step: The step in root mean squares, above 0.
        most: How many values besides zero there may be, 1..255.
        axis: The axis along which the output channels lie, from the end if negative; None if there are none.

    Raises:
        OptionError: An argument is out of range.
        WeightError: The type is not supported, a value is not finite, or the steps are out of the range of the format.

    >>> round_to_grid(np.array([0.0, -1.1, 0.9, 2.1]), 0.7).values.tolist()
    [0.0, -1.0, 1.0, 2.0]
    """
    _require_step(step)
    if not 1 <= most < MAX_CODES:
        raise OptionError(f"most must be 1..{MAX_CODES - 1}, got {most}")
    shape = np.shape(array)
    axis = None if axis is None or not shape else normalized_axis(axis, len(shape))
    array = require_float(array)
    require_finite(array)
    scales = _scales(array, axis)
    values = array.reshape(-1).copy()
    groups = split_groups(values, shape, axis or 0, scales.size)
    steps, low, high = _fit(groups, step * scales, most)
    for group, group_step in zip(groups, steps, strict=True):
        for tile in tiles(group):
            with np.errstate(over="ignore"):
                tile[...] = _integers(tile, group_step, low, high) * group_step + 0.0
    require_finite(values)
    return OnGrid(values.reshape(shape), steps)


def _require_step(step: float) -> None:
    if not 0 < step < math.inf:
        raise OptionError(f"a step must be finite and above 0, got {step}")


def _integers(tile: np.ndarray, step: float, low: int, high: int) -> np.ndarray:
    """Return the nearest integers from ``low`` to ``high``, as float64."""
    return np.asarray(np.clip(np.rint(tile.astype(np.float64) / step), low, high))


def root_mean_square(array: np.ndarray) -> float:
    """Return the root mean square of the nonzeros of a weight, in which its step is given; 1 of none.

    >>> root_mean_square(np.array([0.0, 3.0, -3.0]))
    3.0
    """
    return float(_scales(array, None)[0])


def _scales(array: np.ndarray, axis: int | None) -> np.ndarray:
    """Return the root mean square of the nonzeros, float64 ``[1]``, or of each channel if they differ much; 1 of none.

    Raises:
        WeightError: It is out of the range of the format.
    """
    flat = array.reshape(-1)
    scale = _root_mean_squares(split_groups(flat, array.shape, 0, 1))
    channels = 1 if axis is None else array.shape[axis]
    if axis is not None and channels > 1 and array.size >= FEWEST * channels:
        of_channels = _root_mean_squares(split_groups(flat, array.shape, axis, channels))
        if of_channels.max() > SPREAD * scale[0]:
            return np.asarray(np.maximum(of_channels, _SMALLEST_SCALE * scale[0]))
    return np.asarray(np.where(scale > 0, scale, 1.0))


def _root_mean_squares(groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the root mean square of the nonzeros of each group, float64 ``[G]``; 0 of none."""
    squares, counts = np.zeros(len(groups)), np.zeros(len(groups))
    for index, group in enumerate(groups):
        for tile in tiles(group):
            with np.errstate(over="ignore"):
                squares[index] += np.square(tile.astype(np.float64)).sum()
            counts[index] += np.count_nonzero(tile)
    return np.asarray(np.sqrt(squares / np.maximum(counts, 1)))


def _fit(groups: Sequence[np.ndarray], steps: np.ndarray, most: int) -> tuple[np.ndarray, int, int]:
    """Return the steps, float64 ``[G]``, and the lowest and the highest integer, for at most ``most`` values.

    Raises:
        WeightError: The steps are out of the range of the format.
    """
    peaks = np.array([max((float(np.abs(tile).max()) for tile in tiles(group)), default=0.0) for group in groups])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        excess = float(np.max(peaks / steps, initial=0.0)) / MAX_INTEGER
    steps = steps * (excess * _GROWTH if excess > 1 else 1.0)
    low, high = -MAX_INTEGER, MAX_INTEGER
    while True:
        if not ((steps >= SMALLEST_STEP) & (steps <= LARGEST_STEP)).all():
            raise WeightError(f"a grid has steps from 2^-100 to 2^100, got {steps.min():.3g} to {steps.max():.3g}")
        rounded = rounded_steps(steps)
        counts = _counts(groups, rounded, low, high)
        if _distinct(np.flatnonzero(counts) - MAX_INTEGER) <= most:
            return rounded, low, high
        growth, low, high = _coarser(counts, most)
        steps = rounded * growth


def _counts(groups: Sequence[np.ndarray], steps: np.ndarray, low: int, high: int) -> np.ndarray:
    """Count the elements of each integer from -MAX_INTEGER on: int64 ``[4095]``."""
    counts = np.zeros(2 * MAX_INTEGER + 1, np.int64)
    for group, step in zip(groups, steps, strict=True):
        for tile in tiles(group):
            integers = _integers(tile, step, low, high).astype(np.int64).reshape(-1)
            counts += np.bincount(integers + MAX_INTEGER, minlength=counts.size)
    return counts


def _distinct(integers: np.ndarray) -> int:
    """Count the distinct integers other than zero."""
    return int(np.count_nonzero(np.unique(integers)))


def _coarser(counts: np.ndarray, most: int) -> tuple[float, int, int]:
    """Return by how much the steps have to grow, and the integers at which to cut off, for at most ``most`` values.

    Of all steps, up to that at which nothing is cut off, it is the one of the least squared error.

    Args:
        counts: The elements of each integer with the steps as they are, as `_counts` returns them.
        most: How many values besides zero there may be.
    """
    integers = np.flatnonzero(counts) - MAX_INTEGER
    weights = counts[counts > 0]
    best, least = (1.0, 0, 0), math.inf
    growth = 1.0
    is_cut = True
    while is_cut:
        growth *= _GROWTH
        coarse = np.rint(integers / growth).astype(np.int64)
        low, high = -MAX_INTEGER, MAX_INTEGER
        is_cut = _distinct(coarse) > most
        if is_cut:
            low = max(int(coarse[0]), -max(most // 2, most - int(coarse[-1])))
            high = low + most
        error = float((weights * np.square(integers - growth * np.clip(coarse, low, high))).sum())
        if error < least:
            best, least = (growth, low, high), error
    return best

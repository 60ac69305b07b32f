"""Weights whose values are integers times a step: how the step of each group is found, and the integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxdc.numeric.arrays import CACHED, FIRST_LOOK
from onnxdc.numeric.grouping import divisors
from onnxdc.numeric.weight import MAX_CODES

LARGEST = (1 << 15) - 1  # the largest integer, in magnitude
ODD_STEPS = np.arange(15, 0, -2)  # the odd part of a step of four significant bits
FEWEST = 8  # elements that share a step: more would leave out the channels of 3x3 depthwise convolutions
SMALLEST_MULTIPLE = 8  # of the step that is tried for the smallest magnitude of a weight, a choice
UNIT_BITS = 19  # the bits of such an integer times such a step
SMALLEST_STEP, LARGEST_STEP = 2.0**-100, 2.0**100


@dataclass(frozen=True)
class Grid:
    """A weight on a grid.

    Attributes:
        steps: The step of each group, float32 ``[G, 1]``.
        integers: The integers that occur, int16 ``[1..256]``, rising.
        codes: The index in ``integers`` of every element, uint8 ``[numel]``.
    """

    steps: np.ndarray
    integers: np.ndarray
    codes: np.ndarray


def grid_of_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the step and the integers of a few values on one grid, or None if they are not on one.

    The products are exact, or those of float32 values are rounded to float32.

    Args:
        values: Floats ``[n]`` of any type of the format.

    Returns:
        The step, float32 ``[1, 1]``, and the integers, int16 ``[n]``.

    >>> step, integers = grid_of_values(np.array([0.75, -1.5, 6.0]))
    >>> float(step[0, 0]), integers.tolist()
    (0.75, [1, -2, 8])
    """
    rows = _widened(values.reshape(1, -1))
    common = _common_divisors(rows)
    steps = None if common is None else _steps(common)
    if steps is None or np.abs(rows).max(initial=0) > LARGEST * steps[0]:
        return _rounded_grid(values) if values.dtype == np.float32 else None
    return steps.astype(np.float32)[:, None], (rows[0] / steps[0]).astype(np.int16)


def _rounded_grid(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the step and the integers of float32 values that are such products rounded, or None if they are not.

    The smallest magnitude is the step, or a small multiple of it: then a division may miss it by its last bit.
    """
    magnitudes = np.abs(values[values != 0])
    if not magnitudes.size or not np.isfinite(values).all() or np.signbit(values[values == 0]).any():
        return None
    largest, quotients = magnitudes.max(), magnitudes.min() / np.arange(1, SMALLEST_MULTIPLE + 1, dtype=np.float32)
    for step in (
        np.nextafter(near, limit) for near in quotients for limit in (near, np.float32(0), np.float32(np.inf))
    ):
        if not SMALLEST_STEP <= step <= LARGEST_STEP or largest > LARGEST * step:
            continue
        integers = np.rint(values.astype(np.float64) / step)
        if np.array_equal(integers.astype(np.float32) * step, values) and np.abs(integers).max() <= LARGEST:
            return np.array([[step]], np.float32), integers.astype(np.int16)
    return None


def find_grid(array: np.ndarray, axis: int) -> Grid | None:
    """Find groups along an axis whose values are on grids of their own, with at most 256 integers in all.

    These are as few groups as have a step each that suits all of their channels best, if there are any, else as few as
    possible; None for a single group, since values that are on one grid are themselves at most 256.

    Args:
        array: The weight, row-major: floats of any type of the format, of any shape.
        axis: The axis along which the groups change.
    """
    length = array.shape[axis] if array.ndim else 1
    finest = max((groups for groups in divisors(length) if groups * FEWEST <= array.size), default=1)
    if finest == 1:
        return None
    parts = array.reshape(math.prod(array.shape[:axis]), finest, -1)
    channels = _channels(parts)
    if channels is None:
        return None
    for of_groups in _candidates(*channels):
        of_channels = np.repeat(of_groups, parts.shape[1] // of_groups.size)
        integers = _integers(parts, of_channels)
        # As with values: groups whose steps rival the tensor are no sign of a grid.
        if integers is not None and 2 * (of_groups.size + integers.size) <= array.size:
            return Grid(of_groups.astype(np.float32)[:, None], integers, _codes(parts, of_channels, integers))
    return None


def element_grid(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the integers of a weight and the steps that they count, or None if it is not on a grid.

    Args:
        array: The weight, row-major: floats of any type of the format, of any shape.

    Returns:
        The integers, int16 of the weight's shape, and the steps, float32 of its rank: 1 long along each axis, but as
        long as the weight along one whose channels have steps of their own.
    """
    values = np.unique(array)
    one = grid_of_values(values) if values.size <= MAX_CODES else None
    if one is not None:
        return np.rint(_widened(array) / float(one[0][0, 0])).astype(np.int16), one[0].reshape([1] * array.ndim)
    for axis in range(array.ndim):
        grid = find_grid(array, axis)
        if grid is not None:
            steps = np.repeat(grid.steps[:, 0], array.shape[axis] // len(grid.steps))
            shape = [array.shape[axis] if index == axis else 1 for index in range(array.ndim)]
            return grid.integers[grid.codes].reshape(array.shape), steps.reshape(shape)
    return None


def _candidates(common: np.ndarray, peaks: np.ndarray) -> list[np.ndarray]:
    """Return the steps that groups may have, float64 ``[groups]`` each, the best first.

    Args:
        common: The common divisor of each channel, float64 ``[channels]``.
        peaks: The largest magnitude of each channel, float64 ``[channels]``.
    """
    best: list[np.ndarray] = []
    others: list[np.ndarray] = []
    of_channels = _steps(common)
    for groups in divisors(common.size):
        shared = _common_divisors(common.reshape(groups, -1))
        steps = None if shared is None else _steps(shared)
        if steps is None or (peaks.reshape(groups, -1).max(axis=1) > LARGEST * steps).any():
            continue
        is_best = ((np.repeat(steps, common.size // groups) == of_channels) | (common == 0)).all()
        if is_best and groups == 1:
            return []
        if groups > 1:
            (best if is_best else others).append(steps)
    return best[:1] + others


def _common_divisors(values: np.ndarray) -> np.ndarray | None:
    """Return the greatest common divisor of each row of float64 ``[rows, m]``: float64 ``[rows]``.

    That of zeros is 0. None if a row has -0.0, a value that is not finite, or values that are not all integers of
    UNIT_BITS bits times one power of two: none of a grid that the format knows.
    """
    if not np.isfinite(values).all() or np.signbit(values[values == 0]).any():
        return None
    exponents = np.frexp(np.abs(values).max(axis=1, initial=0))[1]
    if (np.abs(exponents) > 200).any():
        return None
    scaled = values * 2.0 ** (UNIT_BITS - exponents)[:, None]
    integers = scaled.astype(np.int32)
    if (integers != scaled).any():
        return None
    common: np.ndarray = np.gcd.reduce(integers, axis=1) * 2.0 ** (exponents - UNIT_BITS)
    return common


def _steps(common: np.ndarray) -> np.ndarray | None:
    """Return the largest steps that divide common divisors, float64 ``[rows]``; None if one is out of range."""
    mantissas, exponents = np.frexp(np.where(common == 0, 1.0, common))
    integers = (mantissas * 2.0**UNIT_BITS).astype(np.int32)
    powers = integers & -integers
    divides = integers[:, None] // powers[:, None] % ODD_STEPS == 0
    steps = ODD_STEPS[divides.argmax(axis=1)] * powers * 2.0 ** (exponents - UNIT_BITS)
    return None if ((steps < SMALLEST_STEP) | (steps > LARGEST_STEP)).any() else steps


def _channels(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the common divisor and the largest magnitude of each channel of ``[outer, channels, inner]``."""
    common, peaks = [], []
    for block in _blocks(parts):
        rows = parts[:, block].transpose(1, 0, 2)
        rows = rows.reshape(len(rows), -1)
        # A weight that is not on grids shows it early: most of its values have more bits than those of a grid.
        if _common_divisors(_widened(rows[:1, :FIRST_LOOK])) is None:
            return None
        rows = _widened(rows)
        divisor = _common_divisors(rows)
        if divisor is None:
            return None
        common.append(divisor)
        peaks.append(np.abs(rows).max(axis=1, initial=0))
    return np.concatenate(common), np.concatenate(peaks)


def _widened(values: np.ndarray) -> np.ndarray:
    """Return floats as float64, NaNs among them without a warning."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def _blocks(parts: np.ndarray) -> Iterator[slice]:
    """Yield ranges of channels of ``[outer, channels, inner]``: one, or as many as have CACHED elements."""
    count = max(1, CACHED // (parts.shape[0] * parts.shape[2]))
    return (slice(start, start + count) for start in range(0, parts.shape[1], count))


def _integers(parts: np.ndarray, steps: np.ndarray) -> np.ndarray | None:
    """Return the integers that occur in ``[outer, channels, inner]``, int16 and rising; None if more than 256."""
    occurs = np.zeros(2 * LARGEST + 1, dtype=bool)
    for block in _blocks(parts):
        occurs[_indices(parts[:, block], steps[block])] = True
        if np.count_nonzero(occurs) > MAX_CODES:
            return None
    return (np.flatnonzero(occurs) - LARGEST).astype(np.int16)


def _codes(parts: np.ndarray, steps: np.ndarray, integers: np.ndarray) -> np.ndarray:
    """Return the index in ``integers`` of every element of ``[outer, channels, inner]``: uint8 ``[numel]``."""
    code_of_index = np.zeros(2 * LARGEST + 1, dtype=np.uint8)
    code_of_index[integers.astype(np.int64) + LARGEST] = np.arange(integers.size)
    codes = np.empty(parts.shape, dtype=np.uint8)
    for block in _blocks(parts):
        codes[:, block] = code_of_index[_indices(parts[:, block], steps[block])]
    return codes.reshape(-1)


def _indices(block: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the integers of ``[outer, channels, inner]`` plus LARGEST: int32 from 0 on."""
    integers = block.astype(np.float64)
    integers /= steps[:, None]
    integers += LARGEST
    return integers.astype(np.int32)

"""Weights of integers: how often each value occurs, and the least that it takes to say them one by one."""

from __future__ import annotations

import math

import numpy as np

from onnxdc.numeric.arrays import INTEGER_TYPES, bit_patterns, histogram
from onnxdc.numeric.weight import MAX_CODES

_PEAK = 8  # one in so many elements of one value, a choice: it may be zero, and the gap form may pay
_FEW = 9000  # elements whose codes grow by about half a codebook if they are counted from a value off by the spread


def integer_counts(array: np.ndarray) -> np.ndarray:
    """Return how often each value, modulo 256, occurs in a weight of one of INTEGER_TYPES: int64 ``[256]``."""
    values = np.ascontiguousarray(array).astype(INTEGER_TYPES[array.dtype], copy=False)
    return histogram(bit_patterns(values), MAX_CODES)


def is_nibble(dtype: np.dtype) -> bool:
    """Tell whether a type is one of integers of four bits."""
    return INTEGER_TYPES.get(dtype, dtype) != dtype


def stored_bytes(array: np.ndarray) -> int:
    """Return the bytes that a weight of one of INTEGER_TYPES takes in a file: two values of four bits share one.

    >>> import ml_dtypes
    >>> stored_bytes(np.zeros(5, np.int8)), stored_bytes(np.zeros(5, ml_dtypes.int4))
    (5, 3)
    """
    return -(-array.size // 2) if is_nibble(array.dtype) else array.size


def entropy(counts: np.ndarray) -> float:
    """Return the bits a symbol that an ideal code takes for symbols that occur so often, each by itself.

    >>> entropy(np.array([4, 2, 1, 1]))
    1.75

    Args:
        counts: How often each symbol occurs; symbols that do not occur count for nothing.
    """
    used = counts[counts > 0]
    total = int(used.sum())
    return float((used / total * np.log2(total / used)).sum()) if total else 0.0


def centre_of(values: np.ndarray) -> int:
    """Return what integers are counted from: 0 for signed ones, the middle of unsigned ones or a value of many of them.

    The middle is their median, rounded to a multiple of a power of two: so weights that hardly differ have one centre,
    and with it one codebook. The further they spread and the fewer they are, the less it costs to be off.

    Args:
        values: The integers, int8 or uint8.
    """
    if values.dtype == np.int8 or not values.size:
        return 0
    counts = integer_counts(values)
    most = int(np.argmax(counts))
    if _PEAK * counts[most] >= values.size:
        return most
    median = int(np.searchsorted(np.cumsum(counts), values.size // 2, side="right"))
    spread = float(counts @ np.abs(np.arange(MAX_CODES) - median)) / values.size
    grain = 1 << max(0, int(math.log2(max(spread, 1) * math.sqrt(_FEW / values.size))))
    return min(round(median / grain) * grain, MAX_CODES - 1)


def from_centre(centre: int, dtype: np.dtype) -> np.ndarray:
    """Return all integers of a type by their distance from a centre, around which they wrap: ``[256]`` or ``[16]``.

    >>> import ml_dtypes
    >>> from_centre(0, np.dtype(np.int8))[[0, 1, 2, 3, 254, 255]].tolist()
    [0, -1, 1, -2, 127, -128]
    >>> from_centre(9, np.dtype(ml_dtypes.uint4)).tolist()
    [9, 8, 10, 7, 11, 6, 12, 5, 13, 4, 14, 3, 15, 2, 0, 1]

    Args:
        centre: The integer that comes first.
        dtype: One of INTEGER_TYPES; the result is of the type that its values are stored in.
    """
    stored = INTEGER_TYPES[dtype]
    levels = 16 if is_nibble(dtype) else MAX_CODES
    number = np.arange(levels)
    distance = np.where(number % 2, -(number + 1) // 2, number // 2)
    lowest = -levels // 2 if stored == np.int8 else 0
    order: np.ndarray = ((distance + centre - lowest) % levels + lowest).astype(stored)
    return order


def numbers_of(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return at which index of ``order`` each value stands: uint8, flat.

    Args:
        values: Integers, int8 or uint8.
        order: Different integers of that type, all that occur among them.
    """
    index = np.zeros(MAX_CODES, np.uint8)
    index[bit_patterns(order)] = np.arange(order.size)
    numbers: np.ndarray = index[bit_patterns(values)]
    return numbers

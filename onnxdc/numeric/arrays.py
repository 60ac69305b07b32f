"""Weights as bit patterns, in blocks and in groups: the eight element types of the format, treated alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

import ml_dtypes
import numpy as np

from onnxdc.errors import OptionError, WeightError

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT_TYPES = (np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64))
# The integer types, each with the type that its values are stored in: 4 bits take a byte, in numpy as in a codebook.
INTEGER_TYPES = {
    np.dtype(np.int8): np.dtype(np.int8),
    np.dtype(np.uint8): np.dtype(np.uint8),
    np.dtype(ml_dtypes.int4): np.dtype(np.int8),
    np.dtype(ml_dtypes.uint4): np.dtype(np.uint8),
}
BLOCK = 1 << 20  # elements that one numpy step works on: a temporary of 8 bytes an element takes 8 MB at most
CACHED = 1 << 16  # elements, of 256 kB in float32: they stay in a second-level cache while every bound is compared
FIRST_LOOK = 1 << 12  # elements, 16 times as many as a codebook has entries: enough to see that nothing was shared


def require_float(array: np.ndarray) -> np.ndarray:
    """Return ``array`` in row-major order and native byte order.

    Raises:
        WeightError: Its type is not one of FLOAT_TYPES.
    """
    array = np.asarray(array, order="C")
    if not is_float(array.dtype):
        raise WeightError(f"weights must be float16, bfloat16, float32 or float64, got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def require_weight(array: np.ndarray) -> np.ndarray:
    """Return ``array`` in row-major order and native byte order, integers in the type that their values are stored in.

    Raises:
        WeightError: Its type is not one of FLOAT_TYPES or INTEGER_TYPES.
    """
    array = np.asarray(array, order="C")
    if array.dtype in INTEGER_TYPES:
        return array.astype(INTEGER_TYPES[array.dtype], copy=False)
    if not is_float(array.dtype):
        types = ", ".join(str(dtype) for dtype in (*FLOAT_TYPES, *INTEGER_TYPES))
        raise WeightError(f"weights must be of one of the types {types}, got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def is_float(dtype: np.dtype) -> bool:
    """Tell whether a type is one of FLOAT_TYPES, in any byte order."""
    return dtype.newbyteorder("=") in FLOAT_TYPES


def bit_patterns(array: np.ndarray) -> np.ndarray:
    """Return the elements of a row-major array as unsigned integers of the same width, flat, without a copy."""
    return array.reshape(-1).view(f"u{array.dtype.itemsize}")


def magnitudes(bits: np.ndarray) -> np.ndarray:
    """Return bit patterns without their sign: unsigned integers that order like absolute values, NaN above infinity."""
    return bits & np.iinfo(bits.dtype).max // 2


def blocks(flat: np.ndarray, size: int | None = None) -> Iterator[np.ndarray]:
    """Yield consecutive views of at most ``size`` elements, BLOCK by default."""
    size = size or BLOCK
    return (flat[start : start + size] for start in range(0, flat.size, size))


def tiles(matrix: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views of at most BLOCK elements that cover ``[rows, columns]``: whole rows, or parts of one."""
    width = min(max(matrix.shape[1], 1), BLOCK)
    height = max(BLOCK // width, 1)
    return (
        matrix[row : row + height, column : column + width]
        for row in range(0, matrix.shape[0], height)
        for column in range(0, matrix.shape[1], width)
    )


def require_finite(array: np.ndarray) -> None:
    """Refuse a row-major float array that holds NaN or infinity.

    Raises:
        WeightError: It does; the error counts them.
    """
    infinity = bit_patterns(np.full(1, np.inf).astype(array.dtype))[0]
    bad = sum(int(np.count_nonzero(magnitudes(block) >= infinity)) for block in blocks(bit_patterns(array)))
    if bad:
        raise WeightError(f"weights must be finite, got {bad} NaN or infinite of {array.size} elements")


def histogram(symbols: np.ndarray, size: int) -> np.ndarray:
    """Count how often each of 0..size-1 occurs in uint8 ``[n]``: int64 ``[size]``.

    This is done in blocks, since `bincount` widens its input.
    """
    return sum((np.bincount(block, minlength=size) for block in blocks(symbols)), np.zeros(size, np.int64))


def ranks(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Count for each of ``[n]`` values how many of at most 255 ``bounds`` lie below it: uint8 ``[n]``.

    Comparing with every bound in turn is vector code without branches: several times faster than a binary search.
    """
    below = np.zeros(values.size, dtype=np.uint8)
    for block, block_below in zip(blocks(values, CACHED), blocks(below, CACHED), strict=True):
        for bound in bounds:
            block_below += block > bound
    return below


def normalized_axis(axis: int, rank: int) -> int:
    """Return ``axis`` counted from the front, 0 for a scalar.

    Raises:
        OptionError: It is outside the rank.
    """
    if rank and not -rank <= axis < rank:
        raise OptionError(f"group_axis must be in {-rank}..{rank - 1}, got {axis}")
    return axis % rank if rank else 0


def split_groups(flat: np.ndarray, shape: tuple[int, ...], axis: int, groups: int) -> list[np.ndarray]:
    """Return the elements of each group along ``axis``, as views ``[outer, S[axis] / groups * inner]`` of a flat array.

    ``groups`` divides ``shape[axis]``, or is 1.
    """
    if groups == 1:
        return [flat.reshape(1, -1)]
    outer = math.prod(shape[:axis])
    return list(flat.reshape(outer, groups, flat.size // (outer * groups)).transpose(1, 0, 2))


def distinct_nonzero(bits: np.ndarray, limit: int) -> np.ndarray | None:
    """Return the distinct nonzero elements of flat bit patterns, rising, or None if there are more than ``limit``."""
    distinct = np.empty(0, bits.dtype)
    for part in (bits[:FIRST_LOOK], *blocks(bits[FIRST_LOOK:])):
        distinct = np.unique(np.concatenate([distinct, part[part != 0]]))
        if distinct.size > limit:
            return None
    return distinct

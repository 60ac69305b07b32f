"""Magnitude pruning: which weights stay, by a threshold, a quality factor or a density (Han et al. 2015, 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric.arrays import bit_patterns, blocks, magnitudes, require_finite, require_float

DIGIT_BITS = 16  # of a magnitude, counted at once: the 65536 counters take 512 kB


def prune(
    array: np.ndarray, *, threshold: float | None = None, quality: float | None = None, density: float | None = None
) -> np.ndarray:
    """Set the small elements of a weight to +0.0; one of the three criteria is given.

    Args:
        array: The weight: float16, bfloat16, float32 or float64 of any shape; not changed.
        threshold: The magnitude below which elements go.
        quality: The factor of the standard deviation of all elements that makes the threshold.
        density: The share of elements, 0..1, that stay, the largest: ``round(density * size)`` of them, but at least
            one unless ``density`` is 0. Of equal magnitudes the first in row-major order stay.

    Returns:
        A new array of the same shape and type.

    Raises:
        OptionError: An argument is out of range, or not one criterion is given.
        WeightError: The type is not supported, an element is NaN or infinite, or the threshold is.

    >>> prune(np.array([0.5, -2.0, 1.0, -0.25]), density=0.5).tolist()
    [0.0, -2.0, 1.0, 0.0]
    """
    if sum(criterion is not None for criterion in (threshold, quality, density)) != 1:
        raise OptionError("one of threshold, quality and density is needed")
    shape = np.shape(array)
    array = require_float(array)
    require_finite(array)
    if density is not None:
        kept = _largest(array, _kept_count(array.size, density))
    else:
        kept = _at_least(array, _limit(array, threshold, quality))
    pruned: np.ndarray = (bit_patterns(array) * kept).view(array.dtype)
    return pruned.reshape(shape)


def _limit(array: np.ndarray, threshold: float | None, quality: float | None) -> float:
    """Return the magnitude below which elements go."""
    given = quality if threshold is None else threshold
    if given is None or not 0 <= given < np.inf:
        raise OptionError(f"a threshold or quality must be 0 or more and finite, got {given}")
    limit = given * standard_deviation(array) if threshold is None else given
    if not limit < np.inf:
        raise WeightError(f"the threshold of quality {given:g} is not finite")
    return limit


def standard_deviation(array: np.ndarray) -> float:
    """Return the standard deviation of all elements of a row-major weight, in float64; 0.0 for an empty one."""
    flat = array.reshape(-1)
    if flat.size == 0:
        return 0.0
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks(flat)) / flat.size
    with np.errstate(over="ignore"):  # of squares beyond float64: the answer is infinite
        squares = sum(float(np.square(block.astype(np.float64) - mean).sum()) for block in blocks(flat))
    return float(np.sqrt(squares / flat.size))


def global_threshold(arrays: Sequence[np.ndarray], density: float) -> float:
    """Find the threshold that leaves ``density`` of all elements of several weights, ranked together by magnitude.

    Equal magnitudes at the threshold all stay. The arrays are read several times, in blocks, and never copied.

    Args:
        arrays: The weights, of any of the four types.
        density: The share of all their elements that stays, 0..1.

    Returns:
        A value for `prune`'s ``threshold``: exactly the magnitude of an element, or above the largest for density 0.

    Raises:
        WeightError: An array cannot be pruned, as for `prune`.

    >>> global_threshold([np.array([1.0, 2.0]), np.array([3.0, 4.0])], 0.5)
    3.0
    """
    arrays = [require_float(array) for array in arrays]
    for array in arrays:
        require_finite(array)
    working = np.result_type(np.float32, *(array.dtype for array in arrays if array.itemsize > 2))

    def ranked() -> Iterator[np.ndarray]:
        return (
            magnitudes(bit_patterns(block.astype(working, copy=False)))
            for array in arrays
            for block in blocks(array.reshape(-1))
        )

    count = _kept_count(sum(array.size for array in arrays), density)
    if count == 0:
        largest = max((int(block.max()) for block in ranked()), default=0)
        return float(np.nextafter(_value(largest, working), np.inf))
    return _value(_kth_largest(ranked, count, 8 * working.itemsize), working)


def _value(magnitude: int, dtype: np.dtype) -> float:
    """Return the float whose bit pattern is ``magnitude``."""
    return float(np.array([magnitude], dtype=f"u{dtype.itemsize}").view(dtype)[0])


def _kept_count(size: int, density: float) -> int:
    if not 0 <= density <= 1:
        raise OptionError(f"density must be 0..1, got {density}")
    return min(size, max(round(density * size), 1 if density > 0 else 0))


def _kth_largest(ranked: Callable[[], Iterator[np.ndarray]], count: int, width: int) -> int:
    """Return the ``count``-th largest of the unsigned integers of ``width`` bits in all blocks; ``count`` is 1 or more.

    Each round reads them all and settles the next DIGIT_BITS of the answer, the most significant first.
    """
    answer = 0
    for shift in range(width - DIGIT_BITS, -1, -DIGIT_BITS):
        histogram = np.zeros(1 << DIGIT_BITS, dtype=np.int64)
        for block in ranked():
            digits = block >> shift
            if shift + DIGIT_BITS < width:
                digits = digits[digits >> DIGIT_BITS == answer] & ((1 << DIGIT_BITS) - 1)
            histogram += np.bincount(digits.astype(np.int64), minlength=histogram.size)
        at_least = np.cumsum(histogram[::-1])[::-1]
        digit = int(np.flatnonzero(at_least >= count)[-1])
        count -= int(at_least[digit] - histogram[digit])
        answer = answer << DIGIT_BITS | digit
    return answer


def _largest(array: np.ndarray, count: int) -> np.ndarray:
    """Return the mask of the ``count`` nonzeros of largest magnitude, the first of equal ones: bool ``[numel]``."""
    bits = bit_patterns(array)
    kept = np.zeros(bits.size, dtype=bool)
    if count == 0:
        return kept
    limit = _kth_largest(lambda: (magnitudes(block) for block in blocks(bits)), count, 8 * array.itemsize)
    for block, block_kept in zip(blocks(bits), blocks(kept), strict=True):
        block_kept[:] = magnitudes(block) > limit
    free = count - int(np.count_nonzero(kept)) if limit else 0
    for block, block_kept in zip(blocks(bits), blocks(kept), strict=True):
        if free <= 0:
            break
        equal = np.flatnonzero(magnitudes(block) == limit)[:free]
        block_kept[equal] = True
        free -= equal.size
    return kept


def _at_least(array: np.ndarray, limit: float) -> np.ndarray:
    """Return the mask of the nonzeros of magnitude ``limit`` or more, compared in float64: bool ``[numel]``."""
    kept = np.empty(array.size, dtype=bool)
    for block, block_kept in zip(blocks(array.reshape(-1)), blocks(kept), strict=True):
        block_kept[:] = np.abs(block.astype(np.float64)) >= limit
        if limit == 0:
            block_kept[block == 0] = False  # -0.0 goes as well
    return kept

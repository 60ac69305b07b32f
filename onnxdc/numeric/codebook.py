"""Weight sharing: a few shared values in place of a tensor's nonzeros (Han et al. 2016, section 3)."""

from __future__ import annotations

import numpy as np

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric.arrays import (
    bit_patterns,
    distinct_nonzero,
    normalized_axis,
    ranks,
    require_finite,
    require_float,
    split_groups,
    tiles,
)
from onnxdc.numeric.kmeans import INITS, Init, kmeans
from onnxdc.numeric.weight import MAX_CODES

MAX_MAGNITUDE = 1e150  # float64 ends at 1.8e308: the squares of what is smaller, and 10^8 of them together, fit


def share(
    array: np.ndarray,
    *,
    bits: int | None = None,
    centroids: int | None = None,
    init: Init = "linear",
    seed: int = 0,
    groups: int = 1,
    group_axis: int = 0,
) -> np.ndarray:
    """Replace the nonzeros of a weight by shared values, found by 1-D k-means.

    Zeros stay zero and nonzeros stay nonzero, so the mask of a pruned weight survives. A tensor, or a group of it,
    that has no more distinct values than allowed keeps them as they are; elsewhere -0.0 becomes +0.0.

    Args:
        array: The weight: float16, bfloat16, float32 or float64 of any shape; not changed.
        bits: The bits of a code, 1..8, for a codebook of ``2 ** bits`` entries. One of ``bits`` and ``centroids`` is
            given.
        centroids: The entries of the codebook, 2..256. Entry 0 is 0.0, always, so one fewer is left for the nonzeros.
        init: How k-means starts: ``linear``, ``density`` or ``random``; see `kmeans`.
        seed: The seed of ``random``.
        groups: The number of codebooks along ``group_axis``: a divisor of that dimension.
        group_axis: The axis along which codebooks change; counts from the end if negative.

    Returns:
        A new array of the same shape and type.

    Raises:
        OptionError: An argument is out of range.
        WeightError: The type is not supported, a value is not finite or beyond 1e150, or ``groups`` does not divide.

    >>> share(np.array([0.0, -1.0, 1.0, 1.5, 7.0, 8.0]), bits=2).tolist()
    [0.0, -1.0, 1.25, 1.25, 7.5, 7.5]
    """
    limit = _nonzero_values(bits, centroids)
    if init not in INITS:
        raise OptionError(f"init must be one of {', '.join(INITS)}, got {init!r}")
    shape = np.shape(array)
    axis = normalized_axis(group_axis, len(shape))
    if groups < 1:
        raise OptionError(f"groups must be 1 or more, got {groups}")
    if groups != 1 and (not shape or shape[axis] % groups):
        raise WeightError(f"groups must divide dimension {axis} of shape {list(shape)}, got {groups}")
    array = require_float(array)
    require_finite(array)
    shared = array.reshape(-1).copy()
    for group in split_groups(shared, shape, axis, groups):
        if distinct_nonzero(bit_patterns(np.asarray(group, order="C")), limit) is None:
            _share_group(group, limit, init, seed)
    return shared.reshape(shape)


def _nonzero_values(bits: int | None, centroids: int | None) -> int:
    """Return how many nonzero values a codebook may hold."""
    if bits is not None and centroids is None:
        if not 1 <= bits <= 8:
            raise OptionError(f"bits must be 1..8, got {bits}")
        return (1 << bits) - 1
    if centroids is not None and bits is None:
        if not 2 <= centroids <= MAX_CODES:
            raise OptionError(f"centroids must be 2..{MAX_CODES}, got {centroids}")
        return centroids - 1
    raise OptionError(f"one of bits and centroids is needed, got {bits} and {centroids}")


def _share_group(group: np.ndarray, limit: int, init: Init, seed: int) -> None:
    """Share the values of a group ``[outer, m]`` in place."""
    working = np.dtype(np.float64 if group.dtype == np.float64 else np.float32)
    values = group[group != 0].astype(working, copy=False)
    values.sort()
    if max(-float(values[0]), float(values[-1])) > MAX_MAGNITUDE:
        raise WeightError(f"weights beyond {MAX_MAGNITUDE:g} in magnitude cannot be shared")
    means, splits = kmeans(values, limit, init=init, seed=seed)
    lowest, highest = values[splits[:-1]], values[splits[1:] - 1]
    table = means.astype(group.dtype)
    # A mean may be 0, or round to it, though no member is: the member nearest to zero takes its place.
    nearest = np.where(np.abs(lowest) < np.abs(highest), lowest, highest)
    table = np.where(table == 0, nearest.astype(group.dtype), table)
    for tile in tiles(group):
        nonzero = tile != 0
        tile[nonzero] = table[ranks(tile[nonzero].astype(working, copy=False), highest[:-1])]
        tile[~nonzero] = 0

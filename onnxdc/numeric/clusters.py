"""Clusters of a shared weight: which elements share a value, and what a cluster's members come to together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onnxdc.errors import WeightError
from onnxdc.numeric.arrays import blocks, normalized_axis, require_float
from onnxdc.numeric.grouping import element_codes, smallest_tables

# Few random numbers of 16 bits, and those within one of many small groups, may be few enough for a codebook though
# nobody shared them: there, clusters must have more members than this on average. Elsewhere two equal ones are enough.
# Measured on the coarsest type: of 300 normally distributed bfloat16 numbers, which have the 255 values of a codebook,
# up to 1.2 share a value on average, of 512 up to 1.31.
CHANCE = 4 / 3


def find_clusters(array: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray] | None:
    """Find the codes and the one codebook of a weight whose nonzeros share values.

    Codebooks of groups along ``axis`` become one after the other, so that a code names a cluster of the whole weight.

    Args:
        array: The weight: float16, bfloat16, float32 or float64 of any shape, without -0.0.
        axis: The axis along which groups may have codebooks of their own.

    Returns:
        The codes, of the weight's shape and the smallest of uint8, uint16 and int32 that holds them, and the codebook
        ``[1 + clusters]`` of the weight's type, whose entry 0 is 0.0. None if the values are not shared: there are more
        than codebooks hold, or about as many as there are nonzeros.

    >>> codes, codebook = find_clusters(np.array([0.5, 0.0, 0.5, -1.0, -1.0]))
    >>> codes.tolist(), codebook.tolist()
    ([2, 0, 2, 1, 1], [0.0, -1.0, 0.5])
    """
    shape = np.shape(array)
    axis = normalized_axis(axis, len(shape))
    array = require_float(array)
    try:
        tables = smallest_tables(array, axis)
    except WeightError:
        return None
    codebook = np.concatenate([np.zeros(1, tables[0].dtype), *tables]).view(array.dtype)
    members = 1.0 if array.itemsize > 2 and len(tables) == 1 else CHANCE
    if np.count_nonzero(array) <= members * (codebook.size - 1):
        return None
    codes = element_codes(array, axis, tables).reshape(shape)
    if len(tables) == 1:
        return codes, codebook
    sizes = np.array([table.size for table in tables])
    first = (np.cumsum(sizes) - sizes).astype(np.uint16 if codebook.size <= 1 << 16 else np.int32)
    by_axis = [-1 if number == axis else 1 for number in range(len(shape))]
    offsets = np.repeat(first, shape[axis] // len(tables)).reshape(by_axis)
    return np.where(codes != 0, codes + offsets, 0).astype(first.dtype), codebook


def cluster_sums(values: np.ndarray, codes: np.ndarray, clusters: int) -> np.ndarray:
    """Return the sum over the members of each cluster, in float64: ``[clusters]``.

    Of the gradients of a weight it is the gradient of its codebook (Han et al. 2016, section 3.3).

    Args:
        values: The values, of any shape and any of the four types.
        codes: The codes, of the same shape: integers from 0 to ``clusters - 1``.
        clusters: The number of clusters, cluster 0 of the zeros among them.
    """
    sums = np.zeros(clusters)
    for block, block_codes in _blocks(values, codes):
        sums += np.bincount(block_codes, weights=block, minlength=clusters)
    return sums


def cluster_ranges(values: np.ndarray, codes: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest member of each cluster, in float64 ``[clusters]``.

    They are inf and -inf for a cluster without members.

    Arguments are those of ``cluster_sums``.
    """
    lowest, highest = np.full(clusters, np.inf), np.full(clusters, -np.inf)
    for block, block_codes in _blocks(values, codes):
        np.minimum.at(lowest, block_codes, block)
        np.maximum.at(highest, block_codes, block)
    return lowest, highest


def cluster_means(values: np.ndarray, codes: np.ndarray, clusters: int) -> np.ndarray:
    """Return the mean over the members of each cluster, in float64 ``[clusters]``; 0.0 for one without members.

    Equal members give exactly their value: what is summed are the distances to the lowest one. Arguments are those of
    ``cluster_sums``.
    """
    lowest, _ = cluster_ranges(values, codes, clusters)
    lowest[lowest == np.inf] = 0.0
    counts, excess = np.zeros(clusters), np.zeros(clusters)
    for block, block_codes in _blocks(values, codes):
        counts += np.bincount(block_codes, minlength=clusters)
        excess += np.bincount(block_codes, weights=block - lowest[block_codes], minlength=clusters)
    return lowest + excess / np.maximum(counts, 1)


def _blocks(values: np.ndarray, codes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield both in blocks, the values in float64.

    What numpy counts it widens, which would take 16 bytes an element for the whole array.
    """
    for block, block_codes in zip(blocks(values.reshape(-1)), blocks(codes.reshape(-1)), strict=True):
        yield block.astype(np.float64), block_codes

"""Which elements of a weight share a codebook: the values of each group along an axis, and every element's code."""

from __future__ import annotations

import math

import numpy as np

from onnxdc.errors import WeightError
from onnxdc.numeric import huffman
from onnxdc.numeric.arrays import bit_patterns, distinct_nonzero, histogram, ranks, split_groups, tiles
from onnxdc.numeric.weight import MAX_CODES

WORTHWHILE = 7 / 8  # more groups than needed cost time in every use of the weight: chosen, not measured


def smallest_tables(
    array: np.ndarray, axis: int, limit: int = MAX_CODES - 1, most: int | None = None
) -> list[np.ndarray]:
    """Return the values besides zero of the smallest number of groups that can be encoded.

    Args:
        array: The weight, row-major and of a type of the format.
        axis: The axis along which the groups change, 0 for a scalar.
        limit: How many values besides zero a group may have, up to 256.
        most: How many values all groups may have together, if they are more than one; half of the elements if None:
            groups so small that their codebooks rival the tensor are no sign of shared values.

    Returns:
        The nonzero bit patterns of each group, unsigned ``[0..limit]``, in the order of their values.

    Raises:
        WeightError: There are too many distinct values.
    """
    length = array.shape[axis] if array.ndim else 1
    most = array.size // 2 if most is None else most
    for groups in divisors(length):
        tables = _tables(array, axis, groups, limit, most)
        if tables is not None:
            return tables
    raise WeightError(
        f"a weight can have {MAX_CODES} distinct values, or as many in each group along axis {axis};"
        f" shape {list(array.shape)} has more: share its values first"
    )


def divisors(length: int) -> list[int]:
    """Return the divisors of a length, rising; 1 alone if it is 0.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [count for count in range(1, math.isqrt(length) + 1) if length % count == 0]
    return sorted({1, *small, *(length // count for count in small)})


def _tables(array: np.ndarray, axis: int, groups: int, limit: int, most: int) -> list[np.ndarray] | None:
    """Return the nonzero bit patterns of each group, sorted by value, or None if they are more than allowed."""
    tables = []
    for group in split_groups(bit_patterns(array), array.shape, axis, groups):
        table = distinct_nonzero(group.reshape(-1), limit)
        if table is None or (groups > 1 and groups * (1 + table.size) > most):
            return None
        tables.append(_sorted_by_value(table, array.dtype))
    return tables


def _sorted_by_value(bits: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Sort bit patterns by their values; NaNs come last, and equal values in the order of their bits."""
    with np.errstate(invalid="ignore"):
        return bits[np.lexsort((bits, bits.view(dtype).astype(np.float64)))]


def element_codes(array: np.ndarray, axis: int, tables: list[np.ndarray], first: int = 1) -> np.ndarray:
    """Return the code of every element: uint8 ``[numel]``.

    It is ``first`` + the index in the table of the element's group; 0 for zeros, which there are none of if ``first``
    is 0.
    """
    codes = np.zeros(array.size, dtype=np.uint8)
    bits_of_groups = split_groups(bit_patterns(array), array.shape, axis, len(tables))
    codes_of_groups = split_groups(codes, array.shape, axis, len(tables))
    for bits, group_codes, table in zip(bits_of_groups, codes_of_groups, tables, strict=True):
        by_bits = np.argsort(table)
        code_of_rank = (by_bits + first).astype(np.uint8)
        for tile, tile_codes in zip(tiles(bits), tiles(group_codes), strict=True):
            nonzero = tile != 0
            tile_codes[nonzero] = code_of_rank[ranks(tile[nonzero], table[by_bits[:-1]])]
    return codes


def group_counts(codes: np.ndarray, shape: tuple[int, ...], axis: int, groups: int) -> np.ndarray:
    """Return how often each code occurs in each group: int64 ``[groups, 256]``."""
    parts = split_groups(codes, shape, axis, groups)
    return np.stack([histogram(part.reshape(-1), MAX_CODES) for part in parts])


def refined(
    tables: list[np.ndarray],
    codes: np.ndarray,
    shape: tuple[int, ...],
    axis: int,
    *,
    first: int,
    itemsize: int,
    size: float | None = None,
) -> list[np.ndarray]:
    """Return the tables of more groups if that is worthwhile; ``codes`` are changed in place to match.

    Groups that were shared apart use few values each, but may fit in one codebook together, with longer codes.

    Args:
        tables: The tables of the smallest number of groups.
        codes: The code of every element, as `element_codes` gives it.
        shape: The shape of the weight.
        axis: The axis along which the groups change.
        first: The code of the first value of a table.
        itemsize: The bytes of a value in a codebook.
        size: The bytes, as `estimated_bytes` counts them, of the form that the new one has to be smaller than; that of
            ``tables`` if None.
    """
    length = shape[axis] if shape else 1
    # Groups of fewer elements than a codebook may have entries are not considered.
    counts_fit = [count for count in divisors(length) if count % len(tables) == 0 and count * MAX_CODES <= codes.size]
    if not counts_fit or counts_fit[-1] == len(tables):
        return tables
    finest = counts_fit[-1]
    counts = group_counts(codes, shape, axis, finest)
    counts[:, :first] = 0  # zeros may or may not be entries; either way they are the same for all
    candidates = {
        groups: counts.reshape(groups, finest // groups, MAX_CODES).sum(axis=1)
        for groups in counts_fit
        if finest % groups == 0
    }
    sizes = {groups: estimated_bytes(merged, itemsize) for groups, merged in candidates.items()}
    best = min(sizes, key=lambda groups: sizes[groups])
    if best == len(tables) or sizes[best] > WORTHWHILE * (sizes[len(tables)] if size is None else size):
        return tables
    return _split_tables(tables, split_groups(codes, shape, axis, best), candidates[best], first)


def estimated_bytes(counts: np.ndarray, itemsize: int) -> float:
    """Estimate the bytes of the codes and the codebook if each group has a table of its own.

    ``counts`` is ``[groups, codes]``.
    """
    used = counts > 0
    code = np.cumsum(used, axis=1)
    total = np.bincount(code[used], weights=counts[used]).astype(np.int64)
    bits = int((total * huffman.code_lengths(total)).sum())
    entries = 1 + int(used.sum(axis=1).max())
    return bits / 8 + len(used) * entries * itemsize


def _split_tables(
    tables: list[np.ndarray], groups: list[np.ndarray], counts: np.ndarray, first: int
) -> list[np.ndarray]:
    """Return the tables of finer groups, and change their codes ``[outer, m]`` in place to match."""
    split = []
    for index, (group, count) in enumerate(zip(groups, counts, strict=True)):
        used = np.flatnonzero(count)
        new_code = np.zeros(MAX_CODES, dtype=np.uint8)
        new_code[used] = np.arange(first, first + used.size)
        for tile in tiles(group):
            tile[...] = new_code[tile]
        split.append(tables[index * len(tables) // len(groups)][used - first])
    return split

"""Positions of entries as gaps with filler zeros (docs/format.md section 3; Han et al. 2016, figure 2)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onnxdc.numeric.arrays import BLOCK

MAX_GAP = 255  # a gap takes a byte


def largest_gap(index_bits: int) -> int:
    """Return the largest gap that an encoder uses: ``2 ** index_bits``, or 255.

    >>> largest_gap(5), largest_gap(8)
    (32, 255)
    """
    return min(1 << index_bits, MAX_GAP)


def to_gaps(codes: np.ndarray, index_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of a row-major weight, as the gaps before them and their codes.

    Args:
        codes: The code of every element, uint8 ``[numel]``; 0 is a zero.
        index_bits: The bits of a gap, 1..8.

    Returns:
        The gaps, uint8 ``[entries]``: the position of the first entry, then distances, none above `largest_gap`; and
        the entry codes, uint8 ``[entries]``, 0 for a filler zero. Zeros after the last nonzero need no entry.

    >>> gaps, entry_codes = to_gaps(np.array([0, 0, 5, 0, 0, 0, 0, 0, 7], dtype=np.uint8), index_bits=2)
    >>> gaps.tolist(), entry_codes.tolist()
    ([2, 4, 2], [5, 0, 7])
    """
    reach = largest_gap(index_bits)
    gaps, entry_codes = [np.empty(0, np.uint8)], [np.empty(0, np.uint8)]
    for block, inside, distance in _nonzeros(codes):
        fillers = _fillers(distance, reach)
        last = np.cumsum(fillers + 1) - 1  # the entry of each nonzero, after its fillers
        block_gaps = np.full(last[-1] + 1, reach, dtype=np.uint8)
        block_gaps[last] = distance - fillers * reach
        block_codes = np.zeros(last[-1] + 1, dtype=np.uint8)
        block_codes[last] = block[inside]
        gaps.append(block_gaps)
        entry_codes.append(block_codes)
    return np.concatenate(gaps), np.concatenate(entry_codes)


def count_entries(elements: np.ndarray, index_bits: int) -> int:
    """Count the entries that `to_gaps` makes of ``[numel]`` unsigned integers: nonzeros and filler zeros.

    >>> count_entries(np.array([0, 0, 5, 0, 0, 0, 0, 0, 7], dtype=np.uint8), index_bits=2)
    3
    """
    reach = largest_gap(index_bits)
    return sum(inside.size + int(_fillers(distance, reach).sum()) for _, inside, distance in _nonzeros(elements))


def _fillers(distance: np.ndarray, reach: int) -> np.ndarray:
    """Return how many filler zeros bridge each distance; that to an entry at position 0 is 0."""
    fillers: np.ndarray = np.maximum(distance - 1, 0) // reach
    return fillers


def _nonzeros(elements: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield each block that has nonzeros, their indices in it, and the distance of each from the one before.

    That of the first nonzero is its position.
    """
    previous = 0
    for start in range(0, elements.size, BLOCK):
        block = elements[start : start + BLOCK]
        inside = np.flatnonzero(block)
        if inside.size:
            yield block, inside, np.diff(inside, prepend=previous - start)
            previous = start + int(inside[-1])


def to_positions(gaps: np.ndarray, previous: int = 0) -> np.ndarray:
    """Return the positions of consecutive entries: int64 ``[entries]``.

    Args:
        gaps: The gaps, uint8 ``[entries]``.
        previous: The position of the entry before them, 0 if there is none.

    >>> to_positions(np.array([2, 4, 2], dtype=np.uint8)).tolist()
    [2, 6, 8]
    """
    positions = np.cumsum(gaps, dtype=np.int64)
    positions += previous
    return positions

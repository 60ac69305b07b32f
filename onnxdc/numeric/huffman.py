"""Canonical Huffman codes of at most 12 bits, of which only the code lengths are stored (docs/format.md section 4)."""

from __future__ import annotations

import numpy as np

MAX_LENGTH = 12


def code_lengths(counts: np.ndarray, limit: int = MAX_LENGTH) -> np.ndarray:
    """Return the optimal code lengths that do not exceed ``limit``, by package-merge.

    Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", 1990. The result is the same
    wherever it runs: equal counts are ordered by symbol, and a symbol comes before a package of equal weight.

    Args:
        counts: How often each symbol occurs, int ``[A]``; at most ``2 ** limit`` of them are not zero.
        limit: The greatest length allowed.

    Returns:
        The lengths, uint8 ``[A]``; 0 for a symbol that does not occur, and 1 for the only one that does.

    >>> code_lengths(np.array([8, 1, 0, 4, 1])).tolist()
    [1, 3, 0, 2, 3]
    >>> code_lengths(np.array([8, 1, 0, 4, 1]), limit=2).tolist()
    [2, 2, 0, 2, 2]
    """
    counts = np.asarray(counts, dtype=np.int64)
    lengths = np.zeros(counts.size, dtype=np.uint8)
    used = np.flatnonzero(counts)
    if used.size > 1 << limit:
        raise ValueError(f"{used.size} symbols do not fit in codewords of {limit} bits")
    if used.size < 2:
        lengths[used] = 1
        return lengths
    symbols = used[np.argsort(counts[used], kind="stable")]
    leaves = counts[symbols]
    items, is_leaf = leaves, [np.ones(leaves.size, dtype=bool)]
    for _ in range(limit - 1):
        packages = items[: items.size // 2 * 2].reshape(-1, 2).sum(axis=1)
        merged = np.concatenate([leaves, packages])
        order = np.argsort(merged, kind="stable")
        items = merged[order]
        is_leaf.append(order < leaves.size)
    # The cheapest 2(n-1) items of the last level are the code: each leaf among them, even in a package, is one bit.
    taken = 2 * (leaves.size - 1)
    for level in reversed(is_leaf):
        leaves_taken = int(level[:taken].sum())
        lengths[symbols[:leaves_taken]] += 1
        taken = 2 * (taken - leaves_taken)
    return lengths


def kraft_sum(lengths: np.ndarray) -> int:
    """Return the sum of ``2 ** -length`` over the used symbols, in units of ``2 ** -MAX_LENGTH``: 4096 if complete.

    >>> kraft_sum(np.array([1, 2, 0, 2]))
    4096
    """
    used = lengths[lengths > 0].astype(np.int64)
    return int((1 << (MAX_LENGTH - used)).sum())


def codewords(lengths: np.ndarray) -> np.ndarray:
    """Return the canonical codewords, right-aligned: uint16 ``[A]``.

    >>> [f"{word:0{length}b}" for word, length in zip(codewords(np.array([2, 1, 3, 3])), [2, 1, 3, 3])]
    ['10', '0', '110', '111']
    """
    order = _canonical_order(lengths)
    free = MAX_LENGTH - lengths[order].astype(np.int64)
    span = 1 << free  # how many 12-bit windows start with the codeword
    words = np.zeros(lengths.size, dtype=np.uint16)
    words[order] = (np.cumsum(span) - span) >> free
    return words


def decoding_table(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the next 12 bits of a stream start with: symbols uint8 ``[4096]`` and lengths uint8 ``[4096]``.

    The lengths must satisfy ``kraft_sum(lengths) <= 4096``. Windows that start with no codeword have length 0.
    """
    order = _canonical_order(lengths)
    span = 1 << (MAX_LENGTH - lengths[order].astype(np.int64))
    symbols = np.zeros(1 << MAX_LENGTH, dtype=np.uint8)
    window_lengths = np.zeros(1 << MAX_LENGTH, dtype=np.uint8)
    symbols[: span.sum()] = np.repeat(order, span)
    window_lengths[: span.sum()] = np.repeat(lengths[order], span)
    return symbols, window_lengths


def pack_lengths(lengths: np.ndarray) -> np.ndarray:
    """Pack two lengths a byte, the even symbol in the low nibble: uint8 ``[ceil(A/2)]``.

    >>> [hex(byte) for byte in pack_lengths(np.array([1, 12, 3]))]
    ['0xc1', '0x3']
    """
    padded = np.zeros((lengths.size + 1) // 2 * 2, dtype=np.uint8)
    padded[: lengths.size] = lengths
    return padded[0::2] | padded[1::2] << 4


def unpack_lengths(packed: np.ndarray) -> np.ndarray:
    """Reverse `pack_lengths`, with one more length of 0 if the number of symbols was odd: uint8 ``[2n]``."""
    return np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)


def _canonical_order(lengths: np.ndarray) -> np.ndarray:
    """Return the used symbols by (length, symbol)."""
    used = np.flatnonzero(lengths)
    return used[np.argsort(lengths[used], kind="stable")]

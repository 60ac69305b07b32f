"""Complete Huffman codes of at most 12 bits, and the tables that store them (docs/format.md section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_LENGTH = 12
COUNTS = MAX_LENGTH  # bytes at the start of a table: how many codewords there are of each length
SYMBOLS = 256
LOW_CODES = 16  # codes that a codeword stands for together if each has its four lower bits apart


@dataclass(frozen=True)
class Code:
    """A Huffman code as its table lists it.

    Attributes:
        lengths: The length of each codeword, uint8 ``[A]``, rising.
        symbols: What each codeword stands for, uint8 ``[A]``.
    """

    lengths: np.ndarray
    symbols: np.ndarray

    def codewords(self) -> np.ndarray:
        """Return the codewords, right-aligned: uint16 ``[A]``.

        >>> code = Code(np.array([1, 2, 3, 3], np.uint8), np.arange(4, dtype=np.uint8))
        >>> [f"{word:0{length}b}" for word, length in zip(code.codewords(), code.lengths)]
        ['0', '10', '110', '111']
        """
        free = MAX_LENGTH - self.lengths.astype(np.int64)
        span = 1 << free  # how many 12-bit windows start with the codeword
        words: np.ndarray = (np.cumsum(span) - span) >> free
        return words.astype(np.uint16)

    def by_symbol(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the codeword and the length of each symbol: uint16 ``[256]`` and uint8 ``[256]``, 0 if it has none."""
        words, lengths = np.zeros(SYMBOLS, np.uint16), np.zeros(SYMBOLS, np.uint8)
        # Of several codewords for one symbol the first, which is the shortest, is assigned last.
        words[self.symbols[::-1]] = self.codewords()[::-1]
        lengths[self.symbols[::-1]] = self.lengths[::-1]
        return words, lengths

    def by_window(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what each 12 bits of a stream start with: symbols uint8 ``[4096]`` and lengths uint8 ``[4096]``."""
        span = 1 << (MAX_LENGTH - self.lengths.astype(np.int64))
        return np.repeat(self.symbols, span), np.repeat(self.lengths, span)

    def table(self, scale: int = 1) -> np.ndarray:
        """Return the code's table: uint8 ``[12]`` if codeword ``i`` stands for ``i``, else ``[12 + A]``.

        Args:
            scale: 16 if low bits go with it: what it lists is 16 times as much.
        """
        counts = np.bincount(self.lengths, minlength=1 + COUNTS)[1:].astype(np.uint8)
        in_order = np.array_equal(self.symbols, np.arange(self.symbols.size))
        return counts if in_order else np.concatenate([counts, self.symbols * np.uint8(scale)])


def read_table(table: np.ndarray, scale: int = 1) -> Code:
    """Return the code that a table stores; ``scale`` is 16 if low bits go with it."""
    lengths = np.repeat(np.arange(1, 1 + COUNTS, dtype=np.uint8), table[:COUNTS])
    symbols = table[COUNTS:] if table.size > COUNTS else (np.arange(lengths.size) * scale).astype(np.uint8)
    return Code(lengths, symbols)


def kraft_sum(counts: np.ndarray) -> int:
    """Return the sum of ``count * 2 ** -length`` over lengths from 1 on, in units of ``2 ** -12``: 4096 if complete.

    >>> kraft_sum(np.array([1, 2]))
    4096
    """
    return int((counts.astype(np.int64) << np.arange(MAX_LENGTH - 1, MAX_LENGTH - 1 - counts.size, -1)).sum())


def make_code(counts: np.ndarray, *, in_order: bool, shortest: int = 1) -> Code:
    """Return the optimal code for symbols that occur so often.

    A code is complete, so it has ``2 ** shortest`` codewords at least: where fewer symbols occur, others get some, too.
    256 codewords of 8 bits, which a table cannot say, are avoided at the cost of the two rarest symbols.

    Args:
        counts: How often each symbol occurs, int ``[256]``; one does at least.
        in_order: Whether codeword ``i`` is to stand for symbol ``i``, as fits counts that fall. Else only symbols that
            occur get a codeword, the most frequent first, and of equally frequent ones the lower first.
        shortest: The length that every codeword has at least.

    >>> code = make_code(np.array([0, 8, 0, 9, 1, 4]), in_order=False)
    >>> code.symbols.tolist(), code.lengths.tolist()
    ([3, 1, 5, 4], [1, 2, 3, 3])
    >>> make_code(np.array([7, 0, 0]), in_order=False, shortest=2).table().tolist()
    [0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    counts = np.pad(np.asarray(counts, np.int64), (0, SYMBOLS - np.size(counts)))
    if in_order:
        last = np.flatnonzero(counts)[-1]
        counts[:last] = np.maximum(counts[:last], 1)
    missing = (1 << shortest) - np.count_nonzero(counts)
    if missing > 0:
        counts[np.flatnonzero(counts == 0)[:missing]] = 1
    symbols = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    lengths = np.sort(code_lengths(counts[symbols], shortest=shortest))
    if np.count_nonzero(lengths == 8) == SYMBOLS:
        lengths[[0, -2, -1]] = 7, 9, 9
    return Code(lengths, (np.sort(symbols) if in_order else symbols).astype(np.uint8))


def code_lengths(counts: np.ndarray, limit: int = MAX_LENGTH, shortest: int = 1) -> np.ndarray:
    """Return the optimal code lengths from ``shortest`` to ``limit``, by package-merge.

    Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", 1990. The result is the same
    wherever it runs: of equal counts the lower symbol is the more frequent, and a symbol comes before a package of
    equal weight.

    Args:
        counts: How often each symbol occurs, int ``[A]``; at most ``2 ** limit`` of them are not zero, and
            ``2 ** shortest`` at least, or none or one if ``shortest`` is 1.
        limit: The greatest length allowed.
        shortest: The smallest length allowed.

    Returns:
        The lengths, uint8 ``[A]``; 0 for a symbol that does not occur, and 1 for the only one that does.

    >>> code_lengths(np.array([8, 1, 0, 4, 1])).tolist()
    [1, 3, 0, 2, 3]
    >>> code_lengths(np.array([8, 1, 0, 4, 1]), limit=2).tolist()
    [2, 2, 0, 2, 2]
    >>> code_lengths(np.array([80, 1, 0, 4, 1, 3]), shortest=2).tolist()
    [2, 3, 0, 2, 3, 2]
    """
    counts = np.asarray(counts, dtype=np.int64)
    lengths = np.zeros(counts.size, dtype=np.uint8)
    used = np.flatnonzero(counts)[::-1]
    if used.size > 1 << limit:
        raise ValueError(f"{used.size} symbols do not fit in codewords of {limit} bits")
    lengths[used] = shortest
    if used.size < 2:
        return lengths
    symbols = used[np.argsort(counts[used], kind="stable")]
    leaves = counts[symbols]
    items, is_leaf = leaves, [np.ones(leaves.size, dtype=bool)]
    for _ in range(limit - shortest - 1):
        packages = items[: items.size // 2 * 2].reshape(-1, 2).sum(axis=1)
        merged = np.concatenate([leaves, packages])
        order = np.argsort(merged, kind="stable")
        items = merged[order]
        is_leaf.append(order < leaves.size)
    # The cheapest 2(n - 2^shortest) items of the last level are the code, as every symbol has the bits up to `shortest`
    # anyway: each leaf among them, even in a package, is one bit more.
    taken = 2 * (leaves.size - (1 << shortest))
    for level in reversed(is_leaf):
        leaves_taken = int(level[:taken].sum())
        lengths[symbols[:leaves_taken]] += 1
        taken = 2 * (taken - leaves_taken)
    return lengths

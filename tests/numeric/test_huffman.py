"""Code lengths against textbook Huffman, brute force and entropy; codewords against the format's own wording."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
import pytest

from onnxdc.numeric import huffman

COUNTS = {
    "two": [3, 5],
    "equal": [7] * 256,
    "geometric": [2**i for i in range(20)],
    "fibonacci": [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765],
    "with unused": [0, 9, 0, 0, 4, 1, 0, 3, 0],
    "one giant": [10**12] + [1] * 255,
    "random": np.random.default_rng(1).integers(0, 10_000, 256).tolist(),
    "skewed": (np.random.default_rng(2).pareto(0.5, 200) * 10).astype(int).clip(0, 10**9).tolist(),
}


def textbook_cost(counts: list[int]) -> int:
    """Bits of an unlimited Huffman code: the sum of the weights of its inner nodes."""
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


def cost(counts: list[int], lengths: np.ndarray) -> int:
    return sum(count * int(length) for count, length in zip(counts, lengths, strict=True))


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
def test_without_a_limit_the_cost_is_that_of_huffman(counts: list[int]) -> None:
    assert cost(counts, huffman.code_lengths(np.array(counts), limit=60)) == textbook_cost(counts)


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
def test_limited_codes_are_complete_and_within_a_bit_of_entropy(counts: list[int]) -> None:
    lengths = huffman.code_lengths(np.array(counts))
    used = np.array(counts) > 0
    assert lengths.max() <= 12
    np.testing.assert_array_equal(lengths > 0, used)
    assert sum(2.0**-length for length in lengths[used].tolist()) == 1
    total = sum(counts)
    entropy = -sum(count * np.log2(count / total) for count in counts if count)
    assert entropy <= cost(counts, lengths) * (1 + 1e-12)
    assert cost(counts, lengths) <= entropy + 1.01 * total  # the limit costs these inputs less than 1 %


@pytest.mark.parametrize(("symbols", "limit"), [(2, 1), (3, 2), (4, 2), (4, 3), (5, 3), (6, 3), (5, 4), (7, 3)])
def test_limited_codes_are_optimal(symbols: int, limit: int) -> None:
    rng = np.random.default_rng(symbols * 10 + limit)
    feasible = [
        lengths
        for lengths in itertools.product(range(1, limit + 1), repeat=symbols)
        if sum(2.0**-length for length in lengths) <= 1
    ]
    for _ in range(10):
        counts = np.sort(rng.pareto(0.3, symbols).clip(0, 1e6).astype(np.int64) + 1)
        best = (np.array(feasible) @ counts).min()
        assert cost(counts.tolist(), huffman.code_lengths(counts, limit)) == best


@pytest.mark.parametrize(("counts", "lengths"), [([], []), ([0, 0], [0, 0]), ([0, 42, 0], [0, 1, 0])])
def test_alphabets_of_none_and_one(counts: list[int], lengths: list[int]) -> None:
    assert huffman.code_lengths(np.array(counts, dtype=np.int64)).tolist() == lengths


def test_too_many_symbols_for_the_limit() -> None:
    with pytest.raises(ValueError, match="5 symbols do not fit in codewords of 2 bits"):
        huffman.code_lengths(np.ones(5, dtype=np.int64), limit=2)


@pytest.mark.parametrize(("symbols", "limit", "shortest"), [(4, 3, 2), (5, 3, 2), (6, 4, 2), (7, 4, 2), (9, 4, 3)])
def test_codes_without_short_codewords_are_optimal(symbols: int, limit: int, shortest: int) -> None:
    rng = np.random.default_rng(symbols)
    feasible = [
        lengths
        for lengths in itertools.combinations_with_replacement(range(shortest, limit + 1), symbols)
        if sum(2.0**-length for length in lengths) <= 1
    ]
    for _ in range(20):
        counts = np.sort(rng.pareto(0.3, symbols).clip(0, 1e6).astype(np.int64) + 1)[::-1]
        lengths = huffman.code_lengths(counts, limit, shortest)
        assert lengths.min() >= shortest
        assert cost(counts.tolist(), lengths) == (np.array(feasible) @ counts).min()


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
def test_of_equal_counts_the_lower_symbol_has_the_shorter_codeword(counts: list[int]) -> None:
    falling = sorted(counts, reverse=True)
    lengths = huffman.code_lengths(np.array(falling))[: np.count_nonzero(falling)]
    assert (np.diff(lengths.astype(int)) >= 0).all()


# Codes and their tables.


def all_counts(counts: list[int]) -> np.ndarray:
    return np.pad(counts, (0, 256 - len(counts))).astype(np.int64)


@pytest.mark.parametrize("shortest", [1, 2])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("counts", [*COUNTS.values(), [0, 0, 5], [4], [1, 1, 1], [0] * 255 + [9]])
def test_codes_are_complete_and_come_back_from_their_table(counts: list[int], in_order: bool, shortest: int) -> None:
    code = huffman.make_code(np.array(counts), in_order=in_order, shortest=shortest)
    assert (np.diff(code.lengths.astype(int)) >= 0).all()
    assert shortest <= code.lengths.min() <= code.lengths.max() <= 12
    assert sum(2.0**-length for length in code.lengths.tolist()) == 1
    assert set(np.flatnonzero(counts)) <= set(code.symbols.tolist())
    assert len(set(code.symbols.tolist())) == code.symbols.size >= 2**shortest
    table = code.table()
    assert table.dtype == np.uint8
    assert table[:12].tolist() == [np.count_nonzero(code.lengths == length) for length in range(1, 13)]
    assert huffman.kraft_sum(table[:12]) == 4096
    assert table.size == 12 or table[12:].tolist() == code.symbols.tolist()
    if in_order:
        assert table.size == 12
    back = huffman.read_table(table)
    np.testing.assert_array_equal(back.lengths, code.lengths)
    np.testing.assert_array_equal(back.symbols, code.symbols)


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
def test_codes_of_falling_counts_are_as_good_in_order(counts: list[int]) -> None:
    falling = np.array(sorted(counts, reverse=True))[: np.count_nonzero(counts)]
    listed, in_order = (huffman.make_code(falling, in_order=each) for each in (False, True))
    np.testing.assert_array_equal(listed.lengths, in_order.lengths)
    np.testing.assert_array_equal(listed.symbols, in_order.symbols)


def test_codes_without_one_bit_cost_little_more_where_one_bit_is_too_long_anyway() -> None:
    counts = np.array([40, 20, 15, 15, 10])
    short, long = (cost(counts.tolist(), huffman.code_lengths(counts, shortest=each)) for each in (1, 2))
    assert (short, long) == (220, 225)


def test_256_codewords_of_8_bits_are_avoided() -> None:
    code = huffman.make_code(np.full(256, 7), in_order=False)
    assert np.bincount(code.lengths)[1:].tolist() == [0, 0, 0, 0, 0, 0, 1, 253, 2]


def test_a_lone_symbol_has_a_companion() -> None:
    assert huffman.make_code(all_counts([3]), in_order=True).table().tolist() == [2, *[0] * 11]
    assert huffman.make_code(all_counts([0, 0, 3]), in_order=False).symbols.tolist() == [2, 0]


def test_tables_with_low_bits_stand_for_multiples_of_16() -> None:
    assert huffman.read_table(np.array([1, 2, *[0] * 10], np.uint8), 16).symbols.tolist() == [0, 16, 32]


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
def test_codewords_and_windows(counts: list[int]) -> None:
    code = huffman.make_code(np.array(counts), in_order=False)
    # As the format words it: each codeword is one more than the last, shifted left by the growth in length.
    expected, word, previous = {}, -1, 0
    for length, symbol in zip(code.lengths.tolist(), code.symbols.tolist(), strict=True):
        word = (word + 1) << (length - previous)
        expected[symbol] = f"{word:0{length}b}"
        previous = length
    assert set(expected[code.symbols[-1]]) == {"1"}
    words, lengths = code.by_symbol()
    assert {symbol: f"{words[symbol]:0{lengths[symbol]}b}" for symbol in expected} == expected
    assert np.count_nonzero(lengths) == len(expected)
    symbols, window_lengths = code.by_window()
    by_codeword = {codeword: symbol for symbol, codeword in expected.items()}
    for window in range(4096):
        assert by_codeword[f"{window:012b}"[: window_lengths[window]]] == symbols[window]


def test_of_two_codewords_for_a_symbol_the_shorter_is_written() -> None:
    words, lengths = huffman.read_table(np.array([1, 2, *[0] * 10, 6, 4, 6], np.uint8)).by_symbol()
    assert (words[[6, 4]].tolist(), lengths[[6, 4]].tolist()) == ([0, 2], [1, 2])

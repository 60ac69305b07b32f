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


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
def test_codewords_and_decoding_table(counts: list[int]) -> None:
    lengths = huffman.code_lengths(np.array(counts))
    # As the format words it: by (length, symbol), each one more than the last, shifted left by the growth in length.
    expected, word, previous = {}, -1, 0
    for length, symbol in sorted((int(length), symbol) for symbol, length in enumerate(lengths) if length):
        word = (word + 1) << (length - previous)
        expected[symbol] = f"{word:0{length}b}"
        previous = length
    words = huffman.codewords(lengths)
    assert {symbol: f"{words[symbol]:0{lengths[symbol]}b}" for symbol in expected} == expected
    symbols, window_lengths = huffman.decoding_table(lengths)
    by_codeword = {codeword: symbol for symbol, codeword in expected.items()}
    for window in range(4096):
        assert by_codeword[f"{window:012b}"[: window_lengths[window]]] == symbols[window]


def test_windows_without_a_codeword_have_length_0() -> None:
    symbols, lengths = huffman.decoding_table(np.array([0, 0, 1], dtype=np.uint8))
    assert (symbols[:2048] == 2).all()
    assert (lengths[:2048] == 1).all()
    assert not lengths[2048:].any()


@pytest.mark.parametrize("size", [0, 1, 2, 7, 256])
def test_packed_lengths_come_back(size: int) -> None:
    lengths = np.random.default_rng(size).integers(0, 13, size).astype(np.uint8)
    packed = huffman.pack_lengths(lengths)
    assert packed.size == (size + 1) // 2
    for symbol, length in enumerate(lengths):
        assert packed[symbol // 2] >> 4 * (symbol % 2) & 15 == length
    np.testing.assert_array_equal(huffman.unpack_lengths(packed)[:size], lengths)

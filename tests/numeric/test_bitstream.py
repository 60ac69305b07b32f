"""Bitstreams against strings of the characters 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.errors import FormatError
from onnxdc.numeric import bitstream, huffman


def random_symbols(count: int, alphabet: int, skew: float, seed: int) -> np.ndarray:
    weights = np.arange(1, alphabet + 1, dtype=np.float64) ** -skew
    return np.random.default_rng(seed).choice(alphabet, count, p=weights / weights.sum()).astype(np.uint8)


def lengths_of(symbols: np.ndarray) -> np.ndarray:
    return huffman.code_lengths(np.bincount(symbols))


def packed_as_text(symbols: np.ndarray, lengths: np.ndarray, chunk_size: int) -> list[bytes]:
    """Each chunk's bytes."""
    words = [f"{word:0{length}b}" for word, length in zip(huffman.codewords(lengths), lengths, strict=True)]
    chunks = []
    for start in range(0, symbols.size, chunk_size):
        bits = "".join(words[symbol] for symbol in symbols[start : start + chunk_size])
        bits += "0" * (-len(bits) % 8)
        chunks.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    return chunks


def offsets_and_counts(symbols: np.ndarray, lengths: np.ndarray, chunk_size: int) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.append(0, np.cumsum(bitstream.chunk_bytes(symbols, lengths, chunk_size)))
    counts = np.diff(np.append(np.arange(0, symbols.size, chunk_size), symbols.size))
    return offsets, counts


@pytest.mark.parametrize("count", [1, 3, 4, 63, 64, 65, 500, 4096, 5001])
@pytest.mark.parametrize(("alphabet", "skew"), [(1, 0), (2, 0), (2, 4), (16, 0), (31, 1), (256, 0), (256, 3)])
@pytest.mark.parametrize("chunk_size", [64, 1024])
def test_pack_and_unpack(count: int, alphabet: int, skew: float, chunk_size: int) -> None:
    symbols = random_symbols(count, alphabet, skew, seed=count)
    lengths = lengths_of(symbols)
    expected = packed_as_text(symbols, lengths, chunk_size)
    assert bitstream.chunk_bytes(symbols, lengths, chunk_size).tolist() == [len(chunk) for chunk in expected]
    stream = bitstream.pack(symbols, lengths, chunk_size)
    assert stream.tobytes() == b"".join(expected)
    offsets, counts = offsets_and_counts(symbols, lengths, chunk_size)
    np.testing.assert_array_equal(bitstream.unpack(stream, lengths, offsets, counts), symbols)


@pytest.mark.parametrize("chunk_size", [64, 4096, 65536])
def test_more_symbols_than_a_block(chunk_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitstream, "BLOCK", 65536)
    symbols = random_symbols(200_001, 256, 1.5, seed=5)
    lengths = lengths_of(symbols)
    stream = bitstream.pack(symbols, lengths, chunk_size)
    assert stream.size > bitstream.DECODE_BLOCK
    assert stream.tobytes() == b"".join(packed_as_text(symbols, lengths, chunk_size))
    decoded = bitstream.unpack(stream, lengths, *offsets_and_counts(symbols, lengths, chunk_size))
    np.testing.assert_array_equal(decoded, symbols)


def test_nothing_packed_is_nothing() -> None:
    empty = np.empty(0, dtype=np.uint8)
    assert bitstream.pack(empty, empty, 64).size == 0
    assert bitstream.chunk_bytes(empty, empty, 64).size == 0
    assert bitstream.unpack(empty, empty, np.zeros(2, np.int64), np.zeros(1, np.int64)).size == 0


def unpack_one_chunk(bits: str, lengths: list[int], count: int) -> list[int]:
    assert len(bits) % 8 == 0
    stream = np.frombuffer(int(bits, 2).to_bytes(len(bits) // 8, "big"), dtype=np.uint8)
    offsets, counts = np.array([0, stream.size]), np.array([count])
    return bitstream.unpack(stream, np.array(lengths, dtype=np.uint8), offsets, counts).tolist()


FOUR = [1, 2, 3, 3]  # 0, 10, 110, 111


def test_the_code_that_the_bad_streams_are_made_of() -> None:
    assert unpack_one_chunk("01011000", FOUR, 3) == [0, 1, 2]
    assert unpack_one_chunk("01011000", FOUR, 5) == [0, 1, 2, 0, 0]


@pytest.mark.parametrize(
    ("rule", "bits", "lengths", "count"),
    [
        ("truncated", "01011011", FOUR, 4),
        ("truncated", "01011010", FOUR, 5),  # the fifth symbol would start where the chunk ends
        ("truncated", "00000000", FOUR, 9),
        ("truncated", "00000000", FOUR, 10**9),  # refused before room for it is made
        ("trailing-bits", "01011001", FOUR, 3),
        ("trailing-bits", "0101100000000000", FOUR, 3),
        ("trailing-bits", "00000000" * 1000, FOUR, 3),
        ("trailing-bits", "00000000", FOUR, 0),
        ("bad-code", "00010000", [0, 1], 5),
        ("bad-code", "0000000010000000", [0, 1], 9),
    ],
)
def test_bad_streams_are_named(rule: str, bits: str, lengths: list[int], count: int) -> None:
    with pytest.raises(FormatError) as caught:
        unpack_one_chunk(bits, lengths, count)
    assert caught.value.rule == rule


def test_the_chunk_is_named() -> None:
    symbols = np.zeros(640, dtype=np.uint8)
    lengths = lengths_of(symbols)
    stream = bitstream.pack(symbols, lengths, 64)
    stream[8 * 7] = 1
    with pytest.raises(FormatError, match="bad-code: chunk 7 "):
        bitstream.unpack(stream, lengths, *offsets_and_counts(symbols, lengths, 64))

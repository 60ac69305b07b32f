"""Chunked bitstreams of canonical Huffman codes, most significant bit first (docs/format.md section 4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric.arrays import BLOCK
from onnxdc.numeric.huffman import MAX_LENGTH, codewords, decoding_table

DECODE_BLOCK = 1 << 16  # bytes of stream decoded at once: an int64 for each of their bits takes 4 MB, as caches hold


def chunk_bytes(symbols: np.ndarray, lengths: np.ndarray, chunk_size: int) -> np.ndarray:
    """Return the bytes that each chunk will take: int64 ``[ceil(symbols / chunk_size)]``."""
    sizes = [np.empty(0, np.int64)]
    for block in _chunk_blocks(symbols, chunk_size):
        bits = lengths[block]
        sizes.append((np.add.reduceat(bits, np.arange(0, block.size, chunk_size), dtype=np.int64) + 7) >> 3)
    return np.concatenate(sizes)


def pack(symbols: np.ndarray, lengths: np.ndarray, chunk_size: int) -> np.ndarray:
    """Write the bitstream of ``symbols``: uint8 ``[sum(chunk_bytes)]``.

    Args:
        symbols: The symbols to write, uint8 ``[n]``.
        lengths: The code lengths, uint8 ``[A]``; every symbol has one.
        chunk_size: The number of symbols in each chunk but the last, a multiple of 4.

    >>> [f"{byte:08b}" for byte in pack(np.array([1, 0, 2, 3], np.uint8), np.array([2, 1, 3, 3], np.uint8), 64)]
    ['01011011', '10000000']
    """
    words = codewords(lengths).astype(np.uint64)
    return np.concatenate(
        [np.empty(0, np.uint8)]
        + [_pack_block(block, lengths, words, chunk_size) for block in _chunk_blocks(symbols, chunk_size)]
    )


def _chunk_blocks(symbols: np.ndarray, chunk_size: int) -> Iterator[np.ndarray]:
    """Yield consecutive views of whole chunks. BLOCK is a multiple of every chunk size of the format."""
    return (symbols[start : start + BLOCK] for start in range(0, symbols.size, BLOCK))


def _pack_block(symbols: np.ndarray, lengths: np.ndarray, words: np.ndarray, chunk_size: int) -> np.ndarray:
    """Write the bitstream of one block of whole chunks.

    Four codewords are first joined into one *run* of at most 48 bits. Since that is less than 64, every 64-bit word of
    the output has a run that starts in it, so the runs of a word form one segment for `reduceat`, and only the last run
    of a word reaches into the next.
    """
    sizes = chunk_bytes(symbols, lengths, chunk_size)
    padded = -symbols.size % 4
    value = np.pad(words[symbols], (0, padded))
    length = np.pad(lengths[symbols].astype(np.uint64), (0, padded))
    for _ in range(2):
        value = value[0::2] << length[1::2] | value[1::2]
        length = length[0::2] + length[1::2]
    # Bit at which each run starts: the running sum, with every chunk moved to its byte.
    start = np.cumsum(length) - length
    runs_per_chunk = chunk_size // 4
    first = np.arange(0, start.size, runs_per_chunk)
    shift = (np.cumsum(sizes) - sizes).astype(np.uint64) * 8 - start[first]
    start += np.repeat(shift, runs_per_chunk)[: start.size]
    word, bit = start >> 6, start & 63
    segment = np.flatnonzero(np.diff(word, prepend=np.uint64(2**64 - 1)))
    left_aligned = value << (64 - length)
    total = int(sizes.sum())
    out = np.zeros((total + 7) // 8 + 1, dtype=np.uint64)
    out[: segment.size] = np.bitwise_or.reduceat(left_aligned >> bit, segment)
    last = np.append(segment[1:], start.size) - 1
    spilled = bit[last] + length[last] > 64
    out[1 : segment.size + 1][spilled] |= (left_aligned[last] << (64 - bit[last]))[spilled]
    return out.astype(">u8").view(np.uint8)[:total]


def unpack(stream: np.ndarray, lengths: np.ndarray, offsets: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Read the symbols of a bitstream: uint8 ``[sum(counts)]``.

    Args:
        stream: The bytes of the stream, uint8 ``[n]``, untrusted.
        lengths: The code lengths, uint8 ``[A]``, known to be complete, or to have one used symbol, or none.
        offsets: The byte at which each chunk starts, int64 ``[C+1]``, never decreasing, from 0 to ``n``.
        counts: The number of symbols of each chunk, int64 ``[C]``; untrusted.

    Raises:
        FormatError: The rule ``truncated``, ``bad-code`` or ``trailing-bits`` is broken. Nothing larger than the stream
            is allocated before it is known that ``counts`` can fit in it.
    """
    check_sizes(offsets, counts)
    symbols, window_lengths = decoding_table(lengths)
    out = np.empty(int(counts.sum()), dtype=np.uint8)
    chunk, done = 0, 0
    while chunk < counts.size:
        # As many whole chunks as DECODE_BLOCK bytes hold, but one at least.
        stop = max(chunk + 1, int(np.searchsorted(offsets, offsets[chunk] + DECODE_BLOCK, side="right")) - 1)
        block = stream[offsets[chunk] : offsets[stop]]
        decoded = _unpack_block(
            block, symbols, window_lengths, offsets[chunk : stop + 1] - offsets[chunk], counts[chunk:stop], chunk
        )
        out[done : done + decoded.size] = decoded
        chunk, done = stop, done + decoded.size
    return out


def check_sizes(offsets: np.ndarray, counts: np.ndarray) -> None:
    """Check that each chunk has room for its symbols, and no more than they can fill, whatever the codewords are.

    Args:
        offsets: The byte at which each chunk starts, int64 ``[C+1]``, never decreasing.
        counts: The number of symbols of each chunk, int64 ``[C]``; untrusted.

    Raises:
        FormatError: The rule ``truncated`` or ``trailing-bits`` is broken.
    """
    sizes = np.diff(offsets)
    _reject("truncated", counts > 8 * sizes, "needs more bits than it has")
    _reject("trailing-bits", 8 * sizes >= MAX_LENGTH * counts + 8, "has more bytes than its codewords can fill")


def _unpack_block(
    stream: np.ndarray,
    symbols: np.ndarray,
    window_lengths: np.ndarray,
    offsets: np.ndarray,
    counts: np.ndarray,
    first_chunk: int,
) -> np.ndarray:
    """Read the symbols of whole chunks, by pointer doubling.

    ``jump[p]`` starts as the bit after the codeword at bit ``p``, for every bit of the block, and is composed with
    itself in each round, so that it leaps over 1, 2, 4, ... codewords while the known starts of each chunk double.
    """
    windows = _windows(stream)
    # Windows without a codeword (bad-code) count as one bit, so that every symbol advances.
    step = np.maximum(window_lengths, 1)
    jump = np.minimum(np.arange(windows.size) + step[windows], windows.size - 1)
    starts = 8 * offsets[:-1, None]
    while starts.shape[1] < counts.max(initial=0):
        starts = np.concatenate([starts, jump.take(starts)], axis=1)
        jump = jump.take(jump)
    is_symbol = np.arange(starts.shape[1]) < counts[:, None]
    seen = windows[starts]
    no_codeword = (window_lengths[seen] == 0) & is_symbol
    _reject("bad-code", no_codeword.any(axis=1), "has bits that are no codeword", first_chunk)
    _reject_ends(stream, starts, step[seen], offsets, counts, first_chunk)
    decoded: np.ndarray = symbols[seen[is_symbol]]
    return decoded


def _windows(stream: np.ndarray) -> np.ndarray:
    """Return the next 12 bits at every bit of a stream and of one zero byte after it: uint16 ``[8 * (n + 1)]``."""
    padded = np.pad(stream, (0, 3)).astype(np.uint32)
    three_bytes = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]
    shifts = np.arange(24 - MAX_LENGTH, 24 - MAX_LENGTH - 8, -1, dtype=np.uint32)
    return (three_bytes[:, None] >> shifts & (1 << MAX_LENGTH) - 1).astype(np.uint16).reshape(-1)


def _reject_ends(
    stream: np.ndarray, starts: np.ndarray, steps: np.ndarray, offsets: np.ndarray, counts: np.ndarray, first_chunk: int
) -> None:
    """Raise FormatError unless each chunk's codewords end in its last byte and the rest of that byte is zero."""
    rows = np.flatnonzero(counts)
    last = counts[rows] - 1
    end = starts[rows, last] + steps[rows, last]
    limit = 8 * offsets[1:][rows]
    _reject("truncated", end > limit, "ends within a codeword", first_chunk)
    unused = limit - end
    _reject("trailing-bits", unused >= 8, "has bytes after its last codeword", first_chunk)
    fill = stream[offsets[1:][rows] - 1] & ((1 << unused) - 1)
    _reject("trailing-bits", fill != 0, "is filled up with bits that are not zero", first_chunk)


def _reject(rule: str, bad: np.ndarray, what: str, first_chunk: int = 0) -> None:
    """Raise a FormatError that names the first chunk for which ``bad`` holds, if there is one."""
    if bad.any():
        raise FormatError(rule, f"chunk {first_chunk + int(bad.argmax())} {what}")

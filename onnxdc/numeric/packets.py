"""Streams of Huffman codewords in packets of a fixed size (docs/format.md section 4)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric.arrays import BLOCK
from onnxdc.numeric.huffman import LOW_CODES, MAX_LENGTH, Code, read_table
from onnxdc.numeric.weight import PACKET_GRAIN, CompressedWeight

BYTES_AT_ONCE = 1 << 19  # of packets walked in step: their positions and symbols stay in a second-level cache


def pack(symbols: np.ndarray, code: Code, packet: int) -> np.ndarray:
    """Write the packets of ``symbols``, the last one as short as may be: uint8.

    Args:
        symbols: The symbols to write, uint8 ``[n]``; the code has a codeword for each.
        code: The Huffman code.
        packet: The bytes of a packet, a multiple of 8.

    >>> code = Code(np.array([1, 2, 3, 3], np.uint8), np.array([1, 0, 2, 3], np.uint8))
    >>> [f"{byte:08b}" for byte in pack(np.array([1, 0, 2, 3], np.uint8), code, 8)[:3]]
    ['01011011', '11111111', '11111111']
    """
    words, lengths = code.by_symbol()
    words = words.astype(np.uint64)
    written, start, unused = [np.empty(0, np.uint8)], 0, 0
    while start < symbols.size:
        block = symbols[start : start + BLOCK]
        ends = np.cumsum(lengths[block], dtype=np.int32)
        firsts = _first_symbols(ends, 8 * packet)
        if start + block.size < symbols.size:  # the last packet may go on in the next block
            firsts, block, ends = firsts[:-1], block[: firsts[-1]], ends[: firsts[-1]]
        written.append(_write(words[block], lengths[block], ends, firsts, packet))
        start += block.size
        in_last = int(ends[-1]) - (int(ends[firsts[-1] - 1]) if firsts[-1] else 0)
        unused = packet - _whole_grains(in_last)
    stream = np.concatenate(written)
    return stream[: stream.size - unused]


def _whole_grains(bits: float) -> int:
    """Return the bytes that a last packet of so many bits takes."""
    return PACKET_GRAIN * math.ceil(bits / (8 * PACKET_GRAIN))


def _first_symbols(ends: np.ndarray, room: int) -> np.ndarray:
    """Return the first symbol of each packet: int64 ``[packets]``.

    This is a loop over packets, not over symbols: where a packet ends says only where the next one begins.

    Args:
        ends: The bits up to the end of each symbol if nothing filled the packets, int32 ``[n]``; ``n`` is not 0.
        room: The bits of a packet.
    """
    bits = ends.data  # its elements are read faster, as Python integers, than those of an array
    firsts, first, written = [], 0, 0
    while first < len(bits):
        firsts.append(first)
        written = bits[first - 1] if first else 0
        first = bisect_right(bits, written + room, first + room // MAX_LENGTH, min(len(bits), first + room))
    return np.array(firsts)


def _write(words: np.ndarray, lengths: np.ndarray, ends: np.ndarray, firsts: np.ndarray, packet: int) -> np.ndarray:
    """Write whole packets: uint8 ``[packets * packet]``.

    What fills a packet is written with its last codeword, so that the bits run on from packet to packet. Then four
    codewords are joined into one *run*. A packet has five codewords at least, unless it is the last, so a run holds one
    fill at most and is no longer than 48 + 11 bits. Since that is less than 64, every 64-bit word of the output, up to
    the fill of the last packet, has a run that starts in it. So the runs of a word form one segment for `reduceat`, and
    only the last run of a word reaches into the next.
    """
    last = firsts[1:] - 1
    fill = (8 * packet - np.diff(ends[last], prepend=np.int32(0))).astype(np.uint64)
    value, length = words, lengths.astype(np.uint64)
    value[last] = (value[last] + np.uint64(1) << fill) - np.uint64(1)
    length[last] += fill
    value, length = (np.pad(part, (0, -part.size % 4)) for part in (value, length))
    for _ in range(2):
        value = value[0::2] << length[1::2] | value[1::2]
        length = length[0::2] + length[1::2]
    start = np.cumsum(length) - length
    word, bit = start >> 6, start & 63
    segment = np.flatnonzero(np.diff(word, prepend=np.uint64(2**64 - 1)))
    left_aligned = value << (64 - length)
    out = np.zeros(firsts.size * packet // 8 + 1, dtype=np.uint64)
    out[: segment.size] = np.bitwise_or.reduceat(left_aligned >> bit, segment)
    end_of_segment = np.append(segment[1:], start.size) - 1
    spills = end_of_segment[bit[end_of_segment] + length[end_of_segment] > 64]
    out[word[spills].astype(np.int64) + 1] |= left_aligned[spills] << (64 - bit[spills])
    stream = out[:-1].astype(">u8").view(np.uint8)
    _fill(stream, int(start[-1] + length[-1]))
    return stream


def _fill(stream: np.ndarray, bits: int) -> None:
    """Set all bits of a stream after the first ``bits`` of them."""
    used = -(-bits // 8)
    stream[used:] = 255
    if bits % 8:
        stream[used - 1] |= 255 >> bits % 8


def expected_bytes(counts: np.ndarray, code: Code, packet: int) -> int:
    """Return about how many bytes the packets of symbols take that occur so often: exact if one packet holds them.

    A packet ends inside a codeword; a long one is met more often, as it takes up more room. So what is left of a packet
    is, on average, half of one bit less than the mean over all bits of the length of their codewords.

    Args:
        counts: How often each symbol occurs, int ``[256]``.
        code: A code with a codeword for each of them.
        packet: The bytes of a packet.
    """
    length = code.by_symbol()[1][: counts.size].astype(np.int64)
    bits = int(counts @ length)
    if bits <= 8 * packet:
        return _whole_grains(bits)
    left = float(counts @ (length * (length - 1))) / (2 * bits)
    return _whole_grains(bits * 8 * packet / (8 * packet - left))


def unpack(stream: np.ndarray, code: Code, packet: int, entries: int) -> np.ndarray:
    """Read the symbols of a stream: uint8 ``[entries]``.

    Args:
        stream: The packets, uint8 ``[n]``, untrusted; the last one may be shorter.
        code: The Huffman code, which is complete.
        packet: The bytes of a packet.
        entries: The number of symbols that are not fill symbols; untrusted.

    Raises:
        FormatError: The rule ``truncated`` or ``packet-fill`` is broken. Nothing larger than 8 times the stream is
            allocated.
    """
    check_room(stream, entries)
    out, done = np.empty(entries, np.uint8), 0
    symbols, lengths = code.by_window()
    blocks = list(_blocks(stream, packet))
    for number, block in enumerate(blocks):
        is_end = number == len(blocks) - 1
        walk = _walk(block, lengths, -stream.size % packet if is_end else 0)
        found = walk.counts.cumsum()
        last = int(np.searchsorted(found, entries - done))  # the packet that holds the last codeword
        if is_end and last == found.size:
            raise FormatError("truncated", f"the packets hold {done + int(found[-1])} codewords of {entries}")
        _check_fill(walk, last)
        if last < found.size:
            _require_fill(is_end and last == found.size - 1, "a packet follows the one with the last codeword")
            in_last = walk.windows[: entries - done - int(found[last] - walk.counts[last]), last]
            _check_end(block[last], lengths[in_last])
        windows = walk.windows.T[np.arange(len(walk.windows)) < walk.counts[:, None]][: entries - done]
        out[done : done + windows.size] = symbols[windows]
        done += windows.size
    return out


def check_room(stream: np.ndarray, entries: int) -> None:
    """Check that a stream has a bit for each entry.

    Raises:
        FormatError: The rule ``truncated`` is broken.
    """
    if entries > 8 * stream.size:
        raise FormatError("truncated", f"{stream.size} bytes cannot hold {entries} codewords")


def code_symbols(weight: CompressedWeight) -> np.ndarray:
    """Return what is read of the code of each entry of a weight, without low bits: uint8 ``[entries]``.

    Raises:
        FormatError: The rule ``truncated`` or ``packet-fill`` is broken.
    """
    if not weight.code_table.size:  # a plain stream, or an empty one
        return weight.codes
    return unpack(weight.codes, code_of(weight), weight.packet, weight.entries)


def gap_symbols(weight: CompressedWeight) -> np.ndarray:
    """Return the gap of each entry, uint8 ``[entries]``; none in the dense form.

    Raises:
        FormatError: The rule ``truncated`` or ``packet-fill`` is broken.
    """
    if not weight.gap_table.size:
        return weight.gaps
    return unpack(weight.gaps, read_table(weight.gap_table), weight.packet, weight.entries)


def symbol_counts(weight: CompressedWeight) -> tuple[int, int]:
    """Return how many symbols the codes and the gaps of a sound weight have, fill symbols included."""
    return (
        _symbol_count(weight.codes, code_of(weight), weight.packet) if weight.code_table.size else weight.codes.size,
        _symbol_count(weight.gaps, read_table(weight.gap_table), weight.packet)
        if weight.gap_table.size
        else weight.gaps.size,
    )


def _symbol_count(stream: np.ndarray, code: Code, packet: int) -> int:
    _, lengths = code.by_window()
    return sum(int(_walk(block, lengths).counts.sum()) for block in _blocks(stream, packet))


def code_of(weight: CompressedWeight) -> Code:
    """Return the Huffman code of the codes of a weight that has some."""
    return read_table(weight.code_table, LOW_CODES if weight.low_bits.size else 1)


@dataclass(frozen=True)
class _Walk:
    """What a walk over packets met.

    Attributes:
        windows: The 12 bits from the start of each codeword on, uint16 ``[steps, packets]``.
        counts: How many codewords of each packet are whole, int64 ``[packets]``; windows after that mean nothing.
        rest: The 12 bits after the last of them, uint16 ``[packets]``.
        left: How many bits of those belong to the packet, int32 ``[packets]``.
    """

    windows: np.ndarray
    counts: np.ndarray
    rest: np.ndarray
    left: np.ndarray


def _blocks(stream: np.ndarray, packet: int) -> Iterator[np.ndarray]:
    """Yield consecutive packets of a stream, ``[packets, packet]``, the last one filled up with ones."""
    size = packet * max(1, BYTES_AT_ONCE // packet)
    for start in range(0, stream.size, size):
        block = stream[start : start + size]
        missing = -block.size % packet
        yield (np.pad(block, (0, missing), constant_values=255) if missing else block).reshape(-1, packet)


def _walk(block: np.ndarray, lengths: np.ndarray, missing: int = 0) -> _Walk:
    """Go from codeword to codeword in all packets of a block in step.

    Args:
        block: The packets, uint8 ``[packets, packet]``.
        lengths: The length of the codeword that each 12 bits start with, uint8 ``[4096]``.
        missing: The bytes by which the last packet is shorter: ones, which no codeword is read from.
    """
    data = np.pad(block.reshape(-1), (0, 3)).astype(np.int32)
    three_bytes = data[:-2] << 16 | data[1:-1] << 8 | data[2:]
    room = 8 * block.shape[1]
    at = np.arange(0, room * len(block), room, dtype=np.int32)
    end = at + np.int32(room)
    end[-1] -= np.int32(8 * missing)
    counts = np.zeros(len(block), np.int64)
    windows: list[np.ndarray] = []
    while True:
        window = three_bytes[at >> 3] >> (24 - MAX_LENGTH) - (at & 7) & (1 << MAX_LENGTH) - 1
        after = at + lengths[window]
        is_whole = after <= end
        if not is_whole.any():
            return _Walk(np.array(windows, np.uint16).reshape(-1, len(block)), counts, window, end - at)
        windows.append(window.astype(np.uint16))
        counts += is_whole
        at = np.where(is_whole, after, at)


def _check_fill(walk: _Walk, last: int) -> None:
    """Check that what is left of each packet up to number ``last`` is all ones."""
    rest = walk.rest[: last + 1] >> MAX_LENGTH - walk.left[: last + 1]
    _require_fill(bool((rest + 1 == 1 << walk.left[: last + 1]).all()), "a packet is filled up with a zero")


def _check_end(packet: np.ndarray, lengths: np.ndarray) -> None:
    """Check that the bits of a packet after codewords of these lengths are all ones."""
    fill = np.unpackbits(packet)[lengths.sum(dtype=int) :]
    _require_fill(bool(fill.all()), "the last packet is filled up with a zero")


def _require_fill(condition: bool, detail: str) -> None:
    if not condition:
        raise FormatError("packet-fill", detail)

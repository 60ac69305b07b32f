"""A slow, plain encoder written from docs/format.md, section by section: what the fast one is held against.

It works on Python integers and on strings of the characters 0 and 1, one step of the format at a time, and keeps what
it found in a `Draft`, so that a test vector can be spoiled there before `seal` turns it into a weight group.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections import Counter
from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

from onnxdc.numeric.weight import CompressedWeight

MAX_LENGTH = 12
CODEBOOK_TYPES = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]


@dataclass
class Draft:
    """A weight group before its bits are packed.

    `code_bits` and `gap_bits` hold one string of 0s and 1s for each chunk; `rows` one (entry, position) pair for each
    chunk and a last one for the end. Empty `gap_lengths` mean a weight without gaps.
    """

    codebook: np.ndarray
    code_lengths: list[int]
    gap_lengths: list[int]
    code_bits: list[str]
    gap_bits: list[str]
    rows: list[tuple[int, int]]
    shape: tuple[int, ...]
    dtype: np.dtype
    index_bits: int
    chunk_size: int
    group_axis: int


def encode(array: np.ndarray, **choices: object) -> CompressedWeight:
    """The weight group of `array`; see `draft` for the choices that an encoder has."""
    return seal(draft(array, **choices))  # type: ignore[arg-type]


def draft(
    array: np.ndarray,
    *,
    index_bits: int = 8,
    chunk_size: int = 4096,
    group_axis: int = 0,
    groups: int = 1,
    gaps: bool = True,
    codebook: np.ndarray | None = None,
    code_lengths: list[int] | None = None,
    gap_lengths: list[int] | None = None,
) -> Draft:
    """Follow sections 2 to 4 of the format.

    Args:
        array: the weight, of one of the four types.
        index_bits, chunk_size, group_axis: the attributes of the format.
        groups: number of codebooks along `group_axis`.
        gaps: False stores every position as an entry.
        codebook: ``[groups, K]``, made from the distinct values when None.
        code_lengths, gap_lengths: the Huffman codes, made from the counts when None.
    """
    if codebook is None:
        codebook = make_codebook(array, groups, group_axis)
    entries = list_entries(array, codebook, index_bits, group_axis, gaps)
    code_lengths = code_lengths or huffman_lengths([code for _, code, _ in entries], codebook.shape[1])
    gap_lengths = gap_lengths or huffman_lengths([gap for gap, _, _ in entries]) if gaps else []
    code_words, gap_words = codewords(code_lengths), codewords(gap_lengths)

    code_bits, gap_bits, rows = [], [], []
    for start in range(0, max(1, len(entries)), chunk_size):
        chunk = entries[start : start + chunk_size]
        code_bits.append("".join(code_words[code] for _, code, _ in chunk))
        gap_bits.append("".join(gap_words[gap] for gap, _, _ in chunk) if gaps else "")
        rows.append((start, position_after(entries[:start])))
    rows.append((len(entries), position_after(entries)))
    return Draft(
        codebook, code_lengths, gap_lengths, code_bits, gap_bits, rows,
        array.shape, array.dtype, index_bits, chunk_size, group_axis,
    )  # fmt: skip


# Section 2: the codebook, its type and its groups.


def make_codebook(array: np.ndarray, groups: int, group_axis: int) -> np.ndarray:
    """``[groups, K]``: +0.0 and then the other values of each group in order of their bytes; short rows end in +0.0."""
    values: list[set[bytes]] = [set() for _ in range(groups)]
    for position, value in enumerate(array.reshape(-1)):
        if not is_zero(value):
            values[group_of(position, array.shape, groups, group_axis)].add(value.tobytes())
    width = 1 + max(len(group) for group in values)
    wide = np.zeros((groups, width), array.dtype)
    for row, group in zip(wide, values, strict=True):
        for code, raw in enumerate(sorted(group), start=1):
            row[code] = np.frombuffer(raw, array.dtype)[0]
    return narrowest(wide)


def narrowest(codebook: np.ndarray) -> np.ndarray:
    """The codebook in the smallest type that holds all its values exactly."""
    if codebook.dtype.itemsize == 2 or np.isnan(codebook).any():
        return codebook
    for dtype in CODEBOOK_TYPES:
        with np.errstate(over="ignore"):
            narrow = codebook.astype(dtype)
        if narrow.astype(codebook.dtype).tobytes() == codebook.tobytes():
            return narrow
    raise AssertionError("the codebook's own type holds its values")


def is_zero(value: np.generic) -> bool:
    """True for the bit pattern of +0.0 only."""
    return not any(value.tobytes())


def group_of(position: int, shape: tuple[int, ...], groups: int, group_axis: int) -> int:
    """The codebook row that the element at `position` uses."""
    if groups == 1:
        return 0
    index = position // math.prod(shape[group_axis + 1 :]) % shape[group_axis]
    return index * groups // shape[group_axis]


# Section 3: entries as (gap, code, position).


def list_entries(
    array: np.ndarray, codebook: np.ndarray, index_bits: int, group_axis: int, gaps: bool
) -> list[tuple[int, int, int]]:
    """Every entry in order, fillers included."""
    reach = 2**index_bits
    row_of = [{value.tobytes(): code for code, value in reversed(list(enumerate(row)))} for row in
              codebook.astype(array.dtype)]  # fmt: skip
    entries = []
    previous = -1
    for position, value in enumerate(array.reshape(-1)):
        if gaps and is_zero(value):
            continue
        while position - previous > reach:
            previous += reach
            entries.append((reach - 1, 0, previous))
        code = row_of[group_of(position, array.shape, len(codebook), group_axis)][value.tobytes()]
        entries.append((position - previous - 1, code, position))
        previous = position
    return entries


def position_after(entries: list[tuple[int, int, int]]) -> int:
    """1 + the position of the last of the entries; 0 if there is none."""
    return entries[-1][2] + 1 if entries else 0


# Section 4: canonical Huffman codes and bitstreams.


def huffman_lengths(symbols: list[int], alphabet: int = 0) -> list[int]:
    """Code lengths for an alphabet of at least `alphabet` symbols. Counts are halved until no length exceeds 12."""
    counts = Counter(symbols)
    lengths = [0] * max(alphabet, max(counts, default=-1) + 1)
    if len(counts) == 1:
        lengths[symbols[0]] = 1
        return lengths
    while counts:
        heap = [(count, [symbol]) for symbol, count in counts.items()]
        heapq.heapify(heap)
        lengths = [0] * len(lengths)
        while len(heap) > 1:
            (count_a, a), (count_b, b) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in a + b:
                lengths[symbol] += 1
            heapq.heappush(heap, (count_a + count_b, a + b))
        if max(lengths) <= MAX_LENGTH:
            break
        counts = Counter({symbol: (count + 1) // 2 for symbol, count in counts.items()})
    return lengths


def codewords(lengths: list[int]) -> dict[int, str]:
    """The canonical codeword of each used symbol, as a string of 0s and 1s."""
    words: dict[int, str] = {}
    word, previous_length = -1, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        word = (word + 1) << (length - previous_length) if words else 0
        previous_length = length
        words[symbol] = format(word, f"0{length}b")
    return words


def pack_bits(bits: str) -> bytes:
    """Bits from the most significant bit of each byte on; zeros fill the last byte."""
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))


def pack_lengths(lengths: list[int]) -> bytes:
    """Two lengths a byte, the even symbol in the low nibble."""
    padded = lengths + [0] * (len(lengths) % 2)
    return bytes(padded[i] | padded[i + 1] << 4 for i in range(0, len(padded), 2))


def seal(parts: Draft) -> CompressedWeight:
    """Pack the bits, lay out the chunk table and add the checksum."""
    codes, gaps, chunks = b"", b"", []
    for (entry, position), code_bits, gap_bits in zip(parts.rows, parts.code_bits, parts.gap_bits, strict=False):
        chunks.append((entry, len(codes), len(gaps), position))
        codes += pack_bits(code_bits)
        gaps += pack_bits(gap_bits)
    chunks.append((parts.rows[-1][0], len(codes), len(gaps), parts.rows[-1][1]))
    return with_checksum(
        CompressedWeight(
            codebook=parts.codebook,
            code_lengths=np.frombuffer(pack_lengths(parts.code_lengths), np.uint8),
            codes=np.frombuffer(codes, np.uint8),
            gap_lengths=np.frombuffer(pack_lengths(parts.gap_lengths), np.uint8),
            gaps=np.frombuffer(gaps, np.uint8),
            chunks=np.array(chunks, np.int32),
            shape=np.array(parts.shape, np.int64),
            dtype=parts.dtype,
            index_bits=parts.index_bits,
            chunk_size=parts.chunk_size,
            group_axis=parts.group_axis,
        )
    )


def with_checksum(weight: CompressedWeight, **changes: object) -> CompressedWeight:
    """The weight with some tensors or attributes changed and the checksum of what it then holds."""
    weight = replace(weight, **changes)  # type: ignore[arg-type]
    return replace(weight, checksum=zlib.crc32(b"".join(tensor.tobytes() for tensor in weight.tensors)))

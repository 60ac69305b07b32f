"""A slow, plain encoder written from docs/format.md, section by section: what the fast one is held against.

It works on Python integers and on strings of the characters 0 and 1, one step of the format at a time, and keeps what
it found in a `Draft`, so that a test vector can be spoiled there before `seal` turns it into a weight group.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import ml_dtypes
import numpy as np

from onnxdc.numeric.weight import DEFAULT_PACKET, CompressedWeight

MAX_LENGTH = 12
FLOATS = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
INTEGERS = {
    np.dtype(ml_dtypes.int4): np.dtype(np.int8),
    np.dtype(ml_dtypes.uint4): np.dtype(np.uint8),
    np.dtype(np.int8): np.dtype(np.int8),
    np.dtype(np.uint8): np.dtype(np.uint8),
}
Lengths = dict[int, int]  # the length of the codeword of each symbol that has one
BYTES = {symbol: format(symbol, "08b") for symbol in range(256)}  # what is written for each symbol of a plain stream


@dataclass
class Draft:
    """A weight group before its bits are packed.

    `code_words` and `gap_words` hold the codeword of each entry as a string of 0s and 1s, its byte if the stream is
    plain; `fours` the lower bits of each code if they are apart. The lengths say what the tables say, nothing for a
    plain stream. Without `gap_words` the form is dense.
    """

    codebook: np.ndarray
    step: np.ndarray
    code_lengths: Lengths
    gap_lengths: Lengths
    code_words: list[str]
    gap_words: list[str]
    fours: list[int]
    entries: int
    zero: int
    shape: tuple[int, ...]
    dtype: np.dtype
    packet: int = DEFAULT_PACKET
    group_axis: int = 0
    is_cut: bool = False
    explicit: set[str] = field(
        default_factory=set
    )  # "code", "gap": tables that list their symbols though they need not
    plain: set[str] = field(default_factory=set)  # "code", "gap": streams of a byte an entry


def encode(array: np.ndarray, **choices: object) -> CompressedWeight:
    """The weight group of `array`; see `draft` for the choices that an encoder has."""
    return seal(draft(array, **choices))  # type: ignore[arg-type]


def draft(
    array: np.ndarray,
    *,
    index_bits: int = 8,
    group_axis: int = 0,
    groups: int = 1,
    gaps: bool = True,
    low_bits: bool = False,
    plain: Collection[str] = (),
    packet: int = DEFAULT_PACKET,
    is_cut: bool = False,
    codebook: np.ndarray | None = None,
    step: np.ndarray | None = None,
    zero: int = 0,
    code_lengths: Lengths | None = None,
    gap_lengths: Lengths | None = None,
) -> Draft:
    """Follow sections 2 to 4 of the format.

    Args:
        array: the weight, of one of the eight types.
        index_bits: the largest gap is 2^index_bits, or 255.
        group_axis, packet: the attributes of the format.
        is_cut: True for last packets that are as short as may be.
        groups: number of groups along `group_axis`.
        gaps: False for the dense form.
        low_bits: True to keep the four lower bits of each code apart.
        plain: "code", "gap": the streams of a byte an entry.
        codebook: ``[groups, K]``, or ``[1, K]`` with a step; made from the distinct values when None.
        step: ``[groups, 1]``: the codebook holds the integers of a grid.
        zero: the code of zero, in the gap form.
        code_lengths, gap_lengths: the Huffman codes, made from the counts when None.
    """
    if codebook is None:
        codebook = make_codebook(array, groups, group_axis, gaps)
    entries = list_entries(array, codebook, step, index_bits, groups, group_axis, gaps, zero)
    codes, distances = [code for code, _ in entries], [gap for _, gap in entries]
    symbols = [code // 16 * 16 for code in codes] if low_bits else codes
    code_lengths = {} if "code" in plain else code_lengths or huffman_lengths(symbols, 16 if low_bits else 1)
    gap_lengths = {} if "gap" in plain or not gaps else gap_lengths or huffman_lengths(distances)
    code_words, gap_words = (codewords(lengths) if lengths else BYTES for lengths in (code_lengths, gap_lengths))
    return Draft(
        codebook=codebook,
        step=np.zeros(0, np.uint8) if step is None else step,
        code_lengths=code_lengths,
        gap_lengths=gap_lengths,
        code_words=[code_words[symbol] for symbol in symbols],
        gap_words=[gap_words[gap] for gap in distances] if gaps else [],
        fours=[code % 16 for code in codes] if low_bits else [],
        entries=len(entries),
        zero=zero if gaps else 0,
        shape=array.shape,
        dtype=array.dtype,
        packet=packet,
        is_cut=is_cut,
        group_axis=group_axis,
        plain=set(plain),
    )


# Section 2: the codebook, its type and its groups.


def make_codebook(array: np.ndarray, groups: int, group_axis: int, gaps: bool) -> np.ndarray:
    """``[groups, K]``: the values of each group by falling frequency; short rows end in zeros.

    In the gap form a zero comes before them. The dense form may have no code for zero.
    """
    values: list[Counter[bytes]] = [Counter() for _ in range(groups)]
    for position, value in enumerate(array.reshape(-1)):
        if not (gaps and is_zero(value)):
            values[group_of(position, array.shape, groups, group_axis)][value.tobytes()] += 1
    width = max(len(group) for group in values) + gaps
    wide = np.zeros((groups, max(width, 1)), array.dtype)
    for row, group in zip(wide, values, strict=True):
        for code, raw in enumerate(sorted(group, key=lambda raw: (-group[raw], raw)), start=int(gaps)):
            row[code] = np.frombuffer(raw, array.dtype)[0]
    return narrowest(wide)


def narrowest(codebook: np.ndarray) -> np.ndarray:
    """The codebook in the smallest type that holds all its values exactly."""
    if codebook.dtype in INTEGERS:
        return codebook.astype(INTEGERS[codebook.dtype])
    if codebook.dtype.itemsize == 2 or np.isnan(codebook).any():
        return codebook
    for dtype in FLOATS:
        with np.errstate(over="ignore"):
            narrow = codebook.astype(dtype)
        if narrow.astype(codebook.dtype).tobytes() == codebook.tobytes():
            return narrow
    raise AssertionError("the codebook's own type holds its values")


def is_zero(value: np.generic) -> bool:
    """True for the bit pattern of +0.0 only, and for the integer 0."""
    return not any(value.tobytes())


def group_of(position: int, shape: tuple[int, ...], groups: int, group_axis: int) -> int:
    """The group of the element at `position`."""
    if groups == 1:
        return 0
    index = position // math.prod(shape[group_axis + 1 :]) % shape[group_axis]
    return index * groups // shape[group_axis]


def rows_of_values(codebook: np.ndarray, step: np.ndarray | None, dtype: np.dtype) -> list[dict[bytes, int]]:
    """For each group the lowest code of each value."""
    rows = codebook if step is None else [codebook[0] * np.float64(each) for each in step[:, 0]]
    return [
        {value.tobytes(): code for code, value in reversed(list(enumerate(np.asarray(row).astype(dtype))))}
        for row in rows
    ]


# Section 3: entries as (code, gap).


def list_entries(
    array: np.ndarray,
    codebook: np.ndarray,
    step: np.ndarray | None,
    index_bits: int,
    groups: int,
    group_axis: int,
    gaps: bool,
    zero: int,
) -> list[tuple[int, int]]:
    """Every entry in order, fillers included."""
    reach = min(2**index_bits, 255)
    rows = rows_of_values(codebook, step, array.dtype)
    entries = []
    previous = 0
    for position, value in enumerate(array.reshape(-1)):
        if gaps and is_zero(value):
            continue
        while position - previous > reach:
            previous += reach
            entries.append((zero, reach))
        code = rows[group_of(position, array.shape, groups, group_axis)][value.tobytes()]
        entries.append((code, position - previous))
        previous = position
    return entries


# Section 4: Huffman codes and packets.


def huffman_lengths(symbols: list[int], scale: int = 1) -> Lengths:
    """The code of some symbols, two at least. Counts are halved until no length exceeds 12."""
    counts = Counter(symbols)
    if len(counts) == 1:
        return {symbols[0]: 1, (0 if symbols[0] else scale): 1}
    lengths: Lengths = {}
    while counts:
        heap = [(count, [symbol]) for symbol, count in sorted(counts.items(), reverse=True)]
        heapq.heapify(heap)
        lengths = dict.fromkeys(counts, 0)
        while len(heap) > 1:
            (count_a, a), (count_b, b) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in a + b:
                lengths[symbol] += 1
            heapq.heappush(heap, (count_a + count_b, a + b))
        if max(lengths.values()) <= MAX_LENGTH:
            break
        counts = Counter({symbol: (count + 1) // 2 for symbol, count in counts.items()})
    return lengths


def listed(lengths: Lengths) -> list[int]:
    """The symbols in the order of a table: by rising length, and of one length by rising symbol."""
    return sorted(lengths, key=lambda symbol: (lengths[symbol], symbol))


def codewords(lengths: Lengths) -> dict[int, str]:
    """The codeword of each symbol, as a string of 0s and 1s."""
    words: dict[int, str] = {}
    word, previous_length = -1, 0
    for symbol in listed(lengths):
        word = (word + 1) << (lengths[symbol] - previous_length) if words else 0
        previous_length = lengths[symbol]
        words[symbol] = format(word, f"0{previous_length}b")
    return words


def make_table(lengths: Lengths, scale: int = 1, explicit: bool = False) -> bytes:
    """How many codewords there are of each length, then what they stand for, unless that is 0, scale, 2 * scale, ..."""
    if not lengths:
        return b""
    counts = [list(lengths.values()).count(length) for length in range(1, MAX_LENGTH + 1)]
    symbols = listed(lengths)
    in_order = symbols == [scale * i for i in range(len(symbols))]
    return bytes(counts) + (b"" if in_order and not explicit else bytes(symbols))


def cut_packets(words: list[str], packet: int, is_cut: bool) -> list[str]:
    """The bits of each packet: as many codewords as it has room for, then ones; of the last one only what it takes."""
    packets: list[str] = []
    bits = ""
    for word in words:
        if len(bits) + len(word) > 8 * packet:
            packets.append(bits)
            bits = ""
        bits += word
    last = bits.ljust(-(-len(bits) // 64) * 64 if is_cut else 8 * packet, "1")
    return [*(full.ljust(8 * packet, "1") for full in packets), *([last] if bits else [])]


def make_stream(words: list[str], parts: Draft, plain: bool) -> np.ndarray:
    """The bytes of a stream: those of its packets, or the words themselves."""
    return to_bytes("".join(words if plain else cut_packets(words, parts.packet, parts.is_cut)))


def to_bytes(bits: str) -> np.ndarray:
    """Bits from the most significant bit of each byte on."""
    return np.frombuffer(bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)), np.uint8)


def pack_low_bits(fours: list[int]) -> np.ndarray:
    """The first half in the lower nibbles, the others in the upper ones."""
    half = -(-len(fours) // 2)
    upper = [*fours[half:], 0][:half]
    return np.array([a | b << 4 for a, b in zip(fours[:half], upper, strict=True)], np.uint8)


def seal(parts: Draft) -> CompressedWeight:
    """Write the tables, pack the bits and add the checksum."""
    scale = 16 if parts.fours else 1
    tables = {
        "code_table": make_table(parts.code_lengths, scale, "code" in parts.explicit),
        "gap_table": make_table(parts.gap_lengths, 1, "gap" in parts.explicit),
    }
    return with_checksum(
        CompressedWeight(
            codebook=parts.codebook,
            step=parts.step,
            codes=make_stream(parts.code_words, parts, "code" in parts.plain),
            low_bits=pack_low_bits(parts.fours),
            gaps=make_stream(parts.gap_words, parts, "gap" in parts.plain),
            extent=np.array([parts.entries, parts.zero, *parts.shape], np.int64),
            dtype=parts.dtype,
            packet=parts.packet,
            group_axis=parts.group_axis,
            **{name: np.frombuffer(table, np.uint8) for name, table in tables.items()},
        )
    )


def with_checksum(weight: CompressedWeight, **changes: object) -> CompressedWeight:
    """The weight with some tensors or attributes changed and the checksum of what it then holds."""
    weight = replace(weight, **changes)  # type: ignore[arg-type]
    return replace(weight, checksum=zlib.crc32(b"".join(tensor.tobytes() for tensor in weight.tensors)))

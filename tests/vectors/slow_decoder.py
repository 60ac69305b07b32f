"""A slow, plain decoder in the order of docs/format.md: its checks are the table of section 7, row by row.

It works on Python integers and strings of the characters 0 and 1. Meant for tensors of a few thousand elements.
"""

from __future__ import annotations

import math
import zlib

import ml_dtypes
import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric.weight import CompressedWeight

FLOATS = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
INTEGERS = {  # the type of a weight: that of its codebook
    np.dtype(ml_dtypes.int4): np.dtype(np.int8),
    np.dtype(ml_dtypes.uint4): np.dtype(np.uint8),
    np.dtype(np.int8): np.dtype(np.int8),
    np.dtype(np.uint8): np.dtype(np.uint8),
}
BYTES = ("code_table", "codes", "low_bits", "gap_table", "gaps")  # the tensors of bytes


def expect(condition: bool, rule: str, detail: str = "") -> None:
    """Reject the weight under the rule's name unless the condition holds."""
    if not condition:
        raise FormatError(rule, detail)


def decode(weight: CompressedWeight) -> np.ndarray:
    """The dense weight.

    Raises:
        FormatError: the weight breaks a rule of section 7.
    """
    check_codebook(weight)
    check_step(weight)
    check_types(weight)
    check_extent(weight)
    check_form(weight)
    check_tables(weight)
    expect(zlib.crc32(b"".join(tensor.tobytes() for tensor in weight.tensors)) == weight.checksum, "checksum")
    codes = read_stream(weight.codes, weight.code_table, weight, 16 if weight.low_bits.size else 1)
    if weight.low_bits.size:
        codes = [code + four for code, four in zip(codes, low_bits(weight), strict=True)]
    expect(all(code < weight.codebook.shape[1] for code in codes), "code")
    entries = len(codes)
    gaps = (
        read_stream(weight.gaps, weight.gap_table, weight, 1) if weight.gaps.size else ([0] + [1] * entries)[:entries]
    )
    return place(weight, codes, gaps)


# Section 2: the weight group.


def has_step(weight: CompressedWeight) -> bool:
    """False for an empty step, of any type."""
    return weight.step.shape != (0,)


def check_codebook(weight: CompressedWeight) -> None:
    """Rules codebook-type and codebook-shape."""
    codebook = weight.codebook
    expect(weight.dtype in FLOATS or weight.dtype in INTEGERS, "codebook-type")
    if weight.dtype in INTEGERS:
        expect(codebook.dtype == INTEGERS[weight.dtype], "codebook-type")
    elif has_step(weight):
        expect(codebook.dtype in (np.int8, np.int16), "codebook-type")
    else:
        expect(codebook.dtype in FLOATS, "codebook-type")
        expect(codebook.dtype == weight.dtype or codebook.dtype.itemsize < weight.dtype.itemsize, "codebook-type")
    expect(codebook.ndim == 2 and codebook.shape[0] > 0 and 1 <= codebook.shape[1] <= 256, "codebook-shape")
    expect(codebook.size < 2**31, "codebook-shape")
    if has_step(weight):
        expect(codebook.shape[0] == 1, "codebook-shape")
        expect(weight.step.ndim == 0 or weight.step.shape[0] * codebook.shape[1] < 2**31, "codebook-shape")
    if weight.dtype.name in ("int4", "uint4"):
        lowest, highest = (-8, 7) if weight.dtype.name == "int4" else (0, 15)
        for value in codebook.flat:
            expect(lowest <= int(value) <= highest, "codebook-type")


def check_step(weight: CompressedWeight) -> None:
    """Rule step."""
    if not has_step(weight):
        return
    step = weight.step
    expect(step.dtype == np.float32 and step.ndim == 2 and step.shape[0] > 0 and step.shape[1] == 1, "step")
    expect(weight.dtype in FLOATS, "step", "integers")
    for value in step.reshape(-1).tolist():
        expect(2.0**-100 <= value <= 2.0**100, "step", str(value))
        significand, _ = math.frexp(value)
        expect(weight.dtype == np.float32 or significand * 16 == int(significand * 16), "step", "bits")


def check_types(weight: CompressedWeight) -> None:
    """Rule tensor-type."""
    for name in BYTES:
        tensor = getattr(weight, name)
        expect(tensor.dtype == np.uint8 and tensor.ndim == 1, "tensor-type", name)
    expect(weight.extent.dtype == np.int64 and weight.extent.ndim == 1, "tensor-type", "extent")


def check_extent(weight: CompressedWeight) -> None:
    """Rules extent and groups."""
    expect(2 <= len(weight.extent) <= 34, "extent", "rank")
    entries, zero, *dims = weight.extent.tolist()
    expect(all(dim >= 0 for dim in dims), "extent")
    expect(math.prod(dim for dim in dims if dim) < 2**31, "extent")
    expect(0 <= entries <= math.prod(dims), "extent", "entries")
    expect(0 <= zero < weight.codebook.shape[1], "extent", "zero")
    groups = group_count(weight)
    if groups > 1:
        expect(0 <= weight.group_axis < len(dims), "groups")
        expect(dims[weight.group_axis] % groups == 0, "groups")


def group_count(weight: CompressedWeight) -> int:
    """The rows of the step or, without one, of the codebook."""
    return len(weight.step) if has_step(weight) else len(weight.codebook)


def check_form(weight: CompressedWeight) -> None:
    """Rules packet-size to zero."""
    expect(weight.packet in (8, 16, 32, 64, 128, 256), "packet-size")
    for table, stream in ((weight.code_table, weight.codes), (weight.gap_table, weight.gaps)):
        expect(table.size == 0 or stream.size % 8 == 0, "packet-size")
        expect(stream.size < 2**31, "packet-size")
    entries, zero, *dims = weight.extent.tolist()
    if entries == 0:
        expect(not any(getattr(weight, name).size for name in BYTES), "form", "no entries")
    else:
        expect(weight.codes.size > 0, "form", "no codes")
        expect(weight.gaps.size > 0 or entries == math.prod(dims), "form", "no gaps")
    if entries > 0 and weight.gaps.size == 0:
        expect(zero == 0, "form", "zero of the dense form")
    else:
        values = {row[zero].tobytes() for row in weight.codebook}
        expect(len(values) == 1 and (weight.dtype in INTEGERS or not any(values.pop())), "zero")


# Section 4: Huffman codes and packets.


def check_tables(weight: CompressedWeight) -> None:
    """Rules table-size to low-bits."""
    streams = [(weight.code_table.tolist(), weight.codes), (weight.gap_table.tolist(), weight.gaps)]
    for table, stream in streams:
        if table:
            expect(stream.size > 0, "table-size", "a table without its stream")
            expect(len(table) >= 12, "table-size")
            expect(len(table) in (12, 12 + sum(table[:12])), "table-size")
        else:
            expect(stream.size in (0, weight.entries), "table-size", "a plain stream")
    for table, _ in streams:
        if table:
            expect(2 <= sum(table[:12]) <= 256, "kraft", "number")
            expect(sum(count * 2 ** (11 - i) for i, count in enumerate(table[:12])) == 2**12, "kraft")
    if weight.low_bits.size:
        expect(weight.code_table.size > 0, "low-bits", "plain codes")
        expect(weight.low_bits.size == math.ceil(weight.entries / 2), "low-bits", "length")
        expect(weight.entries % 2 == 0 or int(weight.low_bits[-1]) < 16, "low-bits", "last nibble")
        table = weight.code_table.tolist()
        expect(len(table) > 12 or sum(table) <= 16, "low-bits", "16 * i")
        expect(all(symbol % 16 == 0 for symbol in table[12:]), "low-bits", "multiples")


def codeword_symbols(table: list[int], scale: int) -> dict[str, int]:
    """What each codeword stands for, in the order of the table: each is one more than the last, then longer."""
    words: dict[str, int] = {}
    word = 0
    for length, count in enumerate(table[:12], start=1):
        word *= 2
        for _ in range(count):
            words[format(word, f"0{length}b")] = table[12 + len(words)] if len(table) > 12 else scale * len(words)
            word += 1
    return words


def read_stream(stream: np.ndarray, table: np.ndarray, weight: CompressedWeight, scale: int) -> list[int]:
    """What the codewords, or the bytes, of one stream stand for. Rules truncated and packet-fill."""
    if not table.size:
        return stream.tolist()
    expect(weight.entries <= 8 * stream.size, "truncated", "room")
    words = codeword_symbols(table.tolist(), scale) if weight.entries else {}
    symbols: list[int] = []
    bits = "".join(format(byte, "08b") for byte in stream.tobytes())
    for start in range(0, len(bits), 8 * weight.packet):
        expect(len(symbols) < weight.entries, "packet-fill", "a packet follows the last codeword")
        packet = bits[start : start + 8 * weight.packet]
        at = 0
        while len(symbols) < weight.entries:
            length = next((n for n in range(1, 13) if packet[at : at + n] in words and at + n <= len(packet)), 0)
            if not length:
                break
            symbols.append(words[packet[at : at + length]])
            at += length
        expect("0" not in packet[at:], "packet-fill")
    expect(len(symbols) == weight.entries, "truncated")
    return symbols


def low_bits(weight: CompressedWeight) -> list[int]:
    """The four lower bits of each entry: those of the first half in the lower nibbles, of the others in the upper."""
    data = weight.low_bits.tolist()
    return [*(byte % 16 for byte in data), *(byte // 16 for byte in data)][: weight.entries]


# Section 3: from entries to positions.


def place(weight: CompressedWeight, codes: list[int], gaps: list[int]) -> np.ndarray:
    """Put the values where the gaps say. Rule position."""
    dims = tuple(weight.extent[2:].tolist())
    flat = np.zeros(math.prod(dims), weight.dtype)
    if weight.dtype in INTEGERS:
        flat[:] = weight.codebook[0, int(weight.extent[1])].astype(weight.dtype)
    position = 0
    for entry, (gap, code) in enumerate(zip(gaps, codes, strict=True)):
        expect(gap > 0 or entry == 0, "position", "gap of 0")
        position += gap
        expect(position < flat.size, "position", "outside")
        flat[position] = value_of(weight, group_of(position, dims, group_count(weight), weight.group_axis), code)
    return flat.reshape(dims)


def value_of(weight: CompressedWeight, group: int, code: int) -> np.generic:
    """What a code stands for in a group, in the weight's type."""
    if has_step(weight):
        value = np.float64(weight.codebook[0, code]) * np.float64(weight.step[group, 0])
        with np.errstate(over="ignore"):
            return np.array(value).astype(weight.dtype)[()]
    with np.errstate(over="ignore", invalid="ignore"):
        return weight.codebook[group, code : code + 1].astype(weight.dtype)[0]


def group_of(position: int, dims: tuple[int, ...], groups: int, axis: int) -> int:
    """The g with index on the axis in [g * dim / G, (g + 1) * dim / G)."""
    if groups == 1:
        return 0
    index = np.unravel_index(position, dims)[axis]
    return next(g for g in range(groups) if g * dims[axis] // groups <= index < (g + 1) * dims[axis] // groups)

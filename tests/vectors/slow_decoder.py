"""A slow, plain decoder in the order of docs/format.md: its checks are the table of section 6, row by row.

It works on Python integers and strings of the characters 0 and 1. Meant for tensors of a few thousand elements.
"""

from __future__ import annotations

import itertools
import math
import zlib

import ml_dtypes
import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric.weight import CompressedWeight

TYPES = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
TENSORS = {  # name: (type, rank)
    "code_lengths": (np.uint8, 1),
    "codes": (np.uint8, 1),
    "gap_lengths": (np.uint8, 1),
    "gaps": (np.uint8, 1),
    "chunks": (np.int32, 2),
    "shape": (np.int64, 1),
}


def expect(condition: bool, rule: str, detail: str = "") -> None:
    """Reject the weight under the rule's name unless the condition holds."""
    if not condition:
        raise FormatError(rule, detail)


def decode(weight: CompressedWeight) -> np.ndarray:
    """The dense weight.

    Raises:
        FormatError: the weight breaks a rule of section 6.
    """
    check_types(weight)
    check_attributes(weight)
    code_lengths, gap_lengths = unpack_lengths(weight.code_lengths), unpack_lengths(weight.gap_lengths)
    check_lengths(weight, code_lengths, gap_lengths)
    check_chunks(weight)
    expect(zlib.crc32(b"".join(tensor.tobytes() for tensor in weight.tensors)) == weight.checksum, "checksum")
    codes = read_stream(weight.codes, weight.chunks[:, 1], weight.chunks[:, 0], code_lengths)
    if weight.gaps.size:
        gaps = read_stream(weight.gaps, weight.chunks[:, 2], weight.chunks[:, 0], gap_lengths)
    else:
        gaps = [0] * len(codes)
    return place(weight, codes, gaps)


# Section 2: the weight group.


def check_types(weight: CompressedWeight) -> None:
    """Rules codebook-type to shape."""
    codebook = weight.codebook
    expect(codebook.dtype in TYPES and weight.dtype in TYPES, "codebook-type")
    expect(codebook.dtype == weight.dtype or codebook.dtype.itemsize < weight.dtype.itemsize, "codebook-type")
    expect(codebook.ndim == 2 and codebook.shape[0] > 0 and 1 <= codebook.shape[1] <= 256, "codebook-shape")
    expect(codebook.size < 2**31, "codebook-shape")
    for row in codebook:
        expect(not any(row[0].tobytes()), "codebook-zero")
    for name, (dtype, rank) in TENSORS.items():
        tensor = getattr(weight, name)
        expect(tensor.dtype == dtype and tensor.ndim == rank, "tensor-type", name)
    expect(weight.chunks.shape[1] == 4, "tensor-type", "chunks")
    dims = [int(dim) for dim in weight.shape[:33]]
    expect(len(dims) <= 32 and all(dim >= 0 for dim in dims), "shape")
    expect(math.prod(dim for dim in dims if dim) < 2**31, "shape")


def check_attributes(weight: CompressedWeight) -> None:
    """Rules groups to stream-size."""
    groups = len(weight.codebook)
    if groups > 1:
        expect(0 <= weight.group_axis < len(weight.shape), "groups")
        expect(int(weight.shape[weight.group_axis]) % groups == 0, "groups")
    expect(1 <= weight.index_bits <= 8, "index-bits")
    expect(weight.chunk_size in [2**i for i in range(6, 17)], "chunk-size")
    expect(max(weight.codes.size, weight.gaps.size) < 2**28 - 16, "stream-size")


# Sections 4 and 5: bitstreams and chunks.


def unpack_lengths(packed: np.ndarray) -> list[int]:
    """Two lengths a byte, the even symbol in the low nibble."""
    return [nibble for byte in packed.tobytes() for nibble in (byte & 15, byte >> 4)]


def check_lengths(weight: CompressedWeight, code_lengths: list[int], gap_lengths: list[int]) -> None:
    """Rules length-count to kraft."""
    codes = weight.codebook.shape[1]
    expect(len(code_lengths) == codes + codes % 2 and not any(code_lengths[codes:]), "length-count", "codes")
    expect(len(gap_lengths) <= 2**weight.index_bits, "length-count", "gaps")
    for lengths in (code_lengths, gap_lengths):
        expect(max(lengths, default=0) <= 12, "length-range")
    for lengths, stream in ((code_lengths, weight.codes), (gap_lengths, weight.gaps)):
        used = [length for length in lengths if length]
        complete = sum(2 ** (12 - length) for length in used) == 2**12
        expect(complete or used == [1] or (not used and stream.size == 0), "kraft")


def check_chunks(weight: CompressedWeight) -> None:
    """Rules chunk-count to no-gaps."""
    rows = [[int(x) for x in row] for row in weight.chunks]
    expect(len(rows) > 0 and len(rows) - 1 == max(1, -(-rows[-1][0] // weight.chunk_size)), "chunk-count")
    expect(rows[0] == [0, 0, 0, 0], "chunk-order")
    for chunk, (row, following) in enumerate(itertools.pairwise(rows)):
        expect(all(a <= b for a, b in zip(row, following, strict=True)), "chunk-order")
        expect(row[0] == chunk * weight.chunk_size, "chunk-order")
    numel = math.prod(int(dim) for dim in weight.shape)
    entries, code_bytes, gap_bytes, position = rows[-1]
    expect(code_bytes == weight.codes.size and gap_bytes == weight.gaps.size and position <= numel, "chunk-end")
    expect(weight.gaps.size > 0 or entries in (0, numel), "no-gaps")


def read_stream(stream: np.ndarray, starts: np.ndarray, entries: np.ndarray, lengths: list[int]) -> list[int]:
    """Every symbol of one stream, given two columns of the chunk table. Rules truncated to trailing-bits."""
    symbols: list[int] = []
    tree = codeword_symbols(lengths)
    for chunk in range(len(starts) - 1):
        bits = "".join(format(byte, "08b") for byte in stream[starts[chunk] : starts[chunk + 1]].tobytes())
        at = 0
        for _ in range(entries[chunk + 1] - entries[chunk]):
            rest = bits[at : at + 12]
            length = next((n for n in range(1, len(rest) + 1) if rest[:n] in tree), 0)
            if not length:
                begun = rest == "" or any(word.startswith(rest) for word in tree)
                raise FormatError("truncated" if begun else "bad-code", f"chunk {chunk}")
            symbols.append(tree[rest[:length]])
            at += length
        expect(len(bits) - at < 8 and "1" not in bits[at:], "trailing-bits")
    return symbols


def codeword_symbols(lengths: list[int]) -> dict[str, int]:
    """The symbol of each codeword: ordered by (length, symbol), each one more than the last, shifted by the growth."""
    symbols: dict[str, int] = {}
    word = 0
    for length in range(1, 13):
        word *= 2
        for symbol in [s for s, of in enumerate(lengths) if of == length]:
            symbols[format(word, f"0{length}b")] = symbol
            word += 1
    return symbols


# Section 3: from entries to positions.


def place(weight: CompressedWeight, codes: list[int], gaps: list[int]) -> np.ndarray:
    """Put the values where the gaps say. Rule position."""
    dims = tuple(int(dim) for dim in weight.shape)
    flat = np.zeros(math.prod(dims), weight.dtype)
    values = weight.codebook.astype(weight.dtype)
    starts = {int(row[0]): int(row[3]) for row in weight.chunks}
    previous = -1
    for entry, (gap, code) in enumerate(zip(gaps, codes, strict=True)):
        expect(starts.get(entry, previous + 1) == previous + 1, "position", "chunk start")
        position = previous + gap + 1
        expect(position < flat.size, "position", "outside")
        flat[position] = values[group_of(position, dims, len(values), weight.group_axis)][code]
        previous = position
    expect(int(weight.chunks[-1, 3]) == previous + 1, "position", "end")
    return flat.reshape(dims)


def group_of(position: int, dims: tuple[int, ...], groups: int, axis: int) -> int:
    """The g with index on the axis in [g * dim / G, (g + 1) * dim / G)."""
    if groups == 1:
        return 0
    index = np.unravel_index(position, dims)[axis]
    return next(g for g in range(groups) if g * dims[axis] // groups <= index < (g + 1) * dims[axis] // groups)

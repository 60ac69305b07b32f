"""From a weight group back to the dense weight, with every rule of docs/format.md section 6 checked on the way."""

from __future__ import annotations

import math

import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric import bitstream, huffman, relative_index
from onnxdc.numeric.arrays import BLOCK, FLOAT_TYPES
from onnxdc.numeric.weight import (
    MAX_CODES,
    MAX_ELEMENTS,
    MAX_RANK,
    MAX_STREAM_BYTES,
    CompressedWeight,
    crc32,
    is_chunk_size,
)

# The tensors besides the codebook: type and rank.
_TENSOR_TYPES = {
    "code_lengths": (np.uint8, 1),
    "codes": (np.uint8, 1),
    "gap_lengths": (np.uint8, 1),
    "gaps": (np.uint8, 1),
    "chunks": (np.int32, 2),
    "shape": (np.int64, 1),
}


def decode_weight(weight: CompressedWeight) -> np.ndarray:
    """Decode a weight; nothing in it is trusted.

    Returns:
        An array of ``weight.shape`` and ``weight.dtype``.

    Raises:
        FormatError: A rule of docs/format.md section 6 is broken. All that can be checked without decoding is checked
            before anything is allocated that is larger than the input.
    """
    check_weight(weight)
    code_lengths = huffman.unpack_lengths(weight.code_lengths)
    gap_lengths = huffman.unpack_lengths(weight.gap_lengths)
    chunks = weight.chunks.astype(np.int64)
    counts = np.diff(chunks[:, 0])
    codes = bitstream.unpack(weight.codes, code_lengths, chunks[:, 1], counts)
    if weight.gaps.size:
        gaps = bitstream.unpack(weight.gaps, gap_lengths, chunks[:, 2], counts)
    else:
        gaps = np.zeros(codes.size, dtype=np.uint8)
    _check_positions(gaps, chunks)
    return _dense(weight, codes, gaps)


def check_weight(weight: CompressedWeight) -> None:
    """Check all that shows without decoding the streams: every rule up to ``checksum``, and that chunks have room.

    Raises:
        FormatError: The first rule of the format's table that is broken.
    """
    _check_types(weight)
    _check_attributes(weight)
    _check_lengths(weight)
    _check_chunks(weight)
    checksum = crc32(weight.tensors)
    _require(checksum == weight.checksum, "checksum", f"expected {weight.checksum}, got {checksum}")
    chunks = weight.chunks.astype(np.int64)
    counts = np.diff(chunks[:, 0])
    bitstream.check_sizes(chunks[:, 1], counts)
    if weight.gaps.size:
        bitstream.check_sizes(chunks[:, 2], counts)


def _require(condition: bool, rule: str, detail: str) -> None:
    if not condition:
        raise FormatError(rule, detail)


def _check_types(weight: CompressedWeight) -> None:
    codebook, dtype = weight.codebook, np.dtype(weight.dtype)
    _require(dtype in FLOAT_TYPES, "codebook-type", f"weights are never {dtype}")
    # Two different types of 16 bits do not hold each other's values.
    fits = codebook.dtype == dtype or (codebook.dtype in FLOAT_TYPES and codebook.itemsize < dtype.itemsize)
    _require(fits, "codebook-type", f"a codebook of {codebook.dtype} for a weight of {dtype}")
    legal = codebook.ndim == 2 and codebook.shape[0] >= 1 and 1 <= codebook.shape[1] <= MAX_CODES
    _require(legal, "codebook-shape", f"expected [groups, 1..{MAX_CODES}], got {list(codebook.shape)}")
    _require(codebook.size < MAX_ELEMENTS, "codebook-shape", f"a codebook of {codebook.size} elements")
    zeros = np.asarray(codebook[:, 0], order="C").view(f"u{codebook.itemsize}")
    _require(not zeros.any(), "codebook-zero", "entry 0 of a codebook is not +0.0")
    for name, (kind, rank) in _TENSOR_TYPES.items():
        tensor = getattr(weight, name)
        legal = tensor.dtype == kind and tensor.ndim == rank
        _require(
            legal, "tensor-type", f"{name} must be {np.dtype(kind)} of rank {rank}, got {tensor.dtype} {tensor.shape}"
        )
    _require(weight.chunks.shape[1] == 4, "tensor-type", f"chunks must have 4 columns, got {weight.chunks.shape[1]}")


def _check_attributes(weight: CompressedWeight) -> None:
    shape, groups, axis = weight.shape.tolist(), weight.codebook.shape[0], weight.group_axis
    _require(len(shape) <= MAX_RANK, "shape", f"expected at most {MAX_RANK} dimensions, got {len(shape)}")
    legal = all(dim >= 0 for dim in shape) and math.prod(dim for dim in shape if dim) < MAX_ELEMENTS
    _require(legal, "shape", f"got {shape}")
    fits = groups == 1 or (0 <= axis < len(shape) and shape[axis] % groups == 0)
    _require(fits, "groups", f"{groups} groups along axis {axis} of {shape}")
    _require(1 <= weight.index_bits <= 8, "index-bits", f"expected 1..8, got {weight.index_bits}")
    _require(is_chunk_size(weight.chunk_size), "chunk-size", f"expected 64, 128, ... or 65536, got {weight.chunk_size}")
    for name in ("codes", "gaps"):
        size = getattr(weight, name).size
        _require(size < MAX_STREAM_BYTES, "stream-size", f"{name} has {size} bytes, the limit is {MAX_STREAM_BYTES}")


def _check_lengths(weight: CompressedWeight) -> None:
    """Check the code lengths: each rule for both streams before the next rule."""
    entries = weight.codebook.shape[1]
    legal = weight.code_lengths.size == (entries + 1) // 2
    _require(legal, "length-count", f"code_lengths has {weight.code_lengths.size} bytes for {entries} codes")
    lengths = {name: huffman.unpack_lengths(getattr(weight, name)) for name in ("code_lengths", "gap_lengths")}
    _require(not lengths["code_lengths"][entries:].any(), "length-count", f"a length for code {entries} of {entries}")
    limit = 1 << weight.index_bits
    legal = lengths["gap_lengths"].size <= limit
    _require(legal, "length-count", f"gap_lengths has {weight.gap_lengths.size} bytes for {limit} gaps")
    for name, code_lengths in lengths.items():
        longest = int(code_lengths.max(initial=0))
        _require(longest <= huffman.MAX_LENGTH, "length-range", f"{name} has a length of {longest}")
    for stream, code_lengths in zip((weight.codes, weight.gaps), lengths.values(), strict=True):
        _check_complete(code_lengths, stream.size)


def _check_complete(lengths: np.ndarray, stream_bytes: int) -> None:
    """Check that a code is complete, or has one used symbol, or none and no stream."""
    used, filled, full = np.count_nonzero(lengths), huffman.kraft_sum(lengths), 1 << huffman.MAX_LENGTH
    if used == 0:
        _require(stream_bytes == 0, "kraft", f"no symbol is used, but there are {stream_bytes} bytes of them")
    elif used == 1:
        _require(filled == full // 2, "kraft", f"the only symbol used must have length 1, got {lengths.max()}")
    else:
        _require(filled == full, "kraft", f"the codewords fill {filled} of {full} parts of the code space")


def _check_chunks(weight: CompressedWeight) -> None:
    chunks, numel = weight.chunks.astype(np.int64), math.prod(weight.shape.tolist())
    rows = chunks.shape[0]
    _require(rows >= 2, "chunk-count", f"expected 2 rows or more, got {rows}")
    entries, codes, gaps, position = chunks[-1].tolist()
    expected = max(1, -(-entries // weight.chunk_size)) + 1
    _require(rows == expected, "chunk-count", f"{entries} entries take {expected} rows, got {rows}")
    _require(not chunks[0].any(), "chunk-order", f"the first row is {chunks[0].tolist()}, not zero")
    steps = np.diff(chunks, axis=0)
    _require(bool((steps >= 0).all()), "chunk-order", "a column decreases")
    _require(bool((steps[:-1, 0] == weight.chunk_size).all()), "chunk-order", f"entries not {weight.chunk_size} apart")
    sizes = (weight.codes.size, weight.gaps.size)
    _require((codes, gaps) == sizes, "chunk-end", f"streams of {sizes} bytes end at {(codes, gaps)}")
    _require(position <= numel, "chunk-end", f"ends at position {position} of {numel}")
    dense = weight.gaps.size > 0 or entries in (0, numel)
    _require(dense, "no-gaps", f"{entries} entries without gaps for {numel} elements")


def _check_positions(gaps: np.ndarray, chunks: np.ndarray) -> None:
    """Check that each chunk ends where the next begins; the rule ``chunk-end`` keeps the last one within the weight."""
    advances = np.diff(chunks[:, 0])
    if gaps.size:
        advances = advances + np.add.reduceat(gaps, chunks[:-1, 0], dtype=np.int64)
    ends = chunks[:-1, 3] + advances
    bad = ends != chunks[1:, 3]
    if bad.any():
        chunk = int(bad.argmax())
        raise FormatError("position", f"chunk {chunk} ends at {ends[chunk]}, expected {chunks[chunk + 1, 3]}")


def _dense(weight: CompressedWeight, codes: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the dense weight of checked entries."""
    shape, groups, axis = weight.shape.tolist(), weight.codebook.shape[0], weight.group_axis
    with np.errstate(over="ignore", invalid="ignore"):
        codebook = weight.codebook.astype(weight.dtype)
    dense = np.zeros(math.prod(shape), dtype=weight.dtype)
    inner = math.prod(shape[axis + 1 :])
    start = 0
    for first in range(0, codes.size, BLOCK):
        block = slice(first, first + BLOCK)
        positions = relative_index.to_positions(gaps[block], start)
        group = positions // inner % shape[axis] // (shape[axis] // groups) if groups > 1 else 0
        dense[positions] = codebook[group, codes[block]]
        start = int(positions[-1]) + 1
    return dense.reshape(shape)

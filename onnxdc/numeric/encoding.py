"""From a dense weight with few distinct values to a weight group (docs/format.md sections 2 to 5)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric import bitstream, huffman, relative_index
from onnxdc.numeric.arrays import (
    BFLOAT16,
    FLOAT_TYPES,
    bit_patterns,
    histogram,
    normalized_axis,
    require_float,
)
from onnxdc.numeric.grouping import tabulate
from onnxdc.numeric.weight import (
    DEFAULT_CHUNK_SIZE,
    DEFAULT_INDEX_BITS,
    MAX_ELEMENTS,
    MAX_RANK,
    MAX_STREAM_BYTES,
    CompressedWeight,
    crc32,
    is_chunk_size,
)


def encode_weight(
    array: np.ndarray,
    *,
    index_bits: int = DEFAULT_INDEX_BITS,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    group_axis: int = 0,
) -> CompressedWeight:
    """Encode a weight without loss: `decode_weight` gives back every bit of it.

    Distinct values are distinct bit patterns, and only +0.0 is zero: -0.0 and each NaN are values. There is one
    codebook if 255 values besides zero suffice, else one for each of the smallest number of groups along ``group_axis``
    for which they do; or more, if that makes the weight clearly smaller. Gaps are stored if that is smaller than
    storing every zero.

    Args:
        array: The weight: float16, bfloat16, float32 or float64 of any shape.
        index_bits: The width of a gap before Huffman coding, 1..8.
        chunk_size: The number of entries in a chunk, a power of two in 64..65536.
        group_axis: The axis along which codebooks may change; counts from the end if negative.

    Raises:
        OptionError: ``index_bits``, ``chunk_size`` or ``group_axis`` is out of range.
        WeightError: The type or the size is not supported, or there are too many distinct values.
    """
    if not 1 <= index_bits <= 8:
        raise OptionError(f"index_bits must be 1..8, got {index_bits}")
    if not is_chunk_size(chunk_size):
        raise OptionError(f"chunk_size must be a power of two in 64..65536, got {chunk_size}")
    shape = np.shape(array)
    if len(shape) > MAX_RANK or math.prod(dim for dim in shape if dim) >= MAX_ELEMENTS:
        raise WeightError(
            f"a weight must have a rank of at most {MAX_RANK} and fewer than 2^31 elements, got {list(shape)}"
        )
    array = require_float(array)
    axis = normalized_axis(group_axis, len(shape))
    tables, codes = tabulate(array, axis)
    weight = CompressedWeight(
        codebook=_codebook(tables, array.dtype),
        code_lengths=np.empty(0, np.uint8),
        codes=np.empty(0, np.uint8),
        gap_lengths=np.empty(0, np.uint8),
        gaps=np.empty(0, np.uint8),
        chunks=np.zeros((2, 4), np.int32),
        shape=np.array(shape, dtype=np.int64),
        dtype=array.dtype,
        index_bits=index_bits,
        chunk_size=chunk_size,
        group_axis=axis,
    )
    weight = _smaller_streams(weight, codes)
    return replace(weight, checksum=crc32(weight.tensors))


def without_bfloat16(weight: CompressedWeight) -> CompressedWeight:
    """Return ``weight`` with a bfloat16 codebook widened to float32 unless ``dtype`` has 16 bits."""
    if weight.codebook.dtype != BFLOAT16 or weight.dtype.itemsize == 2:
        return weight
    wide = replace(weight, codebook=weight.codebook.astype(np.float32))
    return replace(wide, checksum=crc32(wide.tensors))


def _codebook(tables: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Return the codebook ``[G, K]`` in the smallest type that holds all its values bit for bit."""
    entries = 1 + max((table.size for table in tables), default=0)
    bits = np.zeros((len(tables), entries), dtype=f"u{dtype.itemsize}")
    for row, table in zip(bits, tables, strict=True):
        row[1 : 1 + table.size] = table
    exact = bits.view(dtype)
    if dtype.itemsize == 2 or np.isnan(exact).any():  # conversions may change the bits of a NaN
        return exact
    for narrow in FLOAT_TYPES:
        with np.errstate(over="ignore", invalid="ignore"):
            stored = exact.astype(narrow)
            if np.array_equal(bit_patterns(stored.astype(dtype)), bit_patterns(exact)):
                return stored
    raise AssertionError("a type holds its own values")


def _smaller_streams(weight: CompressedWeight, codes: np.ndarray) -> CompressedWeight:
    """Return ``weight`` with its streams: with gaps or, if that is no larger, with every position as an entry."""
    counts = histogram(codes, weight.codebook.shape[1])
    if counts[0] == codes.size:
        return _with_streams(weight, codes[:0], None)
    if counts[0] == 0:
        return _with_streams(weight, codes, None)
    gaps, entry_codes = relative_index.to_gaps(codes, weight.index_bits)
    sparse = _with_streams(weight, entry_codes, gaps)
    # Every codeword takes a bit or more: this spares writing out streams that cannot be smaller.
    if int((counts * huffman.code_lengths(counts)).sum()) // 8 > sparse.nbytes:
        return sparse
    return min(_with_streams(weight, codes, None), sparse, key=lambda candidate: candidate.nbytes)


def _with_streams(weight: CompressedWeight, codes: np.ndarray, gaps: np.ndarray | None) -> CompressedWeight:
    """Return ``weight`` with the streams of these entries.

    ``gaps`` is None if every position is an entry, or none is.
    """
    chunk_size = weight.chunk_size
    rows = max(1, -(-codes.size // chunk_size))
    chunks = np.zeros((rows + 1, 4), dtype=np.int64)
    chunks[:, 0] = np.minimum(np.arange(rows + 1) * chunk_size, codes.size)
    code_lengths = huffman.code_lengths(histogram(codes, weight.codebook.shape[1]))
    packed_codes, chunks[:, 1] = _packed(codes, code_lengths, chunk_size)
    if gaps is None:
        gap_lengths, packed_gaps = np.empty(0, np.uint8), np.empty(0, np.uint8)
        chunks[:, 3] = chunks[:, 0]
    else:
        gap_lengths = huffman.code_lengths(histogram(gaps, int(gaps.max()) + 1))
        packed_gaps, chunks[:, 2] = _packed(gaps, gap_lengths, chunk_size)
        advances = np.add.reduceat(gaps, np.arange(0, gaps.size, chunk_size), dtype=np.int64) + np.diff(chunks[:, 0])
        chunks[1:, 3] = np.cumsum(advances)
    return replace(
        weight,
        code_lengths=huffman.pack_lengths(code_lengths),
        codes=packed_codes,
        gap_lengths=huffman.pack_lengths(gap_lengths),
        gaps=packed_gaps,
        chunks=chunks.astype(np.int32),
    )


def _packed(symbols: np.ndarray, lengths: np.ndarray, chunk_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a bitstream and the byte at which each of its chunks starts, the end included."""
    if symbols.size == 0:
        return np.empty(0, np.uint8), np.zeros(2, np.int64)
    offsets = np.append(0, np.cumsum(bitstream.chunk_bytes(symbols, lengths, chunk_size)))
    if offsets[-1] >= MAX_STREAM_BYTES:
        raise WeightError(f"a stream must be shorter than {MAX_STREAM_BYTES} bytes, got {offsets[-1]}")
    return bitstream.pack(symbols, lengths, chunk_size), offsets

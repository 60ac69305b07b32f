"""One compressed weight as arrays: the weight group of docs/format.md section 2."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from onnxdc.numeric.arrays import bit_patterns

TENSORS = ("codebook", "code_lengths", "codes", "gap_lengths", "gaps", "chunks", "shape")
# Defaults and limits of the format: docs/format.md, sections 2 and 5.
DEFAULT_CHUNK_SIZE = 4096
DEFAULT_INDEX_BITS = 8
MAX_CODES = 256  # a code takes a byte
MAX_RANK = 32
MAX_ELEMENTS = 1 << 31  # of a weight and of a codebook; exclusive, as is the next: positions fit in int32
MAX_STREAM_BYTES = (1 << 28) - 16  # so that the address of a bit fits in int32


@dataclass(frozen=True)
class CompressedWeight:
    """A weight group: seven tensors, in the order of the format, and what its attributes say.

    Attributes:
        codebook: The values of each group, float16, bfloat16 (ml_dtypes), float32 or float64 ``[G, K]``; entry 0 of
            each is +0.0.
        code_lengths: The code lengths of the codes, uint8 ``[ceil(K/2)]``, two a byte.
        codes: The bitstream of the codes, uint8 ``[n]``.
        gap_lengths: The code lengths of the gaps, uint8 ``[ceil(A/2)]``; empty when every position is an entry.
        gaps: The bitstream of the gaps, uint8 ``[m]``; empty when every position is an entry.
        chunks: The start of each chunk, int32 ``[C+1, 4]``: entry, byte in codes, byte in gaps, position.
        shape: The shape of the weight, int64 ``[rank]``.
        dtype: The type of the decoded weight.
        index_bits: The bits of a stored gap before Huffman coding, 1..8.
        chunk_size: The number of entries in each chunk but the last.
        group_axis: The axis along which codebooks change.
        checksum: CRC-32 over the seven tensors.
    """

    codebook: np.ndarray
    code_lengths: np.ndarray
    codes: np.ndarray
    gap_lengths: np.ndarray
    gaps: np.ndarray
    chunks: np.ndarray
    shape: np.ndarray
    dtype: np.dtype
    index_bits: int = DEFAULT_INDEX_BITS
    chunk_size: int = DEFAULT_CHUNK_SIZE
    group_axis: int = 0
    checksum: int = 0

    @property
    def tensors(self) -> tuple[np.ndarray, ...]:
        """The seven tensors in the order of the format."""
        return tuple(getattr(self, name) for name in TENSORS)

    @property
    def entries(self) -> int:
        """Entries: true nonzeros, filler zeros, and zeros that are stored because no gaps are."""
        return int(self.chunks[-1, 0])

    @property
    def nbytes(self) -> int:
        """Bytes of all seven tensors: everything that is needed to rebuild the weight."""
        return sum(t.nbytes for t in self.tensors)


def is_chunk_size(chunk_size: int) -> bool:
    """Tell whether a chunk size is a power of two in 64..65536."""
    return 64 <= chunk_size <= 65536 and chunk_size.bit_count() == 1


def crc32(tensors: Iterable[np.ndarray]) -> int:
    """Return the CRC-32 of zlib over the little-endian row-major bytes of ``tensors``, one after the other."""
    value = 0
    for tensor in tensors:
        bits = bit_patterns(np.asarray(tensor, order="C"))
        value = zlib.crc32(bits.astype(bits.dtype.newbyteorder("<"), copy=False).data, value)
    return value

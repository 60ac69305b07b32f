"""One compressed weight as arrays: the weight group of docs/format.md section 2."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from onnxdc.numeric.arrays import bit_patterns

TENSORS = ("codebook", "step", "code_table", "codes", "low_bits", "gap_table", "gaps", "extent")
# Defaults and limits of the format: docs/format.md, sections 2 and 6.
DEFAULT_PACKET = 64
DEFAULT_INDEX_BITS = 8
PACKETS = (8, 16, 32, 64, 128, 256)  # bytes that a packet may have
PACKET_GRAIN = 8  # bytes: the last packet of a stream has a multiple of these
MAX_CODES = 256  # a code takes a byte
MAX_RANK = 32
MAX_ELEMENTS = 1 << 31  # of a weight and of a codebook; exclusive, as is the next: positions fit in int32
MAX_STREAM_BYTES = 1 << 31


@dataclass(frozen=True)
class CompressedWeight:
    """A weight group: eight tensors, in the order of the format, and what its attributes say.

    Attributes:
        codebook: The values of each group, ``[R, K]`` of a type that the format gives the weight's; or, with a step,
            the integers of a grid, int8 or int16 ``[1, K]``.
        step: The step of each group's grid, float32 ``[G, 1]``; empty ``[0]`` if the codebook holds values.
        code_table: The Huffman code of the codes, uint8 ``[12 + A]``.
        codes: The packets of the codes, uint8; the last one may be shorter.
        low_bits: The four lower bits of each code, uint8 ``[ceil(entries/2)]``; empty if codewords stand for codes.
        gap_table: The Huffman code of the gaps, uint8 ``[12 + A]``; empty when every position is an entry.
        gaps: The packets of the gaps, uint8, likewise; empty when every position is an entry.
        extent: The number of entries, the code of zero, then the shape of the weight: int64 ``[2 + rank]``.
        dtype: The type of the decoded weight.
        packet: The bytes of a packet.
        group_axis: The axis along which groups change.
        checksum: CRC-32 over the eight tensors.
    """

    codebook: np.ndarray
    step: np.ndarray
    code_table: np.ndarray
    codes: np.ndarray
    low_bits: np.ndarray
    gap_table: np.ndarray
    gaps: np.ndarray
    extent: np.ndarray
    dtype: np.dtype
    packet: int = DEFAULT_PACKET
    group_axis: int = 0
    checksum: int = 0

    @property
    def tensors(self) -> tuple[np.ndarray, ...]:
        """The eight tensors in the order of the format."""
        return tuple(getattr(self, name) for name in TENSORS)

    @property
    def entries(self) -> int:
        """Entries: true nonzeros, filler zeros, and zeros that are stored because no gaps are."""
        return int(self.extent[0])

    @property
    def zero(self) -> int:
        """The code of zero; it means nothing in the dense form."""
        return int(self.extent[1])

    @property
    def background(self) -> np.generic:
        """What every element is that is no entry in the gap form: zero, or an integer; a scalar of ``dtype``."""
        value: np.generic = self.codebook[0, self.zero].astype(self.dtype)
        return value

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weight."""
        return tuple(int(dim) for dim in self.extent[2:])

    @property
    def groups(self) -> int:
        """How many parts along the group axis have values of their own: the rows of the step, else of the codebook."""
        return int(self.step.shape[0] or self.codebook.shape[0])

    @property
    def is_dense(self) -> bool:
        """Whether the weight is of the dense form, in which every position is an entry; one without entries is not."""
        return self.gaps.size == 0 and self.entries > 0

    @property
    def nbytes(self) -> int:
        """Bytes of all eight tensors: everything that is needed to rebuild the weight."""
        return sum(t.nbytes for t in self.tensors)


def crc32(tensors: Iterable[np.ndarray]) -> int:
    """Return the CRC-32 of zlib over the little-endian row-major bytes of ``tensors``, one after the other."""
    value = 0
    for tensor in tensors:
        bits = bit_patterns(np.asarray(tensor, order="C"))
        value = zlib.crc32(bits.astype(bits.dtype.newbyteorder("<"), copy=False).data, value)
    return value

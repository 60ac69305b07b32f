"""From a dense weight with few distinct values to a weight group (docs/format.md sections 2 to 6)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric import packets
from onnxdc.numeric.alphabet import Alphabet, find_alphabet, integer_alphabet
from onnxdc.numeric.arrays import BFLOAT16, INTEGER_TYPES, histogram, normalized_axis, require_weight
from onnxdc.numeric.entries import Entries, counts_of_codes, dense_entries, gap_entries, no_entries
from onnxdc.numeric.huffman import LOW_CODES, SYMBOLS, Code, make_code, read_table
from onnxdc.numeric.low_bits import add_low_bits, split_low_bits
from onnxdc.numeric.streams import Streams, choose_streams
from onnxdc.numeric.weight import (
    DEFAULT_INDEX_BITS,
    DEFAULT_PACKET,
    MAX_ELEMENTS,
    MAX_RANK,
    MAX_STREAM_BYTES,
    PACKETS,
    CompressedWeight,
    crc32,
)

CLEAR = 1.02  # an estimate of the bytes of packets, off by a few packets and less than 2 %, tells which form is smaller
FEW_PACKETS = 4


def encode_weight(
    array: np.ndarray,
    *,
    index_bits: int = DEFAULT_INDEX_BITS,
    group_axis: int = 0,
    packet: int = DEFAULT_PACKET,
    gaps: bool | None = None,
) -> CompressedWeight:
    """Encode a weight without loss: `decode_weight` gives back every bit of it.

    Integers are coded as such, in one group. Distinct values of floats are distinct bit patterns, and only +0.0 is
    zero: -0.0 and each NaN are values. There is one codebook if 256 values suffice, else one for each of the smallest
    number of groups along ``group_axis`` for which they do; or more, if that makes the weight clearly smaller. Values
    that are all integers times a step, one or one for each group, are stored as such if that is not larger. Gaps are
    stored if that is smaller than storing every zero. Codewords of one bit, which portable bodies are slow on, are
    avoided where a weight grows by less than 0.3 %.

    Args:
        array: The weight, of any shape: float16, bfloat16, float32, float64, int8, uint8, int4 or uint4.
        index_bits: The largest gap is ``2 ** index_bits``, or 255; 1..8.
        group_axis: The axis along which groups may change; counts from the end if negative.
        packet: The bytes of a packet: 8, 16, 32, 64, 128 or 256.
        gaps: Whether to use the gap form, if the weight has zeros, or the dense form; the smaller one by default.

    Raises:
        OptionError: ``index_bits``, ``group_axis`` or ``packet`` is out of range.
        WeightError: The type or the size is not supported, or there are too many distinct values.
    """
    if not 1 <= index_bits <= 8:
        raise OptionError(f"index_bits must be 1..8, got {index_bits}")
    if packet not in PACKETS:
        raise OptionError(f"packet must be one of {', '.join(map(str, PACKETS))}, got {packet}")
    shape = np.shape(array)
    if len(shape) > MAX_RANK or math.prod(dim for dim in shape if dim) >= MAX_ELEMENTS:
        raise WeightError(
            f"a weight must have a rank of at most {MAX_RANK} and fewer than 2^31 elements, got {list(shape)}"
        )
    stored = require_weight(array)
    axis = normalized_axis(group_axis, len(shape))
    dtype = np.asarray(array).dtype.newbyteorder("=")
    alphabet = integer_alphabet(stored, dtype) if dtype in INTEGER_TYPES else find_alphabet(stored, axis)
    return _sealed(replace(_smallest_form(alphabet, index_bits, packet, gaps), dtype=dtype))


def without_bfloat16(weight: CompressedWeight) -> CompressedWeight:
    """Return ``weight`` with a bfloat16 codebook widened to float32 unless ``dtype`` has 16 bits."""
    if weight.codebook.dtype != BFLOAT16 or weight.dtype.itemsize == 2:
        return weight
    return _sealed(replace(weight, codebook=weight.codebook.astype(np.float32)))


def with_tables(
    weight: CompressedWeight, code_table: np.ndarray, gap_table: np.ndarray, packet: int | None = None
) -> CompressedWeight:
    """Return the same weight with other Huffman codes, which it may share with other weights.

    Args:
        weight: A weight as `encode_weight` returns it.
        code_table: A table, uint8 ``[12]`` or ``[12 + A]``, with a codeword for everything that occurs in its codes.
        gap_table: One for its gaps; anything if it has none.
        packet: The bytes of a packet; as they are by default.
    """
    if not weight.entries:
        return weight
    packet = packet or weight.packet
    scale = LOW_CODES if weight.low_bits.size else 1
    codes = packets.pack(packets.code_symbols(weight), read_table(code_table, scale), packet)
    changed = replace(weight, packet=packet, code_table=code_table, codes=codes)
    if weight.gaps.size:
        gaps = packets.pack(packets.gap_symbols(weight), read_table(gap_table), packet)
        changed = replace(changed, gap_table=gap_table, gaps=gaps)
    return _sealed(changed)


def with_codebook(weight: CompressedWeight, codebook: np.ndarray) -> CompressedWeight:
    """Return the same weight with a longer codebook, which it may share with other weights.

    Args:
        weight: A weight.
        codebook: A codebook that starts with that of the weight.
    """
    return _sealed(replace(weight, codebook=codebook))


def plain(weight: CompressedWeight) -> CompressedWeight:
    """Return the same weight with plain streams: a byte a code, and a byte a gap."""
    codes = packets.code_symbols(weight).copy()
    if weight.low_bits.size:
        add_low_bits(codes, weight.low_bits)
    nothing = np.empty(0, np.uint8)
    gaps = packets.gap_symbols(weight)
    changed = replace(weight, code_table=nothing, codes=codes, low_bits=nothing, gap_table=nothing, gaps=gaps)
    return _sealed(replace(changed, packet=DEFAULT_PACKET))


def code_histogram(weight: CompressedWeight) -> np.ndarray:
    """Return how often each code of a sound weight occurs, or with low bits their four upper bits: int64 ``[256]``."""
    symbols = packets.code_symbols(weight)
    return histogram(symbols // LOW_CODES if weight.low_bits.size else symbols, SYMBOLS)


def gap_histogram(weight: CompressedWeight) -> np.ndarray:
    """Return how often each gap of a sound weight occurs: int64 ``[256]``."""
    return histogram(packets.gap_symbols(weight), SYMBOLS)


def table_of(histogram: np.ndarray, *, is_listed: bool, shortest: int = 1, scale: int = 1) -> np.ndarray:
    """Return the table of the best Huffman code: uint8 ``[12]`` or ``[12 + A]``.

    Args:
        histogram: How often each code or gap occurs, as `code_histogram` or `gap_histogram` say it of one weight, or
            their sum for several weights.
        is_listed: Whether these are gaps, or codes of integers, only those of which that occur get a codeword. Codes of
            floats are numbered by falling frequency, and so are sums of them, so that codeword ``i`` stands for code
            ``i``, or ``16 * i``.
        shortest: The length that every codeword has at least, 1 or 2.
        scale: 16 if the histogram is one of the four upper bits of codes.
    """
    return make_code(histogram, in_order=not is_listed, shortest=shortest).table(scale)


def _sealed(weight: CompressedWeight) -> CompressedWeight:
    """Return ``weight`` with the checksum of its tensors."""
    return replace(weight, checksum=crc32(weight.tensors))


def _smallest_form(alphabet: Alphabet, index_bits: int, packet: int, has_gaps: bool | None) -> CompressedWeight:
    """Return the gap form or, if that is no larger, the dense form of a weight, without its checksum.

    The form is written out only if estimates do not tell that the other one is smaller.
    """

    def streams(code_counts: np.ndarray, gap_counts: np.ndarray | None = None) -> Streams:
        in_order = not alphabet.is_final
        return choose_streams(code_counts, gap_counts, packet, alphabet.nbytes, in_order=in_order)

    def clearly_more(size: int, other: int) -> bool:
        return size > CLEAR * other + FEW_PACKETS * packet

    nonzeros = alphabet.nonzero_counts
    if not nonzeros.any():
        return _written(alphabet, no_entries(alphabet), None, packet)
    dense = streams(counts_of_codes(alphabet, alphabet.counts))
    # In the gap form each nonzero takes at least its code and a gap of one bit.
    least = streams(counts_of_codes(alphabet, nonzeros)).nbytes + int(nonzeros.sum()) // 8
    if not alphabet.has_zero or has_gaps is False or (has_gaps is None and clearly_more(least, dense.nbytes)):
        return _written(alphabet, dense_entries(alphabet), dense, packet)
    entries = gap_entries(alphabet, index_bits)
    sparse = streams(entries.code_counts, entries.gap_counts)
    forms = []
    if has_gaps:
        return _written(alphabet, entries, sparse, packet)
    if not clearly_more(dense.nbytes, sparse.nbytes):
        forms.append(_written(alphabet, dense_entries(alphabet), dense, packet))
    if not clearly_more(sparse.nbytes, dense.nbytes):
        forms.append(_written(alphabet, entries, sparse, packet))
    return min(forms, key=lambda form: form.nbytes)


def _written(alphabet: Alphabet, entries: Entries, streams: Streams | None, packet: int) -> CompressedWeight:
    """Return entries as a weight of the codebook's type, without its checksum; ``streams`` is None without entries."""
    nothing = np.empty(0, np.uint8)
    weight = CompressedWeight(
        codebook=entries.codebook,
        step=alphabet.step if streams else nothing,
        code_table=nothing,
        codes=nothing,
        low_bits=nothing,
        gap_table=nothing,
        gaps=nothing,
        extent=np.array([entries.codes.size, entries.zero, *alphabet.shape], dtype=np.int64),
        dtype=entries.codebook.dtype,
        packet=packet,
        group_axis=alphabet.axis,
    )
    if streams is None:
        return weight
    codes, low_bits = split_low_bits(entries.codes) if streams.has_low_bits else (entries.codes, nothing)
    weight = replace(
        weight,
        code_table=streams.codes.table(LOW_CODES if streams.has_low_bits else 1),
        codes=_packed(codes, streams.codes, packet),
        low_bits=low_bits,
    )
    if entries.gaps is None or streams.gaps is None:
        return weight
    return replace(weight, gap_table=streams.gaps.table(), gaps=_packed(entries.gaps, streams.gaps, packet))


def _packed(symbols: np.ndarray, code: Code, packet: int) -> np.ndarray:
    """Return the packets of symbols."""
    stream = packets.pack(symbols, code, packet)
    if stream.size >= MAX_STREAM_BYTES:
        raise WeightError(f"a stream must be shorter than 2^31 bytes, got {stream.size}")
    return stream

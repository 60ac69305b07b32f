"""The bad vectors, second half: what is wrong in the chunk table, the checksum, the streams or the positions.

Each case breaks one rule of docs/format.md section 6, is right in all that the table asks before it, and is named
`<rule>--<fault>`. Its checksum is right unless the checksum is the fault.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.good_cases import random_sparse
from tests.vectors.slow_encoder import Draft, draft, encode, seal, with_checksum

Cases = dict[str, CompressedWeight]

ENTRY, CODE_BYTE, GAP_BYTE, POSITION = range(4)  # columns of the chunk table

LONG = random_sparse((10, 20), 0.8, 5)  # three chunks of 64 entries with gaps, the last not full
FULL = random_sparse((8, 16), 1.0, 5)  # two full chunks
ZERO = np.zeros((6, 20), np.float32)


def all_cases() -> Cases:
    """Every case by name."""
    groups = (
        chunk_count_cases, chunk_order_cases, chunk_end_cases, no_gaps_cases, checksum_cases, truncated_cases,
        bad_code_cases, trailing_bits_cases, position_cases,
    )  # fmt: skip
    return {name: weight for group in groups for name, weight in group().items()}


def long_draft() -> Draft:
    """The draft most cases spoil."""
    return draft(LONG, index_bits=3, chunk_size=64)


def rows_changed(weight: CompressedWeight, *cells: tuple[int, int, int]) -> CompressedWeight:
    """The weight with some cells of its chunk table changed: (row, column, value to add)."""
    chunks = weight.chunks.copy()
    for row, column, by in cells:
        chunks[row, column] += by
    return with_checksum(weight, chunks=chunks)


def chunk_count_cases() -> Cases:
    full = encode(FULL, chunk_size=64)
    good, zero = seal(long_draft()), encode(ZERO)
    return {
        "chunk-count--empty_last_chunk": with_checksum(full, chunks=full.chunks[[0, 1, 2, 2]]),
        "chunk-count--row_missing": with_checksum(good, chunks=good.chunks[[0, 1, 3]]),
        "chunk-count--no_rows": with_checksum(zero, chunks=zero.chunks[:0]),
        "chunk-count--one_row": with_checksum(zero, chunks=zero.chunks[:1]),
        "chunk-count--entries_without_rows": rows_changed(good, (-1, ENTRY, 2**30)),
    }


def chunk_order_cases() -> Cases:
    good, full, zero = seal(long_draft()), encode(FULL, chunk_size=64), encode(ZERO)
    late = draft(LONG.reshape(-1), index_bits=3, chunk_size=64)
    late.shape = (LONG.size + 1,)
    late.rows = [(entry, position + 1) for entry, position in late.rows]
    irregular = draft(LONG, index_bits=3, chunk_size=60)
    irregular.chunk_size = 64
    code_bytes, gap_bytes, position = good.chunks[2, CODE_BYTE:].tolist()
    return {
        "chunk-order--first_position": seal(late),
        "chunk-order--first_entry": rows_changed(good, (0, ENTRY, 1)),
        "chunk-order--first_code_byte": rows_changed(good, (0, CODE_BYTE, 1)),
        "chunk-order--irregular": seal(irregular),
        "chunk-order--entries_decrease": rows_changed(full, (1, ENTRY, 128)),
        "chunk-order--codes_decrease": rows_changed(good, (1, CODE_BYTE, code_bytes)),
        "chunk-order--gaps_decrease": rows_changed(good, (1, GAP_BYTE, gap_bytes)),
        "chunk-order--gaps_negative": rows_changed(good, (1, GAP_BYTE, -1000)),
        "chunk-order--positions_decrease": rows_changed(good, (2, POSITION, -position)),
        "chunk-order--entries_negative": rows_changed(zero, (-1, ENTRY, -5)),
    }


def chunk_end_cases() -> Cases:
    good = seal(long_draft())
    return {
        "chunk-end--codes_go_on": with_checksum(good, codes=np.append(good.codes, np.uint8(0))),
        "chunk-end--gaps_go_on": with_checksum(good, gaps=np.append(good.gaps, np.uint8(0))),
        "chunk-end--codes_too_short": rows_changed(good, (-1, CODE_BYTE, 1)),
        "chunk-end--gaps_too_short": rows_changed(good, (-1, GAP_BYTE, 1000)),
        "chunk-end--beyond_numel": with_checksum(good, shape=np.array([9, 20])),
    }


def no_gaps_cases() -> Cases:
    gapless = encode(FULL, gaps=False, chunk_size=64)
    more = with_checksum(gapless, shape=np.array([7, 16]))
    return {
        "no-gaps--fewer_entries": with_checksum(gapless, shape=np.array([9, 16])),
        "no-gaps--more_entries": rows_changed(more, (-1, POSITION, -16)),
    }


def checksum_cases() -> Cases:
    good = seal(long_draft())
    value = good.checksum
    faults = {"bit": value ^ 0x100, "zero": 0, "signed": value - 2**32, "beyond_32_bits": value + 2**32}
    return {f"checksum--{name}": replace(good, checksum=wrong) for name, wrong in faults.items()}


def shortened(parts: Draft, stream: str, chunk: int) -> CompressedWeight:
    """Leave out the last byte of one chunk of "code_bits" or "gap_bits"."""
    bits = getattr(parts, stream)
    bits[chunk] = bits[chunk][: (len(bits[chunk]) - 1) // 8 * 8]
    return seal(parts)


def truncated_cases() -> Cases:
    one = draft(np.full((10, 10), 0.1, np.float32))
    few_bytes = replace(one, code_bits=["0" * 96])
    # 2^26 entries of which the streams hold 8, in a table of 16 KB.
    many = replace(one, shape=(2**13, 2**14), chunk_size=65536, code_bits=["0" * 8], gap_bits=["0" * 8])
    starts = [65536 * c for c in range(1025)]
    many.rows = [(start, start) for start in starts]
    many.code_bits += [""] * 1023
    many.gap_bits += [""] * 1023
    return {
        "truncated--codes": shortened(long_draft(), "code_bits", -1),
        "truncated--codes_inside": shortened(long_draft(), "code_bits", 1),
        "truncated--gaps": shortened(long_draft(), "gap_bits", -1),
        "truncated--gaps_inside": shortened(long_draft(), "gap_bits", 0),
        "truncated--one_symbol": seal(few_bytes),
        "truncated--no_codes": seal(replace(one, code_lengths=[0, 0], code_bits=[""])),
        "truncated--far_more_entries_than_bits": seal(many),
    }


def bad_code_cases() -> Cases:
    one = draft(np.full((2, 50), 0.1, np.float32), chunk_size=64)
    wrong = "0" * 20 + "1" + "0" * 43
    return {
        "bad-code--codes": seal(replace(one, code_bits=[wrong, one.code_bits[1]])),
        "bad-code--gaps": seal(replace(one, gap_bits=[wrong, one.gap_bits[1]])),
        "bad-code--last_code": seal(replace(one, code_bits=[one.code_bits[0], "0" * 35 + "1"])),
    }


def padded(parts: Draft, stream: str, chunk: int, fill: str) -> CompressedWeight:
    """Fill up the last byte of one chunk of "code_bits" or "gap_bits" and append what else `fill` holds."""
    bits = getattr(parts, stream)
    assert len(bits[chunk]) % 8
    bits[chunk] += fill[len(bits[chunk]) % 8 :]
    return seal(parts)


def trailing_bits_cases() -> Cases:
    byte, bit = "0" * 16, "0" * 7 + "1"
    one = draft(np.full((8, 16), 0.1, np.float32), chunk_size=64)
    stream_of_nothing = replace(draft(ZERO), code_lengths=[1], code_bits=[byte])
    return {
        "trailing-bits--codes_byte": padded(long_draft(), "code_bits", -1, byte),
        "trailing-bits--codes_byte_inside": padded(long_draft(), "code_bits", 1, byte),
        "trailing-bits--codes_bit": padded(long_draft(), "code_bits", -1, bit),
        "trailing-bits--codes_bit_inside": padded(long_draft(), "code_bits", 1, bit),
        "trailing-bits--gaps_byte": padded(long_draft(), "gap_bits", -1, byte),
        "trailing-bits--gaps_byte_inside": padded(long_draft(), "gap_bits", 0, byte),
        "trailing-bits--gaps_bit": padded(long_draft(), "gap_bits", -1, bit),
        "trailing-bits--gaps_bit_inside": padded(long_draft(), "gap_bits", 0, bit),
        "trailing-bits--byte_after_a_full_one": seal(replace(one, code_bits=["0" * 72, "0" * 64])),
        "trailing-bits--no_entries": seal(stream_of_nothing),
    }


def position_cases() -> Cases:
    good = seal(long_draft())
    last = int(good.chunks[-1, POSITION])
    assert last == LONG.size
    beyond = with_checksum(good, shape=np.array([1, last - 1]))
    return {
        "position--beyond_numel": rows_changed(beyond, (-1, POSITION, -1)),
        "position--chunk_starts_late": rows_changed(good, (1, POSITION, 1)),
        "position--chunk_starts_early": rows_changed(good, (1, POSITION, -1)),
        "position--ends_early": rows_changed(with_checksum(good, shape=np.array([20, 20])), (-1, POSITION, 1)),
        "position--ends_late": rows_changed(good, (-1, POSITION, -1)),
        "position--one_chunk_shifted": shifted_chunk(),
    }


def shifted_chunk() -> CompressedWeight:
    """The second of three chunks counts from one position too far, and the third from where the second then ends."""
    parts = long_draft()
    parts.shape = (20, 20)
    parts.rows = [(entry, position + (chunk > 0)) for chunk, (entry, position) in enumerate(parts.rows)]
    return seal(parts)

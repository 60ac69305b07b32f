"""The bad vectors, second half: what is wrong in the tables, the low bits, the checksum, the packets or the positions.

Each case breaks one rule of docs/format.md section 7, is right in all that the table asks before it, and is named
`<rule>--<fault>`. Its checksum is right unless the checksum is the fault.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.bad_tensors import DENSE, GAPS, NOTHING, Cases, changed
from tests.vectors.slow_encoder import seal, to_bytes, with_checksum
from tests.vectors.weights import draft, encode, random_sparse

LOW = encode(random_sparse((7, 17), 1.0, 40), gaps=False, low_bits=True)  # an odd number of entries
LISTED = random_sparse((6, 20), 1.0, 5)


def all_cases() -> Cases:
    """Every case by name."""
    groups = (
        table_size_cases, kraft_cases, low_bits_cases, checksum_cases, truncated_cases, packet_fill_cases, code_cases,
        position_cases,
    )  # fmt: skip
    return {name: weight for group in groups for name, weight in group().items()}


def table(*counts: int, symbols: tuple[int, ...] = ()) -> np.ndarray:
    """A table of so many codewords of length 1, 2, ..."""
    return np.array([*counts, *[0] * (12 - len(counts)), *symbols], np.uint8)


def table_size_cases() -> Cases:
    parts = draft(LISTED, gaps=False)
    parts.explicit = {"code"}
    listed = seal(parts)
    return {
        **changed("table-size", DENSE, "code_table", {
            "codes_none": NOTHING,
            "codes_11_bytes": DENSE.code_table[:-1],
            "codes_13_bytes": np.append(DENSE.code_table, np.uint8(0)),
        }),
        **changed("table-size", listed, "code_table", {
            "codes_one_symbol_short": listed.code_table[:-1],
            "codes_one_symbol_long": np.append(listed.code_table, np.uint8(0)),
        }),
        **changed("table-size", GAPS, "gap_table", {
            "gaps_none": NOTHING,
            "gaps_11_bytes": GAPS.gap_table[:11],
            "gaps_one_symbol_short": GAPS.gap_table[:-1],
            "gaps_one_symbol_long": np.append(GAPS.gap_table, np.uint8(0)),
        }),
        "table-size--gap_table_of_the_dense_form": with_checksum(DENSE, gap_table=GAPS.gap_table),
    }  # fmt: skip


def kraft_cases() -> Cases:
    """Where they can, the streams hold only codewords that are sound, so that a decoder without the rule reads them."""
    two = encode(random_sparse((6, 20), 1.0, 2), gaps=False)  # codewords 0 and 1
    gaps = encode(np.array([0.1, 0.2] * 20, np.float32))  # as above, of gaps 0 and 1
    faults = {
        "none": table(),
        "one_codeword": table(1),
        "incomplete": table(1, 1),
        "oversubscribed": table(1, 3),
        "oversubscribed_far": table(255, 255, 255),
        "256_of_length_1_to_12": table(*[20] * 12),
        "257_codewords": table(0, 0, 0, 0, 0, 0, 0, 255, 2),
        "more_than_256_complete": table(0, 0, 0, 0, 0, 0, 0, 254, 3, 2),
        "wraps_around_4096": table(3, 2),
    }
    return {
        **changed("kraft", two, "code_table", {f"codes_{name}": fault for name, fault in faults.items()}),
        **changed(
            "kraft",
            gaps,
            "gap_table",
            {f"gaps_{name}": faults[name] for name in ("none", "one_codeword", "incomplete", "oversubscribed")},
        ),
        "kraft--codes_listed_incomplete": with_checksum(two, code_table=table(1, 1, symbols=(0, 1))),
    }


def low_bits_cases() -> Cases:
    nibble = LOW.low_bits.copy()
    nibble[-1] |= 0x10
    lone = encode(random_sparse((7, 17), 1.0, 5), gaps=False, low_bits=True)
    return {
        **changed("low-bits", LOW, "low_bits", {
            "too_short": LOW.low_bits[:-1],
            "too_long": np.append(LOW.low_bits, np.uint8(0)),
            "one_byte_for_each_entry": np.resize(LOW.low_bits, LOW.entries),
            "last_nibble": nibble,
        }),
        **changed("low-bits", lone, "code_table", {
            "17_codewords": table(1, 0, 0, 0, 15, 2),
            "symbol_of_no_multiple": table(2, symbols=(0, 8)),
            "companion_of_no_multiple": table(2, symbols=(0, 1)),
        }),
    }  # fmt: skip


def checksum_cases() -> Cases:
    value = GAPS.checksum
    faults = {"bit": value ^ 0x100, "zero": 0, "signed": value - 2**32, "beyond_32_bits": value + 2**32}
    return {f"checksum--{name}": replace(GAPS, checksum=wrong) for name, wrong in faults.items()}


def truncated_cases() -> Cases:
    one = encode(np.full((8, 20), 0.1, np.float32), gaps=False, packet=8)  # three packets of 64 codewords of one bit
    many = with_checksum(GAPS, extent=np.array([2**30, 0, 2**15, 2**15]))
    more = GAPS.extent + np.array([1, 0, 0, 0])
    long = encode(random_sparse((8, 20), 1.0, 5), gaps=False, packet=64, is_cut=True)
    codes, gaps = codes_of_ones(), gaps_of_ones()
    return {
        "truncated--codes": with_checksum(GAPS, codes=GAPS.codes[:-8]),
        "truncated--gaps": with_checksum(GAPS, gaps=GAPS.gaps[:-8]),
        "truncated--codes_of_the_dense_form": with_checksum(DENSE, codes=DENSE.codes[:-8]),
        "truncated--one_symbol": with_checksum(one, codes=one.codes[:-8]),
        "truncated--one_entry_more": with_checksum(full_packets(), extent=np.array([33, 0, 3, 11])),
        "truncated--last_packet_cut": with_checksum(long, codes=long.codes[:-8]),
        "truncated--codeword_of_ones_that_is_cut": with_checksum(codes, codes=codes.codes[:8]),
        "truncated--gap_of_ones_that_is_cut": with_checksum(gaps, gaps=gaps.gaps[:8]),
        "truncated--far_more_entries_than_bits": many,
        "truncated--more_entries_than_bits_of_gaps": with_checksum(GAPS, extent=more, gaps=GAPS.gaps[:8]),
    }


def codes_of_ones() -> CompressedWeight:
    """22 codewords of three ones: 66 bits of a packet that has 128."""
    values = np.arange(8, dtype=np.float32)[None] / 300
    three_bits = dict.fromkeys(range(8), 3)
    array = np.full(22, values[0, 7])
    return encode(array, gaps=False, packet=64, is_cut=True, codebook=values, code_lengths=three_bits)


def gaps_of_ones() -> CompressedWeight:
    """The same of gaps."""
    array = np.zeros(8 * 22 + 1, np.float32)
    array[8::8] = 0.1
    return encode(array, packet=64, is_cut=True, gap_lengths=dict.fromkeys(range(1, 9), 3))


def full_packets() -> CompressedWeight:
    """32 entries in one packet of 8 bytes, to the last bit."""
    array = random_sparse((4, 8), 1.0, 4)
    return encode(array, gaps=False, packet=8, code_lengths=dict.fromkeys(range(4), 2))


def left_over() -> CompressedWeight:
    """60 entries of five bits, for codes and gaps, of which a packet of 64 bits holds 12: four bits are left."""
    array = np.zeros(32 * 60, np.float32)
    array[np.cumsum(np.arange(1, 61) % 32)] = np.resize(np.arange(1, 32) / 300, 60).astype(np.float32)
    five_bits = dict.fromkeys(range(32), 5)
    return encode(array, packet=8, code_lengths=five_bits, gap_lengths=five_bits)


def with_zero(weight: CompressedWeight, stream: str, *bits: int) -> CompressedWeight:
    """The weight with some bits of a stream, counted from the end if negative, set to zero."""
    text = [format(byte, "08b") for byte in getattr(weight, stream).tobytes()]
    flat = list("".join(text))
    for bit in bits:
        assert flat[bit] == "1"
        flat[bit] = "0"
    return with_checksum(weight, **{stream: to_bytes("".join(flat))})


def packet_fill_cases() -> Cases:
    weight, full, packet = left_over(), full_packets(), np.full(8, 255, np.uint8)
    last = draft(LISTED, gaps=False, packet=64)  # one packet
    used = sum(len(word) for word in last.code_words)
    cut = draft(LISTED[:1], gaps=False, packet=256, is_cut=True)
    used_of_cut = sum(len(word) for word in cut.code_words)
    zeros = np.append(seal(cut).codes, packet * np.uint8(0))
    wide = encode(random_sparse((16, 16), 1.0, 4), gaps=False, packet=64, code_lengths=dict.fromkeys(range(4), 2))
    cases = {
        "last_packet_first_bit": with_zero(seal(last), "codes", used),
        "last_packet_last_bit": with_zero(seal(last), "codes", -1),
        "last_packet_all_bits": with_zero(seal(last), "codes", *range(used, 512)),
        "cut_packet_first_bit": with_zero(seal(cut), "codes", used_of_cut),
        "cut_packet_last_bit": with_zero(seal(cut), "codes", -1),
        "cut_packet_goes_on_with_zeros": with_checksum(seal(cut), codes=zeros),
        "short_packet_follows_a_full_one": with_checksum(wide, codes=np.append(wide.codes, packet)),
        "packet_follows_a_full_one": with_checksum(full, codes=np.append(full.codes, packet)),
        "many_packets_follow": with_checksum(DENSE, codes=np.append(DENSE.codes, np.resize(packet, 8 * 300))),
        "packet_of_zeros_follows": with_checksum(DENSE, codes=np.append(DENSE.codes, packet * np.uint8(0))),
    }
    for stream in ("codes", "gaps"):
        more = np.append(getattr(weight, stream), packet)
        cases |= {
            f"{stream}_first_bit_left_of_a_packet": with_zero(weight, stream, 60),
            f"{stream}_last_bit_left_of_a_packet": with_zero(weight, stream, 64 * 2 + 63),
            f"{stream}_all_bits_left_of_a_packet": with_zero(weight, stream, 60, 61, 62, 63),
            f"{stream}_bit_left_of_the_last": with_zero(weight, stream, -2),
            f"{stream}_packet_follows": with_checksum(weight, **{stream: more}),
        }
    return {f"packet-fill--{name}": fault for name, fault in cases.items()}


def code_cases() -> Cases:
    lower = LOW.codebook[:, :-1]  # the last code has upper bits of 2, as others have
    return {
        **changed("code", DENSE, "codebook", {"last_of_the_dense_form": DENSE.codebook[:, :-1]}),
        **changed("code", GAPS, "codebook", {"last_of_the_gap_form": GAPS.codebook[:, :-1]}),
        **changed("code", LOW, "codebook", {"lower_bits": lower, "upper_bits": LOW.codebook[:, :16]}),
        "code--of_the_last_entry": code_of_the_last_entry(),
    }


def code_of_the_last_entry() -> CompressedWeight:
    """Only the last entry has a code that the codebook lacks; it is also what fill symbols stand for."""
    array = np.array([0.1] * 30 + [0.2], np.float32)
    weight = encode(array, gaps=False, codebook=np.array([[0.1, 0.2]], np.float32), code_lengths={0: 1, 1: 1})
    return with_checksum(weight, codebook=weight.codebook[:, :1])


def position_cases() -> Cases:
    array = np.zeros((3, 40), np.float32)
    array[:, [0, 9, 10, 39]] = 0.1, 0.2, 0.1, 0.3
    good = encode(array)
    first = draft(np.array([0, 0, 0.1], np.float32))
    shapes = {"beyond_numel": (1, 119), "far_beyond_numel": (4, 3)}  # the last entry is at 119
    cases = {name: with_checksum(good, extent=np.array([good.entries, 0, *shape])) for name, shape in shapes.items()}
    cases["first_entry"] = with_checksum(seal(first), extent=np.array([1, 0, 2]))
    for name, entry in {"gap_of_0": 2, "last_gap_of_0": good.entries - 1}.items():
        parts = draft(array)
        parts.gap_words[entry] = parts.gap_words[0]
        cases[name] = seal(parts)
    return {f"position--{name}": fault for name, fault in cases.items()}

"""The bad vectors of plain streams. Each breaks one rule of docs/format.md section 7, as those of packets do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.bad_streams import LOW, table
from tests.vectors.bad_tensors import ZERO, Cases, changed
from tests.vectors.slow_encoder import with_checksum
from tests.vectors.weights import encode, random_sparse

ARRAY = random_sparse((6, 21), 0.6, 5)
GAPS = encode(ARRAY, plain=("code", "gap"))
DENSE = encode(ARRAY, gaps=False, plain=["code"])
PLAIN_CODES = encode(ARRAY, packet=8, plain=["code"])
PLAIN_GAPS = encode(ARRAY, packet=8, plain=["gap"])


def all_cases() -> Cases:
    """Every case by name."""
    groups = (packet_cases, form_cases, table_size_cases, kraft_cases, low_bits_cases, checksum_cases, entry_cases)
    return {name: weight for group in groups for name, weight in group().items()}


def packet_cases() -> Cases:
    """The attribute has to be right though no stream has packets, and each stream that has some, whole ones."""
    sizes = {"0": 0, "24": 24, "1": 1}
    return {
        **{f"packet-size--plain_{name}": replace(GAPS, packet=size) for name, size in sizes.items()},
        "packet-size--gaps_beside_plain_codes": with_checksum(PLAIN_CODES, gaps=PLAIN_CODES.gaps[:-1]),
        "packet-size--codes_beside_plain_gaps": with_checksum(PLAIN_GAPS, codes=PLAIN_GAPS.codes[:-1]),
    }


def form_cases() -> Cases:
    nothing, byte = np.zeros(0, np.uint8), np.zeros(1, np.uint8)
    return {
        "form--plain_gaps_without_entries": with_checksum(ZERO, gaps=byte),
        "form--plain_gaps_without_codes": with_checksum(GAPS, codes=nothing),
        "form--plain_gaps_left_out": with_checksum(GAPS, gaps=nothing),
        "form--plain_dense_without_codes": with_checksum(DENSE, codes=nothing),
    }


def resized(rule: str, weight: CompressedWeight, tensor: str, name: str) -> Cases:
    """A stream one byte too short, one too long, and of as many bytes as its packets might have."""
    stream = getattr(weight, tensor)
    packets = np.resize(stream, -(-stream.size // 32) * 32)
    faults = {"short": stream[:-1], "long": np.append(stream, stream[-1]), "as_packets": packets, "one": stream[:1]}
    return changed(rule, weight, tensor, {f"{name}_{fault}": array for fault, array in faults.items()})


def table_size_cases() -> Cases:
    return {
        **resized("table-size", GAPS, "codes", "plain_codes"),
        **resized("table-size", GAPS, "gaps", "plain_gaps"),
        **resized("table-size", DENSE, "codes", "plain_codes_of_the_dense_form"),
        **resized("table-size", PLAIN_CODES, "codes", "only_plain_codes"),
        **resized("table-size", PLAIN_GAPS, "gaps", "only_plain_gaps"),
        "table-size--gap_table_of_the_plain_dense_form": with_checksum(DENSE, gap_table=table(2)),
    }


def kraft_cases() -> Cases:
    return {
        "kraft--gaps_beside_plain_codes": with_checksum(PLAIN_CODES, gap_table=table(1)),
        "kraft--codes_beside_plain_gaps": with_checksum(PLAIN_GAPS, code_table=table(1)),
    }


def low_bits_cases() -> Cases:
    plain = encode(random_sparse((7, 17), 1.0, 40), gaps=False, plain=["code"])
    byte = np.zeros(1, np.uint8)
    return changed("low-bits", plain, "low_bits", {"plain_codes": LOW.low_bits, "plain_codes_one_byte": byte})


def checksum_cases() -> Cases:
    return {"checksum--plain": replace(GAPS, checksum=GAPS.checksum ^ 1)}


def entry_cases() -> Cases:
    """The last stream is read, too, where nothing is decoded."""
    size, last = GAPS.codebook.shape[1], GAPS.entries - 1
    codes = {"plain": (last // 2, size), "plain_255": (0, 255), "plain_last": (last, size)}
    smaller = np.array([PLAIN_CODES.entries, 0, 9, 9])
    gaps = {"plain_gap_of_0": (1, 0), "plain_last_gap_of_0": (last, 0), "plain_beyond_numel": (last // 2, 255)}
    return {
        **{f"code--{name}": with_entry(GAPS, "codes", *entry) for name, entry in codes.items()},
        **{f"position--{name}": with_entry(GAPS, "gaps", *entry) for name, entry in gaps.items()},
        "code--plain_of_the_dense_form": with_entry(DENSE, "codes", 5, DENSE.codebook.shape[1]),
        "position--plain_first_entry": with_entry(encode(np.ones(1, np.float32), plain=("code", "gap")), "gaps", 0, 1),
        "position--gaps_beside_plain_codes": with_checksum(PLAIN_CODES, extent=smaller),
    }


def with_entry(weight: CompressedWeight, stream: str, entry: int, symbol: int) -> CompressedWeight:
    """The weight with another byte for one entry."""
    changed_stream = getattr(weight, stream).copy()
    changed_stream[entry] = symbol
    return with_checksum(weight, **{stream: changed_stream})

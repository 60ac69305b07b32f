"""Plain streams, a byte an entry: the same entries as packets hold; and the form that a caller asks for."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from onnxdc.errors import FormatError
from onnxdc.numeric.decoding import check_weight, decode_weight
from onnxdc.numeric.encoding import code_histogram, encode_weight, gap_histogram, plain
from onnxdc.numeric.packets import symbol_counts
from onnxdc.numeric.weight import TENSORS, CompressedWeight, crc32
from tests.vectors import slow_decoder
from tests.vectors.weights import grouped, random_integers, random_sparse

STREAMS = ("code_table", "codes", "low_bits", "gap_table", "gaps")
WEIGHTS = {
    "nothing": np.zeros((3, 0), np.float32),
    "zeros": np.zeros((5, 7), np.float32),
    "one entry": np.array([0, 0, 0.1, 0], np.float32),
    "scalar": np.array(0.1, np.float32),
    "sparse": random_sparse((24, 40), 0.05, 31),
    "half": random_sparse((24, 40), 0.5, 100),
    "dense": random_sparse((24, 40), 1.0, 9),
    "low bits": np.resize(np.arange(1, 201, dtype=np.float32) / 300, (141, 133)),
    "groups": grouped((6, 15), 3, 0),
    "float16": random_sparse((8, 12), 0.3, 5, np.float16),
    "float64": random_sparse((8, 12), 0.3, 5, np.float64) * np.pi,
    "grid": (random_integers((30, 40), 0.3, -60, 60) * np.float32(0.375)).astype(np.float32) + np.float32(0),
    "int8": random_integers((40, 50), 1.0, -128, 127).astype(np.int8),
    "uint4": np.abs(random_integers((9, 11), 0.2, -15, 15)).astype(np.uint8).astype(ml_dtypes.uint4),
}


def assert_same_bits(decoded: np.ndarray, array: np.ndarray) -> None:
    assert (decoded.dtype, decoded.shape, decoded.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("gaps", [None, False, True])
@pytest.mark.parametrize("array", WEIGHTS.values(), ids=WEIGHTS)
def test_plain_streams_decode_to_what_packets_do(array: np.ndarray, gaps: bool | None) -> None:
    packed = encode_weight(array, gaps=gaps, packet=8)
    weight = plain(packed)
    check_weight(weight)
    assert_same_bits(decode_weight(packed), array)
    assert_same_bits(decode_weight(weight), array)
    assert_same_bits(slow_decoder.decode(weight), array)


@pytest.mark.parametrize("array", WEIGHTS.values(), ids=WEIGHTS)
def test_all_but_the_streams_is_kept(array: np.ndarray) -> None:
    packed = encode_weight(array, packet=8)
    weight = plain(packed)
    for name in set(TENSORS) - set(STREAMS):
        np.testing.assert_array_equal(getattr(weight, name), getattr(packed, name))
    assert (weight.dtype, weight.group_axis, weight.is_dense) == (packed.dtype, packed.group_axis, packed.is_dense)
    assert weight.packet == 64  # the default, which takes no attribute
    assert weight.code_table.size == weight.gap_table.size == weight.low_bits.size == 0
    assert weight.codes.size == weight.entries
    assert weight.gaps.size == (0 if weight.is_dense else weight.entries)


@pytest.mark.parametrize("array", WEIGHTS.values(), ids=WEIGHTS)
def test_entries_are_counted_as_in_packets(array: np.ndarray) -> None:
    packed = encode_weight(array)
    weight = plain(packed)
    codes = np.bincount(weight.codes, minlength=256)
    np.testing.assert_array_equal(code_histogram(weight), codes)
    if packed.low_bits.size:
        codes = np.pad(codes.reshape(16, 16).sum(axis=1), (0, 240))
    np.testing.assert_array_equal(code_histogram(packed), codes)
    np.testing.assert_array_equal(gap_histogram(weight), gap_histogram(packed))
    assert symbol_counts(weight) == (weight.codes.size, weight.gaps.size)  # without fill symbols


def test_low_bits_are_part_of_plain_codes() -> None:
    packed = encode_weight(WEIGHTS["low bits"])
    assert packed.low_bits.size
    weight = plain(packed)
    assert weight.codes.max() == packed.codebook.size - 1
    assert np.unique(weight.codes % 16).size == 16


@pytest.mark.parametrize("array", WEIGHTS.values(), ids=WEIGHTS)
def test_a_plain_weight_stays_as_it_is(array: np.ndarray) -> None:
    weight = plain(encode_weight(array))
    again = plain(weight)
    assert again.checksum == weight.checksum
    for one, other in zip(again.tensors, weight.tensors, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def test_the_packed_weight_is_not_changed() -> None:
    packed = encode_weight(WEIGHTS["low bits"])
    before = [tensor.copy() for tensor in packed.tensors]
    plain(plain(packed))
    for one, other in zip(packed.tensors, before, strict=True):
        np.testing.assert_array_equal(one, other)


def sealed(weight: CompressedWeight) -> CompressedWeight:
    return replace(weight, checksum=crc32(weight.tensors))


@pytest.mark.parametrize("codes_are_plain", [False, True])
@pytest.mark.parametrize("packet", [8, 64])
def test_one_stream_may_be_plain(codes_are_plain: bool, packet: int) -> None:
    array = WEIGHTS["half"]
    packed = encode_weight(array, gaps=True, packet=packet)
    names = STREAMS[:3] if codes_are_plain else STREAMS[3:]
    weight = plain(packed)
    mixed = sealed(replace(packed, **{name: getattr(weight, name) for name in names}))
    assert_same_bits(decode_weight(mixed), array)
    assert_same_bits(slow_decoder.decode(mixed), array)
    assert_same_bits(decode_weight(plain(mixed)), array)


GAPS = plain(encode_weight(random_sparse((6, 20), 0.5, 9), gaps=True))
DENSE = plain(encode_weight(random_sparse((6, 20), 0.5, 9), gaps=False))
BYTE = np.zeros(1, np.uint8)
BROKEN = {
    "codes too short": (GAPS, {"codes": GAPS.codes[1:]}, "table-size"),
    "codes too long": (GAPS, {"codes": np.append(GAPS.codes, BYTE)}, "table-size"),
    "gaps too short": (GAPS, {"gaps": GAPS.gaps[:-1]}, "table-size"),
    "gaps too long": (GAPS, {"gaps": np.append(GAPS.gaps, BYTE)}, "table-size"),
    "dense codes too short": (DENSE, {"codes": DENSE.codes[1:]}, "table-size"),
    "gap table of the dense form": (DENSE, {"gap_table": np.array([2, *[0] * 11], np.uint8)}, "table-size"),
    "low bits": (GAPS, {"low_bits": np.zeros((GAPS.entries + 1) // 2, np.uint8)}, "low-bits"),
    "no codes": (GAPS, {"codes": BYTE[:0]}, "form"),
    "no gaps": (GAPS, {"gaps": BYTE[:0]}, "form"),
    "packet": (GAPS, {"packet": 24}, "packet-size"),
    "2^31 codes": (GAPS, {"codes": np.broadcast_to(np.uint8(0), 2**31)}, "packet-size"),
    "code": (GAPS, {"codes": np.where(np.arange(GAPS.entries) == 7, 255, GAPS.codes).astype(np.uint8)}, "code"),
    "gap of 0": (GAPS, {"gaps": np.where(np.arange(GAPS.entries) == 7, 0, GAPS.gaps).astype(np.uint8)}, "position"),
    "position": (GAPS, {"gaps": np.full(GAPS.entries, 9, np.uint8)}, "position"),
}


@pytest.mark.parametrize(("weight", "changes", "rule"), BROKEN.values(), ids=BROKEN)
def test_broken_rules_are_named(weight: CompressedWeight, changes: dict[str, np.ndarray | int], rule: str) -> None:
    damaged = replace(weight, **changes)
    with pytest.raises(FormatError) as error:
        decode_weight(damaged if damaged.codes.size >= 2**31 else sealed(damaged))
    assert error.value.rule == rule


# The form that a caller asks for.


@pytest.mark.parametrize("array", WEIGHTS.values(), ids=WEIGHTS)
def test_the_form_is_the_one_asked_for(array: np.ndarray) -> None:
    with_gaps, dense = (encode_weight(array, gaps=gaps) for gaps in (True, False))
    assert with_gaps.is_dense == bool(array.all() and array.size)
    assert dense.is_dense == bool(array.any())
    assert_same_bits(decode_weight(with_gaps), array)
    assert_same_bits(decode_weight(dense), array)
    assert encode_weight(array).nbytes == min(with_gaps.nbytes, dense.nbytes)


@pytest.mark.parametrize("density", [0.01, 0.99])
def test_the_larger_form_is_stored_if_it_is_asked_for(density: float) -> None:
    array = random_sparse((300, 200), density, 31)
    smallest, other = encode_weight(array), encode_weight(array, gaps=density > 0.5)
    assert other.is_dense != smallest.is_dense
    assert other.nbytes > smallest.nbytes
    assert_same_bits(decode_weight(other), array)

"""Decoding weights: what breaks a rule is refused by the rule's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from onnxdc.errors import FormatError
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import (
    encode_weight,
)
from onnxdc.numeric.weight import TENSORS, CompressedWeight
from tests.helpers.coded_weights import checked, on_grids, weight_of
from tests.vectors import slow_decoder

SPARSE = encode_weight(weight_of((40, 100), 0.2, values=6), index_bits=3, packet=8)
DENSE = encode_weight(weight_of((40, 100), 1, values=6), packet=8)
ONE_VALUE = encode_weight(np.ones((10, 10), dtype=np.float32), packet=8)
LOW_BITS = encode_weight(weight_of((9, 333), 1, values=120), packet=8)
GRID = encode_weight(on_grids((40, 200), 0, 4), packet=8)
EIGHT = np.full(8, 255, np.uint8)


def changed(array: np.ndarray, at: int | tuple[int, int], by: int) -> np.ndarray:
    copy = array.copy()
    copy[at] += by
    return copy


BROKEN: list[tuple[str, Callable[[], CompressedWeight]]] = [
    ("codebook-type", lambda: replace(SPARSE, codebook=SPARSE.codebook.astype(np.int32))),
    ("codebook-type", lambda: replace(SPARSE, codebook=SPARSE.codebook.astype(np.int8))),
    ("codebook-type", lambda: replace(SPARSE, codebook=SPARSE.codebook.astype(np.float64))),
    ("codebook-type", lambda: replace(SPARSE, dtype=np.dtype(np.int32))),
    ("codebook-type", lambda: replace(SPARSE, dtype=np.dtype(np.int8))),
    ("codebook-type", lambda: replace(encode_weight(np.ones(3, np.float16)), dtype=np.dtype(ml_dtypes.bfloat16))),
    ("codebook-type", lambda: replace(GRID, codebook=GRID.codebook.astype(np.float32))),
    ("codebook-shape", lambda: replace(SPARSE, codebook=SPARSE.codebook[0])),
    ("codebook-shape", lambda: replace(SPARSE, codebook=SPARSE.codebook[:0])),
    ("codebook-shape", lambda: replace(SPARSE, codebook=SPARSE.codebook[:, :0])),
    ("codebook-shape", lambda: replace(SPARSE, codebook=np.zeros((1, 257), np.float32))),
    ("codebook-shape", lambda: replace(SPARSE, codebook=np.broadcast_to(np.float32(0), (2**27, 16)))),
    ("codebook-shape", lambda: replace(GRID, codebook=np.repeat(GRID.codebook, 2, axis=0))),
    ("codebook-shape", lambda: replace(GRID, step=np.broadcast_to(np.float32(1), (2**30, 1)))),
    ("step", lambda: replace(GRID, step=GRID.step * np.float32(1.125), dtype=np.dtype(np.float64))),
    ("step", lambda: replace(GRID, step=GRID.step * np.float32(0))),
    ("step", lambda: replace(GRID, step=GRID.step.T)),
    ("tensor-type", lambda: replace(SPARSE, gaps=SPARSE.gaps.astype(np.int8))),
    ("tensor-type", lambda: replace(SPARSE, extent=SPARSE.extent.astype(np.int32))),
    ("tensor-type", lambda: replace(SPARSE, code_table=SPARSE.code_table[None])),
    ("tensor-type", lambda: replace(LOW_BITS, low_bits=LOW_BITS.low_bits.astype(np.uint16))),
    ("extent", lambda: replace(SPARSE, extent=SPARSE.extent[:1])),
    ("extent", lambda: replace(SPARSE, extent=np.array([SPARSE.entries, SPARSE.zero, -40, -100]))),
    ("extent", lambda: replace(SPARSE, extent=np.array([SPARSE.entries, SPARSE.zero, 2**20, 2**11]))),
    ("extent", lambda: replace(SPARSE, extent=np.array([SPARSE.entries, SPARSE.zero, 2**62, 2**62, 4]))),
    ("extent", lambda: replace(SPARSE, extent=changed(SPARSE.extent, 0, 4000))),
    ("extent", lambda: replace(SPARSE, extent=changed(SPARSE.extent, 1, 7))),
    ("groups", lambda: replace(SPARSE, codebook=np.repeat(SPARSE.codebook, 3, axis=0))),
    ("groups", lambda: replace(SPARSE, codebook=np.repeat(SPARSE.codebook, 2, axis=0), group_axis=2)),
    ("groups", lambda: replace(SPARSE, codebook=np.repeat(SPARSE.codebook, 2, axis=0), group_axis=-1)),
    ("groups", lambda: replace(GRID, step=GRID.step[:39])),
    ("packet-size", lambda: replace(SPARSE, packet=12)),
    ("packet-size", lambda: replace(SPARSE, packet=-8)),
    ("packet-size", lambda: replace(SPARSE, gaps=SPARSE.gaps[:-1])),
    ("packet-size", lambda: replace(SPARSE, gaps=np.broadcast_to(np.uint8(0), 2**31))),
    ("form", lambda: replace(DENSE, extent=np.array([4000, 0, 40, 101]))),
    ("form", lambda: replace(SPARSE, extent=changed(SPARSE.extent, 0, -SPARSE.entries))),
    ("form", lambda: replace(DENSE, codes=DENSE.codes[:0])),
    ("form", lambda: replace(DENSE, extent=changed(DENSE.extent, 1, 1))),
    ("zero", lambda: replace(SPARSE, extent=changed(SPARSE.extent, 1, 1))),
    ("zero", lambda: replace(SPARSE, codebook=np.where(SPARSE.codebook == 0, np.float32(-0.0), np.float32(1)))),
    ("table-size", lambda: replace(SPARSE, code_table=SPARSE.code_table[:-1])),
    ("table-size", lambda: replace(SPARSE, gap_table=SPARSE.gap_table[:-1])),
    ("table-size", lambda: replace(SPARSE, gap_table=SPARSE.gap_table[:0])),
    ("table-size", lambda: replace(DENSE, gap_table=SPARSE.gap_table)),
    ("kraft", lambda: replace(SPARSE, code_table=SPARSE.code_table * np.uint8(0))),
    ("kraft", lambda: replace(SPARSE, code_table=changed(SPARSE.code_table, 11, 1))),
    ("kraft", lambda: replace(ONE_VALUE, code_table=np.array([1, *[0] * 11], np.uint8))),
    ("low-bits", lambda: replace(LOW_BITS, low_bits=LOW_BITS.low_bits[:-1])),
    ("low-bits", lambda: replace(LOW_BITS, low_bits=changed(LOW_BITS.low_bits, -1, 128))),
    ("low-bits", lambda: replace(LOW_BITS, code_table=np.array([0, 0, 0, 0, 31, 2, *[0] * 6], np.uint8))),
    ("truncated", lambda: replace(SPARSE, codes=SPARSE.codes[:-8])),
    ("truncated", lambda: replace(SPARSE, gaps=SPARSE.gaps[:-8])),
    ("truncated", lambda: replace(SPARSE, extent=np.array([2**30, SPARSE.zero, 2**15, 2**15]))),
    (
        "packet-fill",
        lambda: replace(SPARSE, codes=SPARSE.codes & np.append(np.resize(EIGHT, SPARSE.codes.size - 1), EIGHT[0] - 1)),
    ),
    ("packet-fill", lambda: replace(SPARSE, gaps=np.append(SPARSE.gaps, EIGHT))),
    ("packet-fill", lambda: replace(SPARSE, codes=np.append(SPARSE.codes, np.resize(EIGHT, 10**6)))),
    ("code", lambda: replace(DENSE, codebook=DENSE.codebook[:, :-1])),
    ("code", lambda: replace(LOW_BITS, codebook=LOW_BITS.codebook[:, :-1])),
    ("position", lambda: replace(SPARSE, extent=np.array([SPARSE.entries, SPARSE.zero, 40, 70]))),
]


@pytest.mark.parametrize(("rule", "broken"), BROKEN, ids=[f"{i}-{rule}" for i, (rule, _) in enumerate(BROKEN)])
def test_every_rule_has_its_name(rule: str, broken: Callable[[], CompressedWeight]) -> None:
    weight = broken()
    if max(weight.gaps.size, weight.codebook.size, weight.step.size) < 2**28:  # else a checksum takes seconds, unread
        weight = checked(weight)
    with pytest.raises(FormatError) as caught:
        decode_weight(weight)
    assert caught.value.rule == rule


def test_low_bits_and_grids_are_what_their_names_say() -> None:
    assert LOW_BITS.low_bits.size
    assert LOW_BITS.entries % 2
    assert GRID.step.shape == (40, 1)


@pytest.mark.parametrize("name", TENSORS)
def test_the_checksum_covers_every_tensor(name: str) -> None:
    """One bit is flipped that breaks no rule before the checksum, or is found by one."""
    weight = {"step": GRID, "low_bits": LOW_BITS}.get(name, SPARSE)
    tensor = getattr(weight, name).copy()
    tensor.view(np.uint8).reshape(-1)[-1] ^= 1
    with pytest.raises(FormatError):
        decode_weight(replace(weight, **{name: tensor}))
    with pytest.raises(FormatError) as caught:
        decode_weight(replace(weight, checksum=weight.checksum ^ 1))
    assert caught.value.rule == "checksum"


@pytest.mark.parametrize(
    ("weight", "outcomes_expected"),
    [(SPARSE, 6), (DENSE, 6), (ONE_VALUE, 5), (LOW_BITS, 6), (GRID, 6)],
    ids=["sparse", "dense", "one value", "low bits", "grid"],
)
def test_damaged_weights_decode_or_are_refused(weight: CompressedWeight, outcomes_expected: int) -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(400):
        damaged = damage(weight, rng)
        try:
            decoded = decode_weight(damaged)
        except FormatError as error:
            outcomes.add(error.rule)
        else:
            assert decoded.shape == damaged.shape
            outcomes.add("decoded")
    assert "decoded" in outcomes
    assert len(outcomes) >= outcomes_expected


@pytest.mark.parametrize("weight", [SPARSE, DENSE, ONE_VALUE, LOW_BITS], ids=["sparse", "dense", "one value", "low"])
def test_decoders_agree_on_damaged_weights(weight: CompressedWeight) -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = damage(weight, rng)
        if 0 <= np.prod(damaged.shape, dtype=object) < 50_000:
            assert outcome(decode_weight, damaged) == outcome(slow_decoder.decode, damaged)


def test_a_nan_that_is_converted_is_no_warning() -> None:
    """A signalling one, in a codebook narrower than the weight, which no encoder writes."""
    bits = SPARSE.codebook.view(np.uint32).copy()
    bits[0, SPARSE.zero - 1] = 0x7FA00000
    weight = checked(replace(SPARSE, codebook=bits.view(np.float32), dtype=np.dtype(np.float64)))
    assert np.isnan(decode_weight(weight)).any()


def outcome(decode: Callable[[CompressedWeight], np.ndarray], weight: CompressedWeight) -> tuple[object, ...]:
    try:
        return ("decoded", decode(weight).tobytes())
    except FormatError as error:
        return ("refused", "stream" if error.rule in STREAM_RULES else error.rule)


STREAM_RULES = {"truncated", "packet-fill", "code", "position"}  # the format lets a decoder name any of these


def damage(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """One to three bytes of one tensor are replaced, or its end is cut off; the checksum is put right."""
    name = rng.choice([name for name in TENSORS if getattr(weight, name).size])
    tensor = getattr(weight, name).copy()
    if rng.random() < 0.2:
        tensor = tensor[: rng.integers(0, len(tensor))]
    else:
        data = tensor.view(np.uint8).reshape(-1)
        data[rng.integers(0, data.size, rng.integers(1, 4))] = rng.integers(0, 256)
    return checked(replace(weight, **{name: tensor}))

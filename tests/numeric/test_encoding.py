"""Encoding and decoding weights: nothing is lost, the smaller form is chosen, broken rules are named."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from onnxdc.errors import FormatError, OptionError, WeightError
from onnxdc.numeric import huffman, relative_index
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.weight import CompressedWeight
from tests.vectors import slow_decoder

TYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
SHAPES = [(), (0,), (1,), (3, 0, 2), (7, 5), (16, 4, 3, 3), (100, 99)]


def weight_of(shape: tuple[int, ...], density: float, dtype: type = np.float32, values: int = 30) -> np.ndarray:
    rng = np.random.default_rng(values)
    table = rng.standard_normal(values).astype(dtype)
    return np.where(rng.random(shape) < density, table[rng.integers(0, values, shape)], np.zeros((), dtype))


def assert_same_bits(decoded: np.ndarray, array: np.ndarray) -> None:
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


def checked(weight: CompressedWeight) -> CompressedWeight:
    """The weight with the checksum that its tensors have."""
    return replace(weight, checksum=zlib.crc32(b"".join(tensor.tobytes() for tensor in weight.tensors)))


# What goes in comes out.


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0, 0.001, 0.05, 0.5, 0.97, 1])
def test_every_bit_comes_back(dtype: type, shape: tuple[int, ...], density: float) -> None:
    array = weight_of(shape, density, dtype)
    for index_bits, chunk_size in ((1, 64), (5, 4096), (8, 65536)):
        encoded = encode_weight(array, index_bits=index_bits, chunk_size=chunk_size)
        assert_same_bits(decode_weight(encoded), array)
        assert_same_bits(slow_decoder.decode(encoded), array)


@pytest.mark.parametrize("index_bits", range(1, 9))
@pytest.mark.parametrize("positions", [[0], [9999], [0, 9999], [511, 512, 1023, 4000], []])
def test_long_gaps(index_bits: int, positions: list[int]) -> None:
    array = np.zeros((100, 100), dtype=np.float32)
    array.flat[positions] = 1.5
    encoded = encode_weight(array, index_bits=index_bits, chunk_size=64)
    assert_same_bits(decode_weight(encoded), array)
    assert_same_bits(slow_decoder.decode(encoded), array)


@pytest.mark.parametrize("dtype", TYPES)
def test_values_are_bit_patterns(dtype: type) -> None:
    width = np.dtype(dtype).itemsize * 8
    infinity = int(np.array(np.inf).astype(dtype).view(f"u{width // 8}"))
    sign = 1 << (width - 1)
    quiet, signalling = infinity | (sign - infinity) // 2 + 3, infinity | 1
    patterns = [0, sign, 1, sign | 1, infinity, sign | infinity, quiet, quiet + 1, sign | quiet, signalling]
    array = np.array(patterns * 3, dtype=f"u{width // 8}").view(dtype)
    encoded = encode_weight(array)
    assert encoded.codebook.shape == (1, len(patterns))
    assert_same_bits(decode_weight(encoded), array)


def test_arrays_need_not_be_contiguous_nor_in_native_byte_order() -> None:
    array = weight_of((30, 40), 0.2)
    assert_same_bits(decode_weight(encode_weight(array.T)), np.ascontiguousarray(array.T))
    assert_same_bits(decode_weight(encode_weight(array.astype(">f4"))), array)


def test_more_entries_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("arrays", "relative_index", "bitstream", "decoding"):
        monkeypatch.setattr(f"onnxdc.numeric.{module}.BLOCK", 4096)
    arrays = [weight_of((200, 300), density) for density in (0.01, 0.6, 1)]
    arrays += [grouped_weight(2, 200, (30, 12, 200), axis=1), grouped_weight(2, 200, (4, 9000), axis=0)]
    for array in arrays:
        encoded = encode_weight(array, chunk_size=1024, group_axis=array.ndim - 2)
        assert_same_bits(decode_weight(encoded), array)
        assert_same_bits(slow_decoder.decode(encoded), array)


def test_encoding_is_deterministic() -> None:
    array = weight_of((50, 60), 0.3)
    first, second = encode_weight(array), encode_weight(array.copy())
    assert [tensor.tobytes() for tensor in first.tensors] == [tensor.tobytes() for tensor in second.tensors]
    assert first.checksum == second.checksum


# What the encoder chooses.


def test_the_codebook_is_zero_then_rising() -> None:
    array = np.array([3, -1, 0, 2, -7, -0.0, np.nan], dtype=np.float32)
    codebook = encode_weight(array).codebook
    np.testing.assert_array_equal(codebook, [[0, -7, -1, -0.0, 2, 3, np.nan]])
    assert np.signbit(codebook[0]).tolist() == [False, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [
        (np.float16, 1.5, np.float16),
        (ml_dtypes.bfloat16, 1.5, ml_dtypes.bfloat16),
        (np.float32, 1.5, np.float16),
        (np.float32, 2.0**-24, np.float16),
        (np.float32, 2.0**-25, ml_dtypes.bfloat16),
        (np.float32, 65520.0, np.float32),
        (np.float32, 2.0**100, ml_dtypes.bfloat16),
        (np.float32, 0.1, np.float32),
        (np.float32, np.inf, np.float16),
        (np.float64, 1.5, np.float16),
        (np.float64, 2.0**100, ml_dtypes.bfloat16),
        (np.float64, float(np.float32(0.1)), np.float32),
        (np.float64, 0.1, np.float64),
        (np.float64, 2.0**200, np.float64),
    ],
)
def test_the_codebook_has_the_smallest_type_that_fits(dtype: type, value: float, stored: type) -> None:
    array = np.array([0, value, -value], dtype=dtype)
    encoded = encode_weight(array)
    assert encoded.codebook.dtype == stored
    assert_same_bits(decode_weight(encoded), array)


def test_the_smaller_form_is_stored() -> None:
    """Recomputed here from the format's table of tensors: the bytes of both forms."""
    chosen = set()
    for density in np.linspace(0.3, 1, 15):
        for index_bits in (1, 2, 3):
            codes = (weight_of((90, 90), float(density), values=3) != 0).astype(np.uint8).reshape(-1)
            codes *= np.random.default_rng(0).integers(1, 3, codes.size).astype(np.uint8)
            encoded = encode_weight(codes.astype(np.float16), index_bits=index_bits, chunk_size=64)
            gaps, entry_codes = relative_index.to_gaps(codes, index_bits)
            with_gaps = stream_bytes(entry_codes) + stream_bytes(gaps) + packed_lengths_bytes(gaps)
            with_gaps += 16 * (-(-gaps.size // 64) + 1)
            without = stream_bytes(codes) + 16 * (-(-codes.size // 64) + 1)
            rest = encoded.codebook.nbytes + encoded.code_lengths.nbytes + encoded.shape.nbytes
            assert encoded.nbytes == rest + min(with_gaps, without)
            chosen.add(encoded.gaps.size > 0)
    assert chosen == {False, True}


def stream_bytes(symbols: np.ndarray) -> int:
    lengths = huffman.code_lengths(np.bincount(symbols))
    chunks = [symbols[start : start + 64] for start in range(0, symbols.size, 64)]
    return sum((int(lengths[chunk].sum(dtype=int)) + 7) // 8 for chunk in chunks)


def packed_lengths_bytes(symbols: np.ndarray) -> int:
    return (int(symbols.max()) + 2) // 2


def test_dense_weights_have_no_gaps_and_sparse_ones_do() -> None:
    assert encode_weight(weight_of((50, 50), 1)).gap_lengths.size == 0
    assert encode_weight(weight_of((50, 50), 0)).entries == 0
    assert encode_weight(weight_of((50, 50), 0.1)).gaps.size > 0


# Groups.


def grouped_weight(groups: int, each: int, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Every group has ``each`` values of its own, and zero."""
    rng = np.random.default_rng(0)
    tables = np.concatenate([np.zeros((groups, 1)), rng.permutation(groups * each).reshape(groups, each) + 1], axis=1)
    index = np.arange(shape[axis]) // (shape[axis] // groups)
    group = np.broadcast_to(index.reshape([-1 if a == axis else 1 for a in range(len(shape))]), shape)
    return tables[group, rng.integers(0, each + 1, shape)].astype(np.float32)


@pytest.mark.parametrize(("shape", "axis"), [((12, 5000), 0), ((500, 12, 10), 1), ((5000, 12), -1)])
@pytest.mark.parametrize(("groups", "each"), [(1, 255), (1, 3), (2, 100), (4, 15), (4, 100), (4, 255), (12, 85)])
def test_groups_are_found(shape: tuple[int, ...], axis: int, groups: int, each: int) -> None:
    array = grouped_weight(groups, each, shape, axis % len(shape))
    encoded = encode_weight(array, group_axis=axis)
    assert encoded.codebook.shape == (groups, 1 + each)
    assert encoded.group_axis == axis % len(shape)
    assert_same_bits(decode_weight(encoded), array)
    assert_same_bits(slow_decoder.decode(encoded), array)


def test_groups_with_fewer_values_are_padded() -> None:
    array = np.stack([np.arange(3000) % 250, np.arange(3000) % 7 + 1000]).astype(np.float32)
    encoded = encode_weight(array)
    assert encoded.codebook.shape == (2, 250)
    assert not encoded.codebook[1, 8:].any()
    assert_same_bits(decode_weight(encoded), array)


# What the encoder refuses.


@pytest.mark.parametrize(
    ("array", "arguments", "message"),
    [
        (np.ones(3), {"index_bits": 0}, "index_bits must be 1..8, got 0"),
        (np.ones(3), {"index_bits": 9}, "index_bits must be 1..8, got 9"),
        (np.ones(3), {"chunk_size": 100}, "chunk_size must be a power of two in 64..65536, got 100"),
        (np.ones(3), {"chunk_size": 32}, "chunk_size"),
        (np.ones((3, 3)), {"group_axis": 2}, r"group_axis must be in -2..1, got 2"),
    ],
)
def test_arguments_out_of_range(array: np.ndarray, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        encode_weight(array, **arguments)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(1, 257.0), "at most|can have 255 distinct values besides 0.0"),
        (np.arange(512.0).reshape(1, -1), "255 distinct values"),
        (np.random.default_rng(0).standard_normal((64, 3, 7, 7)), r"shape \[64, 3, 7, 7\] has more"),
        (np.arange(3), "got int64"),
        (np.ones(3, dtype=np.complex64), "got complex64"),
        (np.broadcast_to(np.float32(1), (2**16, 2**15)), "fewer than 2\\^31 elements"),
    ],
)
def test_refusals(array: np.ndarray, message: str) -> None:
    with pytest.raises(WeightError, match=message):
        encode_weight(array)


def test_values_of_255_and_zero_are_the_most() -> None:
    assert encode_weight(np.arange(256.0)).codebook.shape == (1, 256)


# What the decoder refuses.

SPARSE = encode_weight(weight_of((40, 100), 0.2, values=6), index_bits=3, chunk_size=64)
DENSE = encode_weight(weight_of((40, 100), 1, values=6), chunk_size=64)
ONE_VALUE = encode_weight(np.ones((10, 10), dtype=np.float32))


def changed(array: np.ndarray, at: int | tuple[int, int], by: int) -> np.ndarray:
    copy = array.copy()
    copy[at] += by
    return copy


def grown(weight: CompressedWeight, stream: str, column: int, extra: int) -> CompressedWeight:
    """Bytes of zeros after the last chunk of a stream."""
    chunks = changed(weight.chunks, (-1, column), extra)
    return replace(weight, **{stream: np.append(getattr(weight, stream), np.zeros(extra, np.uint8))}, chunks=chunks)


BROKEN: list[tuple[str, Callable[[], CompressedWeight]]] = [
    ("codebook-type", lambda: replace(SPARSE, codebook=SPARSE.codebook.astype(np.int32))),
    ("codebook-type", lambda: replace(SPARSE, codebook=SPARSE.codebook.astype(np.float64))),
    ("codebook-type", lambda: replace(SPARSE, dtype=np.dtype(np.int32))),
    ("codebook-type", lambda: replace(encode_weight(np.ones(3, np.float16)), dtype=np.dtype(ml_dtypes.bfloat16))),
    ("codebook-shape", lambda: replace(SPARSE, codebook=SPARSE.codebook[0])),
    ("codebook-shape", lambda: replace(SPARSE, codebook=SPARSE.codebook[:0])),
    ("codebook-shape", lambda: replace(SPARSE, codebook=SPARSE.codebook[:, :0])),
    ("codebook-shape", lambda: replace(SPARSE, codebook=np.zeros((1, 257), np.float32))),
    ("codebook-shape", lambda: replace(SPARSE, codebook=np.broadcast_to(np.float32(0), (2**27, 16)))),
    (
        "codebook-zero",
        lambda: replace(SPARSE, codebook=np.where(SPARSE.codebook == 0, np.float32(-0.0), np.float32(1))),
    ),
    ("tensor-type", lambda: replace(SPARSE, gaps=SPARSE.gaps.astype(np.int8))),
    ("tensor-type", lambda: replace(SPARSE, chunks=SPARSE.chunks.astype(np.int64))),
    ("tensor-type", lambda: replace(SPARSE, chunks=SPARSE.chunks[:, :3])),
    ("tensor-type", lambda: replace(SPARSE, shape=SPARSE.shape[None])),
    ("shape", lambda: replace(SPARSE, shape=np.array([-40, -100]))),
    ("shape", lambda: replace(SPARSE, shape=np.array([2**20, 2**11]))),
    ("shape", lambda: replace(SPARSE, shape=np.array([2**62, 2**62, 4]))),
    ("groups", lambda: replace(SPARSE, codebook=np.repeat(SPARSE.codebook, 3, axis=0))),
    ("groups", lambda: replace(SPARSE, codebook=np.repeat(SPARSE.codebook, 2, axis=0), group_axis=2)),
    ("groups", lambda: replace(SPARSE, codebook=np.repeat(SPARSE.codebook, 2, axis=0), group_axis=-1)),
    ("index-bits", lambda: replace(SPARSE, index_bits=0)),
    ("index-bits", lambda: replace(SPARSE, index_bits=9)),
    ("chunk-size", lambda: replace(SPARSE, chunk_size=96)),
    ("chunk-size", lambda: replace(SPARSE, chunk_size=-64)),
    ("chunk-size", lambda: replace(SPARSE, chunk_size=2**17)),
    ("stream-size", lambda: replace(SPARSE, gaps=np.broadcast_to(np.uint8(0), 2**28 - 16))),
    ("length-count", lambda: replace(SPARSE, code_lengths=np.append(SPARSE.code_lengths, np.uint8(0)))),
    ("length-count", lambda: replace(SPARSE, code_lengths=SPARSE.code_lengths[:-1])),
    ("length-count", lambda: replace(SPARSE, code_lengths=SPARSE.code_lengths | 0xF0)),
    ("length-count", lambda: replace(SPARSE, index_bits=2)),
    ("length-range", lambda: replace(SPARSE, gap_lengths=SPARSE.gap_lengths | 0x0D)),
    ("kraft", lambda: replace(SPARSE, code_lengths=SPARSE.code_lengths * np.uint8(0))),
    ("kraft", lambda: replace(SPARSE, gap_lengths=changed(SPARSE.gap_lengths, 0, 1))),
    ("kraft", lambda: replace(ONE_VALUE, code_lengths=np.array([0x20], np.uint8))),
    ("kraft", lambda: replace(SPARSE, gap_lengths=SPARSE.gap_lengths[:0])),
    ("chunk-count", lambda: replace(SPARSE, chunks=SPARSE.chunks[:1])),
    ("chunk-count", lambda: replace(SPARSE, chunks=SPARSE.chunks[:0])),
    ("chunk-count", lambda: replace(SPARSE, chunks=SPARSE.chunks[np.r_[0, 0 : len(SPARSE.chunks)]])),
    ("chunk-count", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (-1, 0), 2**30))),
    ("chunk-order", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (0, 3), 1))),
    ("chunk-order", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (2, 1), 10**6))),
    ("chunk-order", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (2, 0), 1))),
    ("chunk-order", lambda: replace(ONE_VALUE, chunks=changed(ONE_VALUE.chunks, (-1, 0), -(10**6)))),
    ("chunk-end", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (-1, 1), 1))),
    ("chunk-end", lambda: replace(SPARSE, gaps=SPARSE.gaps[:-1])),
    ("chunk-end", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (-1, 3), 4000))),
    ("no-gaps", lambda: replace(DENSE, shape=np.array([40, 101]))),
    ("truncated", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (2, 1), -2))),
    (
        "truncated",
        lambda: replace(DENSE, codes=DENSE.codes[:0], chunks=DENSE.chunks * np.array([1, 0, 0, 1], np.int32)),
    ),
    ("bad-code", lambda: replace(ONE_VALUE, codes=changed(ONE_VALUE.codes, 3, 16))),
    ("trailing-bits", lambda: replace(ONE_VALUE, codes=changed(ONE_VALUE.codes, -1, 1))),
    ("trailing-bits", lambda: grown(SPARSE, "gaps", 2, 1)),
    ("trailing-bits", lambda: grown(SPARSE, "codes", 1, 10**6)),
    ("position", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (1, 3), 1))),
    ("position", lambda: replace(SPARSE, chunks=changed(SPARSE.chunks, (-1, 3), -1))),
    ("position", lambda: replace(DENSE, chunks=changed(DENSE.chunks, (2, 3), -1))),
]


@pytest.mark.parametrize(("rule", "broken"), BROKEN, ids=[f"{i}-{rule}" for i, (rule, _) in enumerate(BROKEN)])
def test_every_rule_has_its_name(rule: str, broken: Callable[[], CompressedWeight]) -> None:
    weight = broken()
    if max(weight.gaps.size, weight.codebook.size) < 2**28 - 16:  # else its checksum takes seconds, and is not reached
        weight = checked(weight)
    with pytest.raises(FormatError) as caught:
        decode_weight(weight)
    assert caught.value.rule == rule


@pytest.mark.parametrize("name", ["codebook", "code_lengths", "codes", "gap_lengths", "gaps", "chunks", "shape"])
def test_the_checksum_covers_every_tensor(name: str) -> None:
    """One bit is flipped that breaks no rule before the checksum, or is found by one."""
    tensor = getattr(SPARSE, name).copy()
    tensor.view(np.uint8).reshape(-1)[-1] ^= 1
    with pytest.raises(FormatError):
        decode_weight(replace(SPARSE, **{name: tensor}))
    with pytest.raises(FormatError) as caught:
        decode_weight(replace(SPARSE, checksum=SPARSE.checksum ^ 1))
    assert caught.value.rule == "checksum"


@pytest.mark.parametrize("weight", [SPARSE, DENSE, ONE_VALUE], ids=["sparse", "dense", "one value"])
def test_damaged_weights_decode_or_are_refused(weight: CompressedWeight) -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(400):
        damaged = damage(weight, rng)
        try:
            decoded = decode_weight(damaged)
        except FormatError as error:
            outcomes.add(error.rule)
        else:
            assert decoded.shape == tuple(damaged.shape)
            outcomes.add("decoded")
    assert "decoded" in outcomes
    assert len(outcomes) >= 6


def damage(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """One to three bytes of one tensor are replaced, or its end is cut off; the checksum is put right."""
    names = ["codebook", "code_lengths", "codes", "gap_lengths", "gaps", "chunks", "shape"]
    name = rng.choice([name for name in names if getattr(weight, name).size])
    tensor = getattr(weight, name).copy()
    if rng.random() < 0.2:
        tensor = tensor[: rng.integers(0, len(tensor))]
    else:
        data = tensor.view(np.uint8).reshape(-1)
        data[rng.integers(0, data.size, rng.integers(1, 4))] = rng.integers(0, 256)
    return checked(replace(weight, **{name: tensor}))

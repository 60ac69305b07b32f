"""Encoding weights: nothing is lost, the smaller form is chosen."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric.decoding import check_weight, decode_weight
from onnxdc.numeric.encoding import (
    code_histogram,
    encode_weight,
    gap_histogram,
    table_of,
    with_tables,
    without_bfloat16,
)
from onnxdc.numeric.weight import CompressedWeight
from tests.helpers.coded_weights import on_grids, weight_of
from tests.vectors import slow_decoder, slow_encoder

TYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
INTEGERS = [np.int8, np.uint8, ml_dtypes.int4, ml_dtypes.uint4]
SHAPES = [(), (0,), (1,), (3, 0, 2), (7, 5), (16, 4, 3, 3), (100, 99)]


def integers_of(shape: tuple[int, ...], density: float, dtype: type, seed: int = 0) -> np.ndarray:
    """Integers over the whole range of a type."""
    rng = np.random.default_rng(seed)
    info = ml_dtypes.iinfo(dtype)
    integers = np.round(rng.standard_normal(shape) * (info.max - info.min) / 6 + (info.max + info.min + 1) / 2)
    integers = integers.clip(info.min, info.max).astype(np.int16)
    return np.where(rng.random(shape) < density, integers, 0).astype(dtype)


def assert_same_bits(decoded: np.ndarray, array: np.ndarray) -> None:
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


def assert_comes_back(encoded: CompressedWeight, array: np.ndarray) -> None:
    check_weight(encoded)
    assert_same_bits(decode_weight(encoded), array)
    assert_same_bits(slow_decoder.decode(encoded), array)


# What goes in comes out.


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0, 0.001, 0.05, 0.5, 0.97, 1])
def test_every_bit_comes_back(dtype: type, shape: tuple[int, ...], density: float) -> None:
    array = weight_of(shape, density, dtype)
    for index_bits, packet in ((1, 8), (5, 32), (8, 64)):
        assert_comes_back(encode_weight(array, index_bits=index_bits, packet=packet), array)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0, 0.05, 0.97, 1])
def test_every_integer_comes_back(dtype: type, shape: tuple[int, ...], density: float) -> None:
    array = integers_of(shape, density, dtype)
    encoded = encode_weight(array, index_bits=5)
    assert encoded.codebook.dtype == (np.uint8 if ml_dtypes.iinfo(dtype).min == 0 else np.int8)
    assert encoded.step.size == 0
    assert_comes_back(encoded, array)


@pytest.mark.parametrize("index_bits", range(1, 9))
@pytest.mark.parametrize("positions", [[0], [9999], [0, 9999], [511, 512, 1023, 4000], [255, 510, 766], [256], []])
def test_long_gaps(index_bits: int, positions: list[int]) -> None:
    array = np.zeros((100, 100), dtype=np.float32)
    array.flat[positions] = 1.5
    assert_comes_back(encode_weight(array, index_bits=index_bits, packet=8), array)


@pytest.mark.parametrize("seed", range(60))
def test_random_weights_come_back(seed: int) -> None:
    """Any type, shape, number of values and groups, on and off grids, from either encoder to either decoder."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(0, 5))
    shape = tuple(rng.choice([1, 2, 3, 4, 6, 12], rank).tolist())
    array = random_weight(rng, shape)
    axis = int(rng.integers(0, max(rank, 1)))
    encoded = encode_weight(
        array, index_bits=int(rng.integers(1, 9)), group_axis=axis, packet=int(rng.choice([8, 16, 32, 64]))
    )
    assert_comes_back(encoded, array)
    slow = slow_encoder.encode(
        array, gaps=bool(rng.integers(2)), low_bits=bool(rng.integers(2)), packet=8, index_bits=int(rng.integers(1, 9))
    )
    assert_comes_back(slow, array)


def random_weight(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    dtype = (TYPES + INTEGERS)[rng.integers(8)]
    density = float(rng.choice([0.05, 0.5, 1]))
    if dtype in INTEGERS:
        return integers_of(shape, density, dtype, seed=int(rng.integers(1000)))
    if rng.random() < 0.5:
        return weight_of(shape, density, dtype, int(rng.choice([1, 2, 17, 100])))
    steps = np.ldexp(rng.integers(8, 16, shape[:1] + (1,) * (len(shape) - 1)), -9)
    array = (np.round(rng.standard_normal(shape) * 5) * (rng.random(shape) < density) * steps).astype(dtype)
    return np.where(array == 0, np.zeros((), dtype), array)


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
    for module in ("arrays", "relative_index", "packets", "decoding"):
        monkeypatch.setattr(f"onnxdc.numeric.{module}.BLOCK", 4096)
    monkeypatch.setattr("onnxdc.numeric.packets.BYTES_AT_ONCE", 512)
    monkeypatch.setattr("onnxdc.numeric.grids.CACHED", 1000)
    arrays = [weight_of((200, 300), density) for density in (0.01, 0.6, 1)]
    arrays += [grouped_weight(2, 200, (30, 12, 200), axis=1), grouped_weight(2, 200, (4, 9000), axis=0)]
    arrays += [on_grids((30, 12, 200), axis=1, bits=8)]
    for array in arrays:
        assert_comes_back(encode_weight(array, packet=8, group_axis=array.ndim - 2), array)


def test_encoding_is_deterministic() -> None:
    array = weight_of((50, 60), 0.3)
    first, second = encode_weight(array), encode_weight(array.copy())
    assert [tensor.tobytes() for tensor in first.tensors] == [tensor.tobytes() for tensor in second.tensors]
    assert first.checksum == second.checksum


# What the encoder chooses.


@pytest.mark.parametrize("density", [0.1, 0.9, 1])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_codes_are_numbered_by_falling_frequency(groups: int, density: float) -> None:
    array = grouped_weight(groups, 250, (8, 5000), axis=0)
    array *= np.random.default_rng(0).random(array.shape) < density
    encoded = encode_weight(array)
    assert encoded.groups == groups
    counts = code_histogram(encoded)
    assert (np.diff(counts) <= 0).all()
    assert encoded.code_table.size == 12
    if not encoded.low_bits.size:
        assert counts.sum() == encoded.entries
    if not encoded.is_dense:
        assert not encoded.codebook[:, encoded.zero].any()
    else:
        assert encoded.zero == 0


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [
        (np.float16, 1.5, np.float16),
        (ml_dtypes.bfloat16, 1.5, ml_dtypes.bfloat16),
        (np.float32, 1.5, np.float16),
        (np.float32, 2.0**-24, np.float16),
        (np.float32, 2.0**-25, ml_dtypes.bfloat16),
        (np.float32, 1.1 * 2.0**110, np.float32),  # beyond the largest step
        (np.float32, 2.0**100, ml_dtypes.bfloat16),
        (np.float32, 2.0**-149, np.float32),
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
    assert not encoded.step.size
    assert encoded.codebook.dtype == stored
    assert_same_bits(decode_weight(encoded), array)


def test_the_smaller_form_is_stored() -> None:
    """Held against the slow encoder's bytes of both forms, with the same Huffman codes of one bit or more."""
    chosen = set()
    for density in np.linspace(0.1, 1, 15):
        for index_bits in (1, 2, 3):
            codes = (weight_of((90, 90), float(density), values=3) != 0).astype(np.uint8).reshape(-1)
            codes *= np.random.default_rng(0).integers(1, 3, codes.size).astype(np.uint8)
            array = codes.astype(np.float16)
            encoded = encode_weight(array, index_bits=index_bits, packet=8)
            forms = [
                slow_encoder.encode(array, index_bits=index_bits, packet=8, gaps=gaps).nbytes for gaps in (False, True)
            ]
            # Tables are 12 bytes where the slow encoder may list symbols; long codewords may cost 0.3 % a stream.
            assert encoded.nbytes <= 1.006 * min(forms)
            chosen.add(encoded.gaps.size > 0)
    assert chosen == {False, True}


def test_dense_weights_have_no_gaps_and_sparse_ones_do() -> None:
    assert encode_weight(weight_of((50, 50), 1)).gap_table.size == 0
    assert encode_weight(weight_of((50, 50), 0)).entries == 0
    assert encode_weight(weight_of((50, 50), 0.1)).gaps.size > 0


def test_low_bits_are_apart_where_that_is_not_larger() -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal(256).astype(np.float32)
    even, uneven = rng.integers(0, 256, 20_000), rng.geometric(0.3, 20_000).clip(0, 255)
    assert encode_weight(table[even]).low_bits.size == 10_000
    assert encode_weight(table[uneven]).low_bits.size == 0
    assert encode_weight(table[even % 16]).low_bits.size == 0


@pytest.mark.parametrize("density", [0.1, 1])
@pytest.mark.parametrize(("values", "skew"), [(2, 1), (3, 0.5), (4, 0), (30, 2), (200, 0.3)])
def test_codewords_of_one_bit_are_kept_only_where_they_save(density: float, values: int, skew: float) -> None:
    """Both ways are written out: what is stored is the long way if it adds less than 0.3 %, within estimates."""
    rng = np.random.default_rng(values)
    odds = np.arange(1, values + 1) ** -float(skew)
    table = rng.standard_normal(values).astype(np.float32)
    array = table[rng.choice(values, 60_000, p=odds / odds.sum())] * (rng.random(60_000) < density)
    encoded = encode_weight(array)
    for table_name, histogram, is_gap in (("code_table", code_histogram, False), ("gap_table", gap_histogram, True)):
        if not getattr(encoded, table_name).size:
            continue
        tables = {name: getattr(encoded, name) for name in ("code_table", "gap_table")}
        short, long = (
            with_tables(encoded, **tables | {table_name: table_of(histogram(encoded), is_listed=is_gap, shortest=each)})
            for each in (1, 2)
        )
        cost = (long.nbytes - short.nbytes) / short.nbytes
        if getattr(encoded, table_name)[0]:
            assert cost > 0.002
        else:
            assert cost < 0.004


@pytest.mark.parametrize(("dtype", "centre"), [(np.uint8, 128), (np.uint8, 3), (ml_dtypes.uint4, 8), (np.uint8, 0)])
def test_sparse_integers_around_a_zero_point_take_the_gap_form(dtype: type, centre: int) -> None:
    rng = np.random.default_rng(centre)
    values = np.where(rng.random((100, 80)) < 0.05, rng.integers(0, 16, (100, 80)), centre)
    array = values.astype(np.uint8).astype(dtype)
    weight = encode_weight(array)
    assert not weight.is_dense
    assert weight.background == array.dtype.type(centre)
    assert weight.nbytes < encode_weight(array, gaps=False).nbytes
    assert_comes_back(weight, array)


def test_integers_that_are_all_one_have_no_entries() -> None:
    array = np.full((300, 4), 128, np.uint8)
    weight = encode_weight(array)
    assert weight.entries == 0
    assert_comes_back(weight, array)


# Tables that weights share.


@pytest.mark.parametrize("density", [0.1, 1])
@pytest.mark.parametrize("values", [1, 12, 200])
def test_a_weight_is_coded_anew_with_the_tables_of_two(values: int, density: float) -> None:
    arrays = [weight_of((160, 170), density, values=values), weight_of((190, 150), density, values=values)]
    weights = [encode_weight(array) for array in arrays]
    code_table = table_of(sum(map(code_histogram, weights)), is_listed=False)
    gap_table = table_of(sum(map(gap_histogram, weights)), is_listed=True) if density < 1 else weights[0].gap_table
    assert code_table.size == 12
    for weight, array in zip(weights, arrays, strict=True):
        shared = with_tables(weight, code_table, gap_table)
        np.testing.assert_array_equal(shared.code_table, code_table)
        np.testing.assert_array_equal(shared.gap_table, gap_table)
        np.testing.assert_array_equal(code_histogram(shared), code_histogram(weight))
        np.testing.assert_array_equal(gap_histogram(shared), gap_histogram(weight))
        assert_comes_back(shared, array)


def test_histograms_count_entries() -> None:
    array = np.array([0.1, 0, 0.2, 0.1, 0, 0, 0, 0.1] + [0] * 300 + [0.1], np.float32)
    encoded = slow_encoder.encode(array)
    counts = code_histogram(encoded)
    assert counts[:4].tolist() == [1, 4, 1, 0]
    assert gap_histogram(encoded)[[0, 1, 2, 4, 46, 255]].tolist() == [1, 1, 1, 1, 1, 1]
    assert encode_weight(np.zeros(9)).entries == code_histogram(encode_weight(np.zeros(9))).sum() == 0


def test_a_weight_without_entries_keeps_its_empty_tables() -> None:
    weight = encode_weight(np.zeros(9))
    assert with_tables(weight, np.zeros(12, np.uint8), np.zeros(12, np.uint8)) is weight


def test_bfloat16_codebooks_are_widened_where_the_weight_is_wider() -> None:
    array = np.array([0, 2.0**100, 2.0**100, -(2.0**90)], np.float32)
    narrow = encode_weight(array)
    wide = without_bfloat16(narrow)
    assert (narrow.codebook.dtype, wide.codebook.dtype) == (ml_dtypes.bfloat16, np.float32)
    assert_comes_back(wide, array)
    same = encode_weight(array.astype(ml_dtypes.bfloat16))
    assert without_bfloat16(same) is same


# Groups.


def grouped_weight(groups: int, each: int, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Every group has ``each`` values of its own, and zero; they are on no grid."""
    rng = np.random.default_rng(0)
    tables = np.concatenate([np.zeros((groups, 1)), rng.permutation(groups * each).reshape(groups, each) + 1], axis=1)
    index = np.arange(shape[axis]) // (shape[axis] // groups)
    group = np.broadcast_to(index.reshape([-1 if a == axis else 1 for a in range(len(shape))]), shape)
    return np.sqrt(tables)[group, rng.integers(0, each + 1, shape)].astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "axis"), [((12, 5000), 0), ((500, 12, 10), 1), pytest.param((5000, 12), -1, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("groups", "each"), [(1, 255), (1, 3), (2, 100), (4, 15), (4, 100), (4, 255), (12, 85)])
def test_groups_are_found(shape: tuple[int, ...], axis: int, groups: int, each: int) -> None:
    array = grouped_weight(groups, each, shape, axis % len(shape))
    encoded = encode_weight(array, group_axis=axis)
    assert encoded.codebook.shape == (groups, 1 + each)
    assert encoded.group_axis == axis % len(shape)
    assert_comes_back(encoded, array)


def test_groups_with_fewer_values_are_padded() -> None:
    array = np.stack([np.arange(3000) % 250, np.arange(3000) % 7 + 1000]).astype(np.float32) / 3
    encoded = encode_weight(array)
    assert encoded.codebook.shape == (2, 250)
    assert not encoded.codebook[1, 8:].any()
    assert_same_bits(decode_weight(encoded), array)


# Grids.


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("step", [1.0, 0.375, 15 * 2.0**-20, 2.0**-24])
def test_a_grid_of_one_step_is_found(dtype: type, step: float) -> None:
    array = (np.round(np.random.default_rng(0).standard_normal((50, 60)) * 3) * step + 0.0).astype(dtype)
    encoded = encode_weight(array)
    assert (encoded.codebook.dtype, encoded.step.tolist()) == (np.int8, [[step]])
    assert_comes_back(encoded, array)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("shape", "axis"), [((40, 200), 0), ((200, 40), 1), ((20, 16, 3, 3), 0), ((20, 16, 3, 3), 1)])
@pytest.mark.parametrize("bits", [3, 4])
def test_a_grid_for_each_channel_is_found(shape: tuple[int, ...], axis: int, bits: int, dtype: type) -> None:
    array = on_grids(shape, axis, bits, dtype)
    encoded = encode_weight(array, group_axis=axis)
    assert (encoded.codebook.dtype, encoded.step.shape) == (np.int8, (shape[axis], 1))
    assert_comes_back(encoded, array)


def test_a_grid_of_8_bits_for_each_channel_is_found() -> None:
    array = on_grids((40, 600), 0, 8)
    encoded = encode_weight(array)
    assert (encoded.codebook.dtype, encoded.step.shape) == (np.int8, (40, 1))
    assert_comes_back(encoded, array)


def test_channels_of_one_step_are_one_group() -> None:
    integers = np.round(np.random.default_rng(0).standard_normal((12, 4000)) * 40).clip(-127, 127) + 0.0
    steps = np.repeat(np.array([0.375, 11 * 2.0**-9, 13.0]), 4)[:, None]
    encoded = encode_weight((integers * steps).astype(np.float32))
    np.testing.assert_array_equal(encoded.step[:, 0], steps[::4, 0])
    assert_comes_back(encoded, (integers * steps).astype(np.float32))


def test_integers_beyond_8_bits_take_16() -> None:
    array = np.resize(np.array([0, 1, 1000, -32767, 30000, 5, 12, -3], np.float32) * np.float32(13 * 2.0**-19), 400)
    encoded = encode_weight(array)
    assert (encoded.codebook.dtype, encoded.step.tolist()) == (np.int16, [[13 * 2.0**-19]])
    assert_comes_back(encoded, array)


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 2, -0.0, 3],  # -0.0 is not on a grid
        [0, 1, 2, np.inf, 3],
        [0, 1, 2, np.nan, 3],
        [0, 1, 2, 32768 * 3, 3],  # more than 15 bits of integer
        [0, 17, 34 * 2**14, 51, 68],  # 17 is no step, and 17 * 2^15 not an integer of 15 bits
        [0, 2.0**-101, 2.0**-100, 3 * 2.0**-101, 5 * 2.0**-101],
        [0, 2.0**105, 2.0**106, 3 * 2.0**105, 5 * 2.0**105],
        [0, 1e-30, 1e32, 2e32, 3e32],  # whose quotient no float32 holds
        [0, 1.1e38, 2.2e38, 3.3e38, -3.3e38],
        [0, 0.1, 0.2, np.nextafter(np.float32(0.3), np.float32(1)), 0.4],
        [0, 0.1, 0.2, 0.05 * np.sqrt(2), 0.4],
    ],
)
def test_what_is_on_no_grid_is_stored_as_values(values: list[float]) -> None:
    array = np.resize(np.array(values, np.float32), 999)
    encoded = encode_weight(array)
    assert not encoded.step.size
    assert_comes_back(encoded, array)


@pytest.mark.parametrize("step", [0.1, 1 / 3, 0.75 * 0.0317, 1.1e-20])
@pytest.mark.parametrize("smallest", [1, 2, 3])
def test_a_grid_of_rounded_products_is_found_in_float32_alone(step: float, smallest: int) -> None:
    integers = np.round(np.random.default_rng(0).standard_normal((50, 60)) * 9)
    integers = np.where(np.abs(integers) < smallest, 0, integers).astype(np.float32) + np.float32(0)
    array = integers * np.float32(step)
    encoded = encode_weight(array)
    assert encoded.codebook.dtype == np.int8
    assert encoded.step.shape == (1, 1)
    assert_comes_back(encoded, array)
    assert not encode_weight(array.astype(np.float64)).step.size


def test_a_grid_is_not_used_where_its_codebook_is_larger() -> None:
    three, five = (np.resize(np.arange(count, dtype=np.float32), 999) for count in (3, 5))
    assert not encode_weight(three).step.size
    assert encode_weight(five).step.size


# What the encoder refuses.


@pytest.mark.parametrize(
    ("array", "arguments", "message"),
    [
        (np.ones(3), {"index_bits": 0}, "index_bits must be 1..8, got 0"),
        (np.ones(3), {"index_bits": 9}, "index_bits must be 1..8, got 9"),
        (np.ones(3), {"packet": 24}, "packet must be one of 8, 16, 32, 64, 128, 256, got 24"),
        (np.ones(3), {"packet": 512}, "packet"),
        (np.ones((3, 3)), {"group_axis": 2}, r"group_axis must be in -2..1, got 2"),
    ],
)
def test_arguments_out_of_range(array: np.ndarray, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        encode_weight(array, **arguments)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(1, 258.0), "can have 256 distinct values, or as many in each group along axis 0"),
        (np.arange(257.0), "256 distinct values"),
        (np.arange(512.0).reshape(1, -1), "256 distinct values"),
        (np.random.default_rng(0).standard_normal((64, 3, 7, 7)), r"shape \[64, 3, 7, 7\] has more"),
        (np.arange(3), "got int64"),
        (np.ones(3, dtype=np.complex64), "got complex64"),
        (np.broadcast_to(np.float32(1), (2**16, 2**15)), "fewer than 2\\^31 elements"),
    ],
)
def test_refusals(array: np.ndarray, message: str) -> None:
    with pytest.raises(WeightError, match=message):
        encode_weight(array)


def test_256_values_are_the_most() -> None:
    assert encode_weight(np.arange(256) / 3).codebook.shape == (1, 256)
    assert encode_weight(np.arange(1, 257) / 3).codebook.shape == (1, 256)

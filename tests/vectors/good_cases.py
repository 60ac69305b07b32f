"""The good vectors: one weight for each legal case of the format, at the edge of the rule that it exercises."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.slow_encoder import Lengths, draft, encode, seal, with_checksum

SKEWED_13 = dict(enumerate([*range(1, 13), 12]))  # complete codes with codewords of up to 12 bits
SKEWED_16 = dict(enumerate([12] * 6 + [11, *range(9, 0, -1)], start=1))

Case = tuple[np.ndarray, CompressedWeight]


def all_cases() -> dict[str, Case]:
    """Every case by name: the dense weight and its weight group."""
    cases = {build.__name__.removesuffix("_case"): build() for build in BUILDERS}
    cases |= {f"index_bits_{bits}": index_bits_case(bits) for bits in range(1, 9)}
    return cases | {f"packet_{packet}": packet_case(packet) for packet in (8, 16, 64)}


def random_sparse(
    shape: tuple[int, ...], density: float, values: int, dtype: type = np.float32, seed: int = 0
) -> np.ndarray:
    """A weight with about `density` nonzeros, drawn from `values` float32-only values (they do not fit in 16 bits)."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=values).astype(np.float32).astype(dtype)
    return np.where(rng.random(shape) < density, rng.choice(shared, shape), shared.dtype.type(0))


def random_integers(shape: tuple[int, ...], density: float, lowest: int, highest: int, seed: int = 0) -> np.ndarray:
    """About `density` integers from `lowest` to `highest`, those near 0 more often; the others are 0."""
    rng = np.random.default_rng(seed)
    integers = np.round(rng.normal(size=shape) * (highest - lowest) / 5).clip(lowest, highest)
    return np.where(rng.random(shape) < density, integers, 0).astype(np.int16)


def of(array: np.ndarray, **choices: object) -> Case:
    """The case of `array` as the slow encoder writes it."""
    return array, encode(array, **choices)


def index_bits_case(index_bits: int) -> Case:
    """Distances on both sides of the largest gap and of its multiples, with fillers."""
    reach = min(2**index_bits, 255)
    positions = np.cumsum([1, reach - 1, reach, reach + 1, 2 * reach, 2 * reach + 1, 3 * reach])
    array = np.zeros(positions[-1] + reach + 3, np.float32)
    array[positions] = np.tile([0.1, -0.2], 4)[: len(positions)]
    return of(array, index_bits=index_bits)


def packet_case(packet: int) -> Case:
    return of(random_sparse((20, 30), 0.3, 31), packet=packet)


def typical() -> Case:
    return of(random_sparse((24, 40), 0.05, 31), index_bits=5)


def dense() -> Case:
    return of(random_sparse((6, 20), 1.0, 9), gaps=False)


def dense_with_zeros() -> Case:
    return of(random_sparse((6, 20), 0.8, 9), gaps=False)


def every_position_with_gaps() -> Case:
    """All gaps are 1 but the first, which is 0."""
    return of(random_sparse((6, 20), 1.0, 9))


def stored_zeros_with_gaps() -> Case:
    """The code of zero is legal in any entry: here every second one has it, though no distance needs a bridge."""
    array = random_sparse((4, 8), 1.0, 3)
    array[:, ::2] = 0
    parts = draft(array, gaps=False)
    parts.zero = int(np.flatnonzero(parts.codebook[0] == 0)[0])
    parts.gap_lengths, parts.gap_words = {0: 1, 1: 1}, ["0", *["1"] * 31]
    return array, seal(parts)


def first_gap_of_255() -> Case:
    array = np.zeros(300, np.float32)
    array[[255, 256]] = 0.1, -0.1
    return of(array)


def filler_before_the_first() -> Case:
    array = np.zeros(300, np.float32)
    array[[256, 299]] = 0.1, -0.1
    return of(array)


def all_zero() -> Case:
    return of(np.zeros((5, 7), np.float32))


def all_zero_dense() -> Case:
    return of(np.zeros((5, 7), np.float32), gaps=False)


def all_zero_on_a_grid() -> Case:
    return of(np.zeros((5, 7), np.float32), codebook=np.array([[3, 0]], np.int8), step=steps(0.5), zero=1)


def all_zero_int8() -> Case:
    return of(np.zeros((5, 7), np.int8))


def empty_vector() -> Case:
    return of(np.zeros((0,), np.float32))


def empty_matrix() -> Case:
    return of(np.zeros((3, 0), np.float32))


def empty_groups() -> Case:
    return of(np.zeros((0, 3), np.float32), groups=2, codebook=np.array([[0, 1], [0, 2]], np.float16))


def scalar() -> Case:
    return of(np.array(0.1, np.float32))


def scalar_dense() -> Case:
    return of(np.array(0.1, np.float32), gaps=False)


def one_code() -> Case:
    """A lone code: the companion stands for a code that the codebook has."""
    return of(random_sparse((8, 16), 0.2, 1))


def one_code_and_companion_beyond_the_codebook() -> Case:
    return of(np.full((3, 7), 0.1, np.float32), gaps=False)


def one_gap() -> Case:
    array = np.zeros(60, np.float32)
    array[4::4] = np.resize([0.1, 0.2, 0.3], 14)
    return of(array, index_bits=3)


def one_code_one_gap() -> Case:
    array = np.zeros(22, np.float32)
    array[1:] = 0.1
    return of(array)


def codes_256() -> Case:
    array = np.arange(1, 256, dtype=np.float32) / 300
    return of(np.concatenate([array, array[::3]]))


def codes_256_dense() -> Case:
    """No zero among them, which the dense form does not need."""
    array = np.arange(1, 257, dtype=np.float32) / 300
    return of(np.concatenate([array, *[array[::3]] * 5]), gaps=False)


def codes_256_with_low_bits() -> Case:
    return of(np.arange(256, dtype=np.float32) / 300, gaps=False, low_bits=True)


def low_bits_with_gaps() -> Case:
    return of(random_sparse((9, 21), 0.4, 60), low_bits=True)


def low_bits_of_an_odd_number() -> Case:
    return of(random_sparse((7, 9), 1.0, 40), gaps=False, low_bits=True)


def low_bits_of_one_entry() -> Case:
    return of(np.array([0.1], np.float32), gaps=False, low_bits=True)


def low_bits_of_few_codes() -> Case:
    """A lone codeword for all upper bits, whose companion stands for no code."""
    return of(random_sparse((6, 8), 1.0, 5), gaps=False, low_bits=True)


def low_bits_with_listed_symbols() -> Case:
    """The upper bits are not in the order of their frequency, so the table lists multiples of 16."""
    codebook = np.arange(1, 49, dtype=np.float32)[None] / 300
    array = np.concatenate([codebook[0], np.tile(codebook[0, 32:], 9), codebook[0, 16:32]])
    parts = draft(array, gaps=False, low_bits=True, codebook=codebook)
    assert list(parts.code_lengths) != sorted(parts.code_lengths, key=lambda symbol: parts.code_lengths[symbol])
    return array, seal(parts)


def longest_codewords() -> Case:
    array = random_sparse((20, 30), 0.3, 12, seed=2)
    return of(array, index_bits=4, code_lengths=SKEWED_13, gap_lengths=SKEWED_16)


def gaps_256() -> Case:
    """Every gap once."""
    array = np.zeros(255 * 256 // 2 + 1, np.float32)
    array[np.cumsum(np.arange(256))] = np.tile([0.1, 0.2], 128)
    # 256 codewords of 8 bits cannot be written.
    lengths: Lengths = dict.fromkeys(range(256), 8) | {1: 7, 254: 9, 255: 9}
    return of(array, gap_lengths=lengths)


def listed_symbols_in_order() -> Case:
    """A table may list what goes without saying."""
    parts = draft(random_sparse((6, 20), 1.0, 9), gaps=False)
    parts.explicit = {"code"}
    return random_sparse((6, 20), 1.0, 9), seal(parts)


def gap_table_of_12_bytes() -> Case:
    """Gaps 0..3 in the order of their frequency."""
    array = np.zeros(40, np.float32)
    array[[0, 1, 2, 3, 5, 6, 9, 11, 12]] = 0.1
    return of(array, gap_lengths={0: 1, 1: 2, 2: 3, 3: 3})


def two_codewords_for_one_symbol() -> Case:
    """A decoder does not ask whether what codewords stand for is distinct."""
    array = random_sparse((4, 9), 1.0, 2)
    parts = draft(array, gaps=False, code_lengths={0: 1, 1: 2, 2: 2})
    one = with_checksum(seal(parts), code_table=np.array([1, 2, *[0] * 10, 0, 1, 1], np.uint8))
    return array, one


def no_codeword_of_one_bit() -> Case:
    array = random_sparse((16, 16), 0.5, 2)
    lengths = {0: 2, 1: 2, 2: 2, 3: 2}
    return of(array, index_bits=2, code_lengths=lengths, gap_lengths={1: 2, 2: 2, 3: 2, 0: 3, 4: 3})


def full_last_packet() -> Case:
    """The codewords end where a packet does: no fill, and no packet after it."""
    array = random_sparse((8, 16), 1.0, 4)
    case = of(array, gaps=False, code_lengths={0: 2, 1: 2, 2: 2, 3: 2})
    assert case[1].codes.size == 32
    return case


def many_fill_symbols() -> Case:
    """One entry, whose codeword is that of the fill symbols."""
    return of(
        np.array([0.1], np.float32), gaps=False, code_lengths={0: 1, 1: 1}, codebook=np.array([[7, 0.1]], np.float32)
    )


def packets_that_end_early() -> Case:
    """Long codewords, of which one bit to eleven bits do not fit."""
    array = random_sparse((30, 20), 1.0, 13, seed=3)
    return of(array, gaps=False, packet=8, code_lengths=SKEWED_13)


def several_packets() -> Case:
    """Fillers fall on the borders of packets."""
    array = random_sparse((30, 40), 0.12, 7, seed=3)
    array.reshape(-1)[200:500] = 0
    return of(array, index_bits=2, packet=8)


def rank_8() -> Case:
    return of(random_sparse((2, 1, 3, 1, 2, 1, 5, 2), 0.2, 5))


def rank_32() -> Case:
    return of(random_sparse((2, *[1] * 29, 3, 4), 0.4, 5))


def last_position() -> Case:
    array = np.zeros((2, 50), np.float32)
    array[0, 0], array[1, 49] = 0.1, 0.2
    return of(array, index_bits=6)


def trailing_zeros() -> Case:
    array = np.zeros((4, 300), np.float32)
    array[0, :3] = 0.1, 0.2, 0.3
    return of(array)


def grouped(shape: tuple[int, ...], groups: int, axis: int, density: float = 0.4) -> np.ndarray:
    """Each group has values of its own, fewer in every next one."""
    array = np.moveaxis(random_sparse(shape, density, 6), axis, 0).copy()
    for g, part in enumerate(np.split(array, groups)):
        part[part != 0] = np.round(part[part != 0] * (groups - g)) + np.float32(g + 0.1)
    return np.ascontiguousarray(np.moveaxis(array, 0, axis))


def groups_axis_0() -> Case:
    return of(grouped((6, 15), 3, 0), groups=3)


def groups_axis_1() -> Case:
    return of(grouped((5, 8), 4, 1), groups=4, group_axis=1)


def groups_4d_axis_0() -> Case:
    return of(grouped((4, 3, 2, 3), 2, 0), groups=2, index_bits=3)


def groups_4d_axis_1() -> Case:
    return of(grouped((3, 4, 3, 2), 4, 1), groups=4, group_axis=1, gaps=False)


def groups_with_zero_last() -> Case:
    """The code of zero is the same in all groups, and not 0."""
    array, good = groups_axis_0()
    codebook = np.roll(good.codebook, -1, axis=1)
    return of(array, groups=3, codebook=codebook, zero=codebook.shape[1] - 1)


def one_group_any_axis() -> Case:
    return of(random_sparse((4, 8), 0.3, 3), group_axis=7)


def zero_code_of_the_last() -> Case:
    return of(random_sparse((4, 8), 0.3, 3, np.float16), codebook=zero_last((4, 8), 3), zero=3)


def zero_last(shape: tuple[int, ...], values: int) -> np.ndarray:
    """The codebook of `random_sparse` at density 0.3 in float16, rotated."""
    return np.roll(encode(random_sparse(shape, 0.3, values, np.float16)).codebook, -1, axis=1)


def float16_weight() -> Case:
    return of(random_sparse((8, 12), 0.3, 5, np.float16))


def bfloat16_weight() -> Case:
    return of(random_sparse((8, 12), 0.3, 5, ml_dtypes.bfloat16))


def float64_weight() -> Case:
    return of(random_sparse((8, 12), 0.3, 5, np.float64) * np.pi)


def float16_codebook() -> Case:
    case = of(random_sparse((8, 12), 0.3, 5, np.float16).astype(np.float32))
    assert case[1].codebook.dtype == np.float16
    return case


def bfloat16_codebook() -> Case:
    """Values outside the range of float16."""
    case = of(random_sparse((8, 12), 0.3, 5, ml_dtypes.bfloat16).astype(np.float32) * np.float32(2.0**40))
    assert case[1].codebook.dtype == ml_dtypes.bfloat16
    return case


def float32_codebook_of_float64() -> Case:
    case = of(random_sparse((8, 12), 0.3, 5).astype(np.float64))
    assert case[1].codebook.dtype == np.float32
    return case


def wide_codebook() -> Case:
    """A codebook in a larger type than needed: wasteful, not wrong."""
    array = np.zeros((4, 8), np.float32)
    array[1, 2], array[3, 3] = 0.5, -2
    return of(array, codebook=np.array([[0, 0.5, -2]], np.float32))


def subnormal_values() -> Case:
    """Subnormal numbers of float16 and float32 survive the conversion."""
    array = np.zeros(40, np.float32)
    array[[3, 9, 10]] = 2.0**-24, -(2.0**-23), 3 * 2.0**-24
    array[[20, 21]] = 2.0**-149, 2.0**-126
    return of(array)


def subnormal_float16_codebook() -> Case:
    array = np.zeros(40, np.float32)
    array[[3, 9, 10]] = 2.0**-24, -(2.0**-23), 3 * 2.0**-24
    return of(array)


def negative_zero() -> Case:
    array = np.zeros((2, 16), np.float32)
    array[0, 3], array[1, 3], array[1, 4] = -0.0, 0.5, -0.0
    return of(array)


def infinities() -> Case:
    array = np.zeros((2, 16), np.float32)
    array[0, 3], array[1, 3], array[1, 4] = np.inf, 0.5, -np.inf
    return of(array)


def nans() -> Case:
    """Quiet and signalling ones, each with its own bits, in a codebook that is not narrowed for their sake."""
    array = np.zeros((2, 16), np.float32)
    array[0, 3], array[1, 3] = 0.5, -2
    array.view(np.uint32)[1, 5:9] = 0x7FC00000, 0xFFC00000, 0x7FC01234, 0x7F800001
    case = of(array)
    assert case[1].codebook.dtype == np.float32
    return case


def unused_codes() -> Case:
    codebook = np.array([[0, 9, 0.1, 9, 0.2, -9, 0.3, 9, 9]], np.float32)
    return of(np.tile(np.array([0, 0.1, 0.2, 0, 0, 0.3], np.float32), 7), codebook=codebook)


def repeated_codebook_values() -> Case:
    """Two codes for one value."""
    array = np.array([0.1, 0, 0.2, 0.1, 0, 0, 0.2], np.float32)
    parts = draft(
        array, gaps=False, codebook=np.array([[0, 0.1, 0.2, 0]], np.float32), code_lengths=dict.fromkeys(range(4), 2)
    )
    parts.code_words[1] = "11"
    return array, seal(parts)


# Grids and integers.


def steps(*values: float) -> np.ndarray:
    """The steps of groups."""
    return np.array(values, np.float32)[:, None]


def on_grid(
    shape: tuple[int, ...], density: float, largest: int, of_groups: np.ndarray, axis: int = 0, **choices: object
) -> Case:
    """Integers from -largest to largest times the steps of groups along an axis."""
    integers = random_integers(shape, density, -largest, largest)
    kind = np.int8 if largest < 128 else np.int16
    factors = np.repeat(of_groups[:, 0], shape[axis] // len(of_groups))
    factors = factors.reshape([-1 if number == axis else 1 for number in range(len(shape))])
    array = (integers * factors.astype(np.float64)).astype(choices.pop("dtype", np.float32))  # type: ignore[call-overload]
    array[array == 0] = 0
    # The integers may be in any order; in the gap form zero is not the first here.
    codebook = np.unique(integers).astype(kind)[None]
    zero = int(np.flatnonzero(codebook[0] == 0)[0])
    return of(array, codebook=codebook, step=of_groups, groups=len(of_groups), group_axis=axis, zero=zero, **choices)


def grid_dense() -> Case:
    return on_grid((8, 20), 0.9, 7, steps(0.375), gaps=False)


def grid_with_gaps() -> Case:
    return on_grid((8, 20), 0.2, 30, steps(2.0**-9))


def grid_with_low_bits() -> Case:
    return on_grid((12, 20), 1.0, 127, steps(15 * 2.0**-10), gaps=False, low_bits=True)


def grid_of_int16() -> Case:
    return on_grid((12, 20), 0.6, 3000, steps(13 * 2.0**-20))


def grid_of_each_row() -> Case:
    return on_grid((5, 40), 1.0, 7, steps(0.5, 9 * 2.0**-6, 11.0, 2.0**-30, 15.0), gaps=False)


def grid_of_each_column() -> Case:
    return on_grid((10, 6), 0.5, 7, steps(0.5, 9 * 2.0**-6, 11.0, 2.0**-30, 15.0, 1.0), axis=1)


def grid_of_some_channels() -> Case:
    return on_grid((2, 6, 3, 3), 0.4, 100, steps(0.625, 3.0), axis=1)


def grid_of_smallest_and_largest_step() -> Case:
    return on_grid((2, 30), 0.7, 127, steps(2.0**-100, 2.0**100))


def grid_of_largest_products() -> Case:
    """The largest integers times the steps with most bits are exact in float32."""
    array = (
        np.array([[32767, -32768, 1, 32765], [-32767, 32766, 0, 12345]]) * [[15 * 2.0**-19], [13 * 2.0**90]]
    ).astype(np.float32)
    codebook = np.array([[0, 32767, -32768, 1, 32765, -32767, 32766, 12345]], np.int16)
    return of(array, codebook=codebook, step=steps(15 * 2.0**-19, 13 * 2.0**90), groups=2, gaps=False)


def grid_of_float16() -> Case:
    """Subnormal products, too."""
    return on_grid((8, 20), 0.7, 100, steps(2.0**-24, 0.375), dtype=np.float16)


def grid_of_bfloat16() -> Case:
    return on_grid((8, 20), 0.7, 15, steps(0.375), dtype=ml_dtypes.bfloat16)


def grid_of_float64() -> Case:
    return on_grid((8, 20), 0.7, 2000, steps(15 * 2.0**-90), dtype=np.float64)


def int8_dense() -> Case:
    return of(random_integers((10, 25), 1.0, -128, 127).astype(np.int8), gaps=False)


def int8_with_low_bits() -> Case:
    return of(random_integers((10, 25), 1.0, -128, 127).astype(np.int8), gaps=False, low_bits=True)


def int8_with_gaps() -> Case:
    return of(random_integers((10, 25), 0.2, -128, 127).astype(np.int8))


def int8_of_all_values() -> Case:
    return of(np.arange(-128, 128, dtype=np.int8).reshape(16, 16), gaps=False, low_bits=True)


def int8_in_groups() -> Case:
    array = random_integers((4, 40), 0.8, -6, 6).astype(np.int8)
    array[2:] *= 9
    return of(array, groups=2)


def uint8_dense() -> Case:
    return of((random_integers((10, 25), 1.0, -128, 127) + 128).astype(np.uint8), gaps=False)


def uint8_with_gaps() -> Case:
    return of(np.abs(random_integers((10, 25), 0.2, -255, 255)).astype(np.uint8))


def int4_dense() -> Case:
    return of(random_integers((9, 11), 1.0, -8, 7).astype(np.int8).astype(ml_dtypes.int4), gaps=False)


def int4_with_gaps() -> Case:
    return of(random_integers((9, 11), 0.2, -8, 7).astype(np.int8).astype(ml_dtypes.int4))


def uint4_dense() -> Case:
    return of((random_integers((9, 11), 1.0, -8, 7) + 8).astype(np.uint8).astype(ml_dtypes.uint4), gaps=False)


def uint4_with_gaps() -> Case:
    return of(np.abs(random_integers((9, 11), 0.2, -15, 15)).astype(np.uint8).astype(ml_dtypes.uint4))


BUILDERS: list[Callable[[], Case]] = [
    typical, dense, dense_with_zeros, every_position_with_gaps, stored_zeros_with_gaps, first_gap_of_255,
    filler_before_the_first, all_zero, all_zero_dense, all_zero_on_a_grid, all_zero_int8, empty_vector, empty_matrix,
    empty_groups, scalar, scalar_dense, one_code, one_code_and_companion_beyond_the_codebook, one_gap,
    one_code_one_gap, codes_256, codes_256_dense, codes_256_with_low_bits, low_bits_with_gaps,
    low_bits_of_an_odd_number, low_bits_of_one_entry, low_bits_of_few_codes, low_bits_with_listed_symbols,
    longest_codewords, gaps_256, listed_symbols_in_order, gap_table_of_12_bytes, two_codewords_for_one_symbol,
    no_codeword_of_one_bit, full_last_packet, many_fill_symbols, packets_that_end_early, several_packets, rank_8,
    rank_32, last_position, trailing_zeros, groups_axis_0, groups_axis_1, groups_4d_axis_0, groups_4d_axis_1,
    groups_with_zero_last, one_group_any_axis, zero_code_of_the_last, float16_weight, bfloat16_weight, float64_weight,
    float16_codebook, bfloat16_codebook, float32_codebook_of_float64, wide_codebook, subnormal_values,
    subnormal_float16_codebook, negative_zero, infinities, nans, unused_codes, repeated_codebook_values, grid_dense,
    grid_with_gaps, grid_with_low_bits, grid_of_int16, grid_of_each_row, grid_of_each_column, grid_of_some_channels,
    grid_of_smallest_and_largest_step, grid_of_largest_products, grid_of_float16, grid_of_bfloat16, grid_of_float64,
    int8_dense, int8_with_low_bits, int8_with_gaps, int8_of_all_values, int8_in_groups, uint8_dense, uint8_with_gaps,
    int4_dense, int4_with_gaps, uint4_dense, uint4_with_gaps,
]  # fmt: skip

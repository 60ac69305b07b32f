"""The good vectors: one weight for each legal case of the format, at the edge of the rule that it exercises."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.slow_encoder import draft, encode, seal

SKEWED_13 = [*range(1, 13), 12]  # complete codes of 13 and 16 symbols with codewords of up to 12 bits
SKEWED_16 = [12] * 6 + [11, *range(9, 0, -1)]

Case = tuple[np.ndarray, CompressedWeight]


def all_cases() -> dict[str, Case]:
    """Every case by name: the dense weight and its weight group."""
    cases = {build.__name__.removesuffix("_case"): build() for build in BUILDERS}
    cases |= {f"index_bits_{bits}": index_bits_case(bits) for bits in range(1, 9)}
    return cases


def random_sparse(
    shape: tuple[int, ...], density: float, values: int, dtype: type = np.float32, seed: int = 0
) -> np.ndarray:
    """A weight with about `density` nonzeros, drawn from `values` float32-only values (they do not fit in 16 bits)."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=values).astype(np.float32).astype(dtype)
    return np.where(rng.random(shape) < density, rng.choice(shared, shape), shared.dtype.type(0))


def of(array: np.ndarray, **choices: object) -> Case:
    """The case of `array` as the slow encoder writes it."""
    return array, encode(array, **choices)


def index_bits_case(index_bits: int) -> Case:
    """Distances on both sides of every power of two up to 2^index_bits, and fillers beyond."""
    reach = 2**index_bits
    positions = np.cumsum([1, reach - 1, reach, reach + 1, 2 * reach, 2 * reach + 1, 3 * reach]) - 1
    array = np.zeros(positions[-1] + reach + 3, np.float32)
    array[positions] = np.tile([0.1, -0.2], 4)[: len(positions)]
    return of(array, index_bits=index_bits)


def typical() -> Case:
    return of(random_sparse((24, 40), 0.05, 31), index_bits=5)


def dense_without_gaps() -> Case:
    return of(random_sparse((6, 20), 1.0, 9), gaps=False)


def zeros_without_gaps() -> Case:
    return of(random_sparse((6, 20), 0.8, 9), gaps=False)


def dense_with_gaps() -> Case:
    return of(random_sparse((6, 20), 1.0, 9))


def stored_zeros_with_gaps() -> Case:
    """Code 0 is legal in any entry: here every second one has it, though no distance needs a bridge."""
    array = random_sparse((4, 8), 1.0, 3)
    array[:, ::2] = 0
    parts = draft(array, gaps=False)
    parts.gap_lengths, parts.gap_bits = [1], ["0" * 32]
    return array, seal(parts)


def all_zero() -> Case:
    return of(np.zeros((5, 7), np.float32))


def all_zero_stored() -> Case:
    return of(np.zeros((5, 7), np.float32), gaps=False)


def empty_vector() -> Case:
    return of(np.zeros((0,), np.float32))


def empty_matrix() -> Case:
    return of(np.zeros((3, 0), np.float32))


def empty_groups() -> Case:
    return of(np.zeros((0, 3), np.float32), groups=2, codebook=np.array([[0, 1], [0, 2]], np.float16))


def scalar() -> Case:
    return of(np.array(0.1, np.float32))


def scalar_zero() -> Case:
    return of(np.array(0, np.float32), gaps=False)


def one_code() -> Case:
    array = random_sparse((8, 16), 0.2, 1)
    return of(array)


def one_gap() -> Case:
    array = np.zeros(60, np.float32)
    array[4::5] = np.tile([0.1, 0.2, 0.3], 4)
    return of(array, index_bits=3)


def one_code_one_gap() -> Case:
    return of(np.full((3, 7), 0.1, np.float32))


def codes_256() -> Case:
    array = np.arange(1, 256, dtype=np.float32) / 300
    return of(np.concatenate([array, array[::3]]))


def codes_256_equal_lengths() -> Case:
    return of(np.arange(256, dtype=np.float32) / 256, gaps=False, code_lengths=[8] * 256)


def longest_codewords() -> Case:
    array = random_sparse((20, 30), 0.3, 12, seed=2)
    return of(array, index_bits=4, code_lengths=SKEWED_13, gap_lengths=SKEWED_16)


def gaps_256() -> Case:
    """Every gap of 8 bits once."""
    array = np.zeros(256 * 257 // 2, np.float32)
    array[np.cumsum(np.arange(1, 257)) - 1] = np.tile([0.1, 0.2], 128)
    return of(array)


def several_chunks() -> Case:
    """Fillers fall on the borders of chunks."""
    array = random_sparse((30, 40), 0.12, 7, seed=3)
    array.reshape(-1)[200:500] = 0
    return of(array, index_bits=2, chunk_size=64)


def several_chunks_without_gaps() -> Case:
    return of(random_sparse((13, 17), 0.9, 7, seed=4), gaps=False, chunk_size=64)


def full_last_chunk() -> Case:
    array = np.zeros(400, np.float32)
    array[:384:3] = np.tile([0.1, 0.2, 0.3, 0.4], 32)
    case = of(array, index_bits=4, chunk_size=64)
    assert case[1].entries == 128
    return case


def chunk_65536() -> Case:
    return of(random_sparse((9, 9), 0.3, 3), chunk_size=65536)


def rank_8() -> Case:
    return of(random_sparse((2, 1, 3, 1, 2, 1, 5, 2), 0.2, 5))


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
    return of(grouped((3, 4, 3, 2), 4, 1), groups=4, group_axis=1, chunk_size=64, gaps=False)


def one_group_any_axis() -> Case:
    return of(random_sparse((4, 8), 0.3, 3), group_axis=7)


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
    """Two codes for one value, and code 3 for a second zero."""
    array = np.array([0.1, 0, 0.2, 0.1, 0, 0, 0.2], np.float32)
    parts = draft(array, gaps=False, codebook=np.array([[0, 0.1, 0.2, 0]], np.float32), code_lengths=[2, 2, 2, 2])
    parts.code_bits = ["01001001110010"]
    return array, seal(parts)


def odd_gap_alphabet_padded() -> Case:
    """Gap lengths may run on with zeros up to 2^index_bits symbols."""
    return of(random_sparse((6, 20), 0.8, 3), index_bits=5, gap_lengths=[2, 2, 2, 3, 4, 4] + 26 * [0])


BUILDERS: list[Callable[[], Case]] = [
    typical, dense_without_gaps, zeros_without_gaps, dense_with_gaps, stored_zeros_with_gaps, all_zero,
    all_zero_stored, empty_vector, empty_matrix, empty_groups, scalar, scalar_zero, one_code, one_gap,
    one_code_one_gap, codes_256, codes_256_equal_lengths, longest_codewords, gaps_256, several_chunks,
    several_chunks_without_gaps, full_last_chunk, chunk_65536, rank_8, last_position, trailing_zeros, groups_axis_0,
    groups_axis_1, groups_4d_axis_0, groups_4d_axis_1, one_group_any_axis, float16_weight, bfloat16_weight,
    float64_weight, float16_codebook, bfloat16_codebook, float32_codebook_of_float64, wide_codebook,
    subnormal_values, subnormal_float16_codebook, negative_zero, infinities, nans, unused_codes,
    repeated_codebook_values, odd_gap_alphabet_padded,
]  # fmt: skip

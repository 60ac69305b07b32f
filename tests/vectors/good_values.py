"""The good vectors of forms, positions, groups and types: one weight for each legal case, at the edge of its rule."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from tests.vectors.slow_encoder import seal
from tests.vectors.weights import Case, draft, encode, grouped, of, random_sparse


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


BUILDERS: list[Callable[[], Case]] = [
    typical, dense, dense_with_zeros, every_position_with_gaps, stored_zeros_with_gaps, first_gap_of_255,
    filler_before_the_first, all_zero, all_zero_dense, empty_vector, empty_matrix, empty_groups, scalar,
    scalar_dense, rank_8, rank_32, last_position, trailing_zeros, groups_axis_0, groups_axis_1, groups_4d_axis_0,
    groups_4d_axis_1, groups_with_zero_last, one_group_any_axis, zero_code_of_the_last, float16_weight,
    bfloat16_weight, float64_weight, float16_codebook, bfloat16_codebook, float32_codebook_of_float64,
    wide_codebook, subnormal_values, subnormal_float16_codebook, negative_zero, infinities, nans, unused_codes,
    repeated_codebook_values,
]  # fmt: skip

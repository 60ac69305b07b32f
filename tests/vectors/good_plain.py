"""The good vectors of plain streams: codes, gaps or both as a byte an entry, in each form and of each kind."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from tests.vectors.good_integers import around, on_grid
from tests.vectors.weights import Case, grouped, of, random_integers, random_sparse, steps

BOTH = ("code", "gap")


def plain_with_gaps() -> Case:
    return of(random_sparse((24, 40), 0.05, 31), index_bits=5, plain=BOTH)


def plain_dense() -> Case:
    return of(random_sparse((6, 21), 0.8, 9), gaps=False, plain=BOTH)


def plain_codes_and_packets_of_gaps() -> Case:
    """Only the gaps must be whole packets."""
    array, weight = of(random_sparse((6, 21), 0.4, 9), packet=64, plain=["code"])
    assert weight.codes.size % 8
    return array, weight


def packets_of_codes_and_plain_gaps() -> Case:
    array, weight = of(random_sparse((6, 21), 0.4, 9), packet=64, plain=["gap"])
    assert weight.gaps.size % 8
    return array, weight


def low_bits_and_plain_gaps() -> Case:
    return of(random_sparse((9, 21), 0.4, 60), low_bits=True, plain=["gap"])


def plain_of_whole_packets() -> Case:
    """As many bytes as packets would have."""
    return of(random_sparse((4, 16), 1.0, 9), plain=BOTH)


def plain_of_one_entry() -> Case:
    return of(np.array([0, 0, 0.1, 0], np.float32), plain=BOTH)


def plain_scalar() -> Case:
    return of(np.array(0.1, np.float32), gaps=False, plain=BOTH)


def plain_codes_256() -> Case:
    array = np.arange(256, dtype=np.float32) / 300
    return of(np.concatenate([array, array[::-3]]), gaps=False, plain=BOTH)


def plain_gaps_256() -> Case:
    """Every gap once, the first one 0."""
    array = np.zeros(255 * 256 // 2 + 1, np.float32)
    array[np.cumsum(np.arange(256))] = np.tile([0.1, 0.2], 128)
    return of(array, plain=BOTH)


def plain_fillers() -> Case:
    """Before the first value, and several in a row; the code of zero is not 0."""
    array = np.zeros(2000, np.float32)
    array[[300, 301, 1400, 1999]] = 0.1, 0.2, 0.1, 0.3
    return of(array, codebook=np.array([[0.1, 0.2, 0, 0.3]], np.float32), zero=2, plain=BOTH)


def plain_groups() -> Case:
    return of(grouped((6, 15), 3, 0), groups=3, plain=BOTH)


def plain_groups_dense() -> Case:
    return of(grouped((3, 4, 3, 2), 4, 1), groups=4, group_axis=1, gaps=False, plain=BOTH)


def plain_float16() -> Case:
    return of(random_sparse((8, 12), 0.3, 5, np.float16), plain=BOTH)


def plain_float64() -> Case:
    return of(random_sparse((8, 12), 0.3, 5, np.float64) * np.pi, plain=BOTH)


def plain_grid_with_gaps() -> Case:
    return on_grid((8, 20), 0.2, 30, steps(2.0**-9), plain=BOTH)


def plain_grid_dense() -> Case:
    return on_grid((12, 20), 1.0, 127, steps(15 * 2.0**-10), gaps=False, plain=BOTH)


def plain_grid_of_each_column() -> Case:
    return on_grid((10, 6), 0.5, 7, steps(0.5, 9 * 2.0**-6, 11.0, 2.0**-30, 15.0, 1.0), axis=1, plain=BOTH)


def plain_int8_with_gaps() -> Case:
    return of(random_integers((10, 25), 0.2, -128, 127).astype(np.int8), plain=BOTH)


def plain_int8_dense() -> Case:
    return of(random_integers((10, 25), 1.0, -128, 127).astype(np.int8), gaps=False, plain=BOTH)


def plain_uint8_with_gaps() -> Case:
    return of(np.abs(random_integers((10, 25), 0.2, -255, 255)).astype(np.uint8), plain=BOTH)


def plain_uint8_around_a_zero_point() -> Case:
    return around(of(np.abs(random_integers((10, 25), 0.2, -100, 100)).astype(np.uint8), plain=BOTH), 128)


def plain_int4_dense() -> Case:
    return of(random_integers((9, 11), 1.0, -8, 7).astype(np.int8).astype(ml_dtypes.int4), gaps=False, plain=BOTH)


def plain_uint4_with_gaps() -> Case:
    return of(np.abs(random_integers((9, 11), 0.2, -15, 15)).astype(np.uint8).astype(ml_dtypes.uint4), plain=BOTH)


BUILDERS: list[Callable[[], Case]] = [
    plain_with_gaps, plain_dense, plain_codes_and_packets_of_gaps, packets_of_codes_and_plain_gaps,
    low_bits_and_plain_gaps, plain_of_whole_packets, plain_of_one_entry, plain_scalar, plain_codes_256,
    plain_gaps_256, plain_fillers, plain_groups, plain_groups_dense, plain_float16, plain_float64,
    plain_grid_with_gaps, plain_grid_dense, plain_grid_of_each_column, plain_int8_with_gaps, plain_int8_dense,
    plain_uint8_with_gaps, plain_uint8_around_a_zero_point, plain_int4_dense, plain_uint4_with_gaps,
]  # fmt: skip

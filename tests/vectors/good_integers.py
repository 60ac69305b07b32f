"""The good vectors of grids and of integers: one weight for each legal case, at the edge of its rule."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from tests.vectors.slow_encoder import INTEGERS, with_checksum
from tests.vectors.weights import Case, of, random_integers, steps


def all_zero_on_a_grid() -> Case:
    return of(np.zeros((5, 7), np.float32), codebook=np.array([[3, 0]], np.int8), step=steps(0.5), zero=1)


def all_zero_int8() -> Case:
    return of(np.zeros((5, 7), np.int8))


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


def grid_of_long_steps() -> Case:
    """Steps of 24 significant bits, as float32 weights may have them: most products are rounded."""
    return on_grid((6, 40), 0.7, 3000, steps(0.1, 1 / 3, (2 - 2.0**-23) * 2.0**-7), gaps=False)


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


def around(case: Case, centre: int) -> Case:
    """The same, each integer larger by that of the centre, which is most often."""
    array, weight = case
    stored = INTEGERS[array.dtype]
    codebook = (weight.codebook.astype(int) + centre).astype(stored)
    moved = (array.astype(stored).astype(int) + centre).astype(stored).astype(array.dtype)
    return moved, with_checksum(weight, codebook=codebook)


def uint8_around_a_zero_point() -> Case:
    return around(of(np.abs(random_integers((10, 25), 0.2, -100, 100)).astype(np.uint8)), 128)


def uint8_all_zero_point() -> Case:
    return around(of(np.zeros((5, 7), np.uint8)), 128)


def int8_around_a_zero_point_in_groups() -> Case:
    array = random_integers((4, 40), 0.3, -6, 6).astype(np.int8)
    array[2:] *= 9
    return around(of(array, groups=2), -20)


def uint4_around_a_zero_point() -> Case:
    """An odd number of elements."""
    return around(of(np.abs(random_integers((9, 11), 0.2, -7, 7)).astype(np.uint8).astype(ml_dtypes.uint4)), 8)


def uint8_no_elements_around_a_zero_point() -> Case:
    return around(of(np.zeros((3, 0), np.uint8)), 128)


def int8_fillers_around_a_zero_point() -> Case:
    """Before the first value, and several in a row; the code of zero is not 0."""
    array = np.zeros(2000, np.int8)
    array[[300, 301, 1400, 1999]] = 5, -6, 5, 7
    return around(of(array, codebook=np.array([[5, -6, 0, 7]], np.int8), zero=2), -100)


def int4_all_zero_point() -> Case:
    """The smallest integer, of an odd number of elements."""
    return around(of(np.zeros((3, 5), np.int8).astype(ml_dtypes.int4)), -8)


def int4_dense() -> Case:
    return of(random_integers((9, 11), 1.0, -8, 7).astype(np.int8).astype(ml_dtypes.int4), gaps=False)


def int4_with_gaps() -> Case:
    return of(random_integers((9, 11), 0.2, -8, 7).astype(np.int8).astype(ml_dtypes.int4))


def uint4_dense() -> Case:
    return of((random_integers((9, 11), 1.0, -8, 7) + 8).astype(np.uint8).astype(ml_dtypes.uint4), gaps=False)


def uint4_with_gaps() -> Case:
    return of(np.abs(random_integers((9, 11), 0.2, -15, 15)).astype(np.uint8).astype(ml_dtypes.uint4))


BUILDERS: list[Callable[[], Case]] = [
    all_zero_on_a_grid, all_zero_int8, grid_dense, grid_with_gaps, grid_with_low_bits, grid_of_int16,
    grid_of_long_steps, grid_of_each_row, grid_of_each_column, grid_of_some_channels, grid_of_smallest_and_largest_step,
    grid_of_largest_products, grid_of_float16, grid_of_bfloat16, grid_of_float64, int8_dense, int8_with_low_bits,
    int8_with_gaps, int8_of_all_values, int8_in_groups, uint8_dense, uint8_with_gaps, int4_dense, int4_with_gaps,
    uint4_dense, uint4_with_gaps, uint8_around_a_zero_point, uint8_all_zero_point,
    int8_around_a_zero_point_in_groups, uint4_around_a_zero_point, uint8_no_elements_around_a_zero_point,
    int8_fillers_around_a_zero_point, int4_all_zero_point,
]  # fmt: skip

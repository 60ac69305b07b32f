"""Rounding to int8: integers of one step, or of one a row, whose products no processor's sums of two saturate.

A processor of AVX2 without VNNI multiplies unsigned activations with signed weights and adds each two products in 16
bits, which saturate. With activations of at most 255 they cannot if the two largest integers of one sign that a row has
add up to 128 at most: 255 * 128 < 2^15. Wherever rows are summed in another order, this holds for every two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onnxdc.errors import WeightError
from onnxdc.numeric.arrays import BLOCK, blocks
from onnxdc.numeric.calibrated.factor import Factor
from onnxdc.numeric.calibrated.feedback import ROWS, feed_back, in_order, out_of_order, zeros_stay
from onnxdc.numeric.calibrated.lengths import Prices, column_prices, histogram_of
from onnxdc.numeric.calibrated.steps import LARGEST as BINS
from onnxdc.numeric.grids import grid_of_values

LARGEST: Final = 127  # the largest integer, in magnitude: -128 would make the range uneven
LEAST_ON_GRID: Final = 2  # elements for each value, for a grid that is none by chance
PAIR: Final = 128  # what two integers of one sign may add up to

_MARGIN: Final = 2  # that rounding with feedback may add to the largest integer, or to two of them
_PASSES: Final = 2  # each with the codewords that the one before led to
_COARSER: Final = 1.0625  # for rows that feedback took out of range all the same
_SMALLEST: Final = 2.0**-100  # of weights: there is no step for smaller ones


@dataclass(frozen=True)
class Form:
    """The form of an int8 weight.

    Attributes:
        by_row: Whether rows may have steps of their own, as outputs of a product may, where one step is too coarse.
        pairs: Whether products are summed in pairs; those of a table are not.
        axis: The axis of the weight along which the rows lie, the outputs of a layer or the columns of a table.
    """

    by_row: bool
    pairs: bool
    axis: int

    def matrices(self, array: np.ndarray) -> NDArray[np.float32]:
        """Return a weight as rows, float32 ``[1, rows, n]``."""
        rows = np.moveaxis(array, self.axis, 0)
        return np.ascontiguousarray(rows.reshape(1, len(rows), -1), dtype=np.float32)

    def back(self, matrices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return rows ``[1, rows, n]`` as the weight, of the shape that it has."""
        others = [size for axis, size in enumerate(shape) if axis != self.axis]
        return np.ascontiguousarray(np.moveaxis(matrices.reshape(shape[self.axis], *others), 0, self.axis))


@dataclass(frozen=True)
class RoundedRows:
    """A weight as integers.

    Attributes:
        integers: ``k``, int8, of the shape of what was rounded, ``[g, rows, n]``.
        steps: float32, ``[g, rows]``, all the same if ``one``.
        one: Whether all rows have one step.
    """

    integers: NDArray[np.int8]
    steps: NDArray[np.float32]
    one: bool

    def values(self) -> NDArray[np.float32]:
        """Return ``k * step``, float32, as DequantizeLinear computes it."""
        return self.integers * self.steps[:, :, None]


def least_steps(matrices: NDArray[np.float32], form: Form) -> NDArray[np.float64]:
    """Return the smallest step that the range of int8 leaves each row, float64 ``[g, rows]``; 0 for a row of zeros.

    Args:
        matrices: The weight, float32 ``[g, rows, n]``.
        form: The form.

    Raises:
        WeightError: A value is NaN or infinite, or so small that there is no step for it.
    """
    largest = np.abs(matrices).max(axis=2, initial=0).astype(np.float64)
    if not np.isfinite(largest).all():
        raise WeightError("weights must be finite, got NaN or infinity")
    if 0 < largest.max(initial=0) < _SMALLEST:
        raise WeightError(f"weights must not all be below 2^-100, got at most {largest.max():.3g}")
    steps = largest / (LARGEST - _MARGIN)
    if form.pairs:
        for sign in (1, -1):
            steps = np.maximum(steps, _two_largest(matrices, sign) / (PAIR - _MARGIN))
    return np.asarray(steps)


def round_to_int8(
    matrices: NDArray[np.float32],
    step: float,
    factor: Factor | None,
    form: Form,
    *,
    most: int = 2 * LARGEST,
    pruned: bool = False,
) -> RoundedRows:
    """Round a weight to integers, with regard to the lengths of their codewords. Zeros stay zero, nothing is clipped.

    What is on a grid of one step already, with integers that int8 permits, stays as it is.

    Args:
        matrices: The weight, float32 ``[g, rows, n]``; not changed.
        step: The step that is wanted, above zero, maybe infinite; where the range of int8 does not permit it, all rows
            get the smallest that it permits, or each row its own.
        factor: The factor of the second moments; without, each element is rounded alone.
        form: The form.
        most: How many integers besides zero there may be, 2..254.
        pruned: Whether the zeros are chosen already, as for ``round_with_feedback``; without a factor others may come.

    Raises:
        WeightError: A value is NaN or infinite, or so small that there is no step for it.
    """
    reach = min(LARGEST, most // 2)
    kept = _kept(matrices, reach, form)
    if kept is not None:
        return kept
    least = least_steps(matrices, form) * ((LARGEST - _MARGIN) / max(reach - _MARGIN, 1))
    largest = float(np.abs(matrices).max(initial=0)) or 1.0
    wanted = min(step, largest)
    one = not form.by_row or float(least.max(initial=0)) <= wanted
    if one:
        least[...] = least.max(initial=0)
    steps = np.maximum(least, wanted).astype(np.float32)
    while True:
        rounded = _rounded(matrices, steps, factor, pruned)
        beyond = _beyond(rounded, reach, form)
        if not beyond.any():
            return RoundedRows(rounded.astype(np.int8), steps, one)
        steps[... if one else beyond] *= np.float32(_COARSER)


def _kept(matrices: NDArray[np.float32], reach: int, form: Form) -> RoundedRows | None:
    """Return the integers and the step that a weight has, if int8 permits them; None if it has none of that kind."""
    values = np.unique(matrices)
    if values.size > 2 * reach + 1 or not matrices.any() or matrices.size < LEAST_ON_GRID * values.size:
        return None
    found = grid_of_values(values)
    if found is None:
        return None
    step = np.float32(found[0][0, 0])
    integers = np.rint(matrices / step).astype(np.int16)
    if _beyond(integers, reach, form).any() or not np.array_equal(integers * step, matrices):
        return None
    return RoundedRows(integers.astype(np.int8), np.full(matrices.shape[:2], step, np.float32), one=True)


def _two_largest(matrices: NDArray[np.float32], sign: int) -> NDArray[np.float64]:
    """Return the sum of the two largest magnitudes of one sign in each row, float64 ``[g, rows]``."""
    count = matrices.shape[2]
    if not count:
        return np.zeros(matrices.shape[:2])
    two = np.partition(matrices * np.float32(sign), max(count - 2, 0), axis=2)[:, :, -2:]
    return np.asarray(np.maximum(two, 0).sum(axis=2, dtype=np.float64))


def _beyond(integers: NDArray[np.int16], reach: int, form: Form) -> NDArray[np.bool_]:
    """Tell which rows are out of range, bool ``[g, rows]``."""
    beyond = np.abs(integers).max(axis=2, initial=0) > reach
    if form.pairs:
        for sign in (1, -1):
            beyond |= _two_largest(integers.astype(np.float32), sign) > PAIR
    return np.asarray(beyond)


def _rounded(
    matrices: NDArray[np.float32], steps: NDArray[np.float32], factor: Factor | None, pruned: bool
) -> NDArray[np.int16]:
    """Round in passes, each with the codewords that the one before led to."""
    scales = np.asarray(1 / steps, np.float32)
    integers = np.empty(matrices.shape, np.int16)
    for start in range(0, matrices.shape[1], ROWS):
        rows = slice(start, start + ROWS)
        scaled = matrices[:, rows] * scales[:, rows, None]
        integers[:, rows] = np.rint(np.clip(scaled, -BINS, BINS))
    for _ in range(_PASSES):
        histogram = sum(map(histogram_of, blocks(integers.reshape(-1))), np.zeros(2 * BINS + 1, np.int64))
        if factor is None:
            _choose_alone(matrices, scales, histogram, integers)
        else:
            _choose(matrices, scales, histogram, integers, factor, pruned)
    return integers


def _choose(
    matrices: NDArray[np.float32],
    scales: NDArray[np.float32],
    histogram: NDArray[np.int64],
    integers: NDArray[np.int16],
    factor: Factor,
    pruned: bool,
) -> None:
    """Choose the integers column by column, passing errors on."""
    by_length = Prices(histogram, column_prices(factor.pivots), zero=not pruned)
    for start in range(0, matrices.shape[1], ROWS):
        rows = slice(start, start + ROWS)
        columns = in_order(matrices[:, rows], factor)
        chooser = zeros_stay(by_length, columns)
        columns *= scales[:, None, rows]
        feed_back(columns, factor, chooser)
        integers[:, rows] = out_of_order(columns, factor)


def _choose_alone(
    matrices: NDArray[np.float32],
    scales: NDArray[np.float32],
    histogram: NDArray[np.int64],
    integers: NDArray[np.int16],
) -> None:
    """Choose each integer by itself."""
    chooser = Prices(histogram, column_prices(np.ones((1, 1))))
    at_once = max(1, BLOCK // max(matrices.shape[2], 1))
    for group in range(len(matrices)):
        for start in range(0, matrices.shape[1], at_once):
            rows = slice(start, start + at_once)
            scaled = matrices[group, rows] * scales[group, rows, None]
            integers[group, rows] = chooser.choose(scaled.reshape(1, -1), 0).reshape(scaled.shape)

"""Rounding to a grid: with error feedback where second moments are known, without for tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxdc.numeric.arrays import BLOCK, blocks
from onnxdc.numeric.calibrated.factor import Factor
from onnxdc.numeric.calibrated.feedback import ROWS, feed_back, in_order, out_of_order, zeros_stay
from onnxdc.numeric.calibrated.lengths import Prices, column_prices, distinct, histogram_of
from onnxdc.numeric.calibrated.steps import LARGEST, MAX_NONZERO, fitting_step, next_step

_PASSES: Final = 2  # each with the codewords that the one before led to


@dataclass(frozen=True)
class Rounded:
    """A weight on a grid.

    Attributes:
        integers: ``k``, int16, of the shape of what was rounded: the weight is ``k * step``.
        step: The step, of four significant bits.
        loss: ``trace((W - What) H (W - What)^T)`` with the damped H; without moments the sum of squared errors.
    """

    integers: NDArray[np.int16]
    step: float
    loss: float

    def values(self, dtype: np.dtype) -> np.ndarray:
        """Return ``k * step`` in a floating-point type, without negative zeros."""
        return ((self.integers * self.step) + 0.0).astype(dtype)


Pass: TypeAlias = Callable[[float, NDArray[np.int64], NDArray[np.int16]], float]
"""Rounds a weight, times a scale, to integers, by a histogram of them; returns the loss in squared steps."""


def on_grid(weights: NDArray[np.float32], step: float, most: int, one_pass: Pass) -> Rounded:
    """Round a weight in passes, each with the codewords that the one before led to.

    Args:
        weights: The weight, any shape.
        step: The step that is wanted; the one that is used is of four significant bits, and as large as it takes for at
            most ``most`` nonzero integers.
        most: How many integers besides zero there may be, 1..255.
        one_pass: Rounds it.

    Raises:
        WeightError: A value is NaN or infinite.
    """
    step = fitting_step(weights, step, most)
    integers = np.empty(weights.shape, np.int16)
    while True:
        histogram, loss = _nearest(weights, step), 0.0
        for _ in range(_PASSES):
            loss = one_pass(1 / step, histogram, integers)
            histogram = _counted(integers)
        if distinct(histogram) <= most:
            return Rounded(integers, step, loss * step * step)
        step = next_step(step)


def round_with_feedback(
    matrices: NDArray[np.float32], step: float, factor: Factor, *, most: int = MAX_NONZERO, pruned: bool = False
) -> Rounded:
    """Round matrices column by column, passing errors on, with regard to the lengths of the codewords. Zeros stay zero.

    Args:
        matrices: float32 ``[g, rows, n]``; not changed.
        step: The step that is wanted; the one that is used is of four significant bits, and as large as it takes for at
            most ``most`` nonzero integers.
        factor: The factor of the second moments.
        most: How many integers besides zero there may be, 1..255.
        pruned: Whether the zeros are chosen already: then what is not zero does not become zero, either.

    Raises:
        WeightError: A value is NaN or infinite.
    """
    prices = column_prices(factor.pivots)

    def one_pass(scale: float, histogram: NDArray[np.int64], integers: NDArray[np.int16]) -> float:
        loss, prices_of_all = 0.0, Prices(histogram, prices, zero=not pruned)
        for start in range(0, matrices.shape[1], ROWS):
            rows = slice(start, start + ROWS)
            columns = in_order(matrices[:, rows], factor)
            chooser = zeros_stay(prices_of_all, columns)
            columns *= np.float32(scale)
            loss += feed_back(columns, factor, chooser)
            integers[:, rows] = out_of_order(columns, factor)
        return loss

    return on_grid(matrices, step, most, one_pass)


def round_alone(weights: NDArray[np.float32], step: float, *, most: int = MAX_NONZERO) -> Rounded:
    """Round weights of any shape one by one, with regard to the lengths of codewords; see ``round_with_feedback``."""
    flat = weights.reshape(-1)
    prices = column_prices(np.ones((1, 1)))

    def one_pass(scale: float, histogram: NDArray[np.int64], integers: NDArray[np.int16]) -> float:
        loss, chooser = 0.0, Prices(histogram, prices)
        for start in range(0, flat.size, BLOCK):
            values = flat[None, start : start + BLOCK] * np.float32(scale)
            chosen = chooser.choose(values, 0)
            integers.reshape(-1)[start : start + BLOCK] = chosen[0]
            loss += float(np.square(values - chosen).sum(dtype=np.float64))
        return loss

    return on_grid(weights, step, most, one_pass)


def _nearest(weights: NDArray[np.float32], step: float) -> NDArray[np.int64]:
    scale = np.float32(1 / step)
    return sum(
        (histogram_of(np.rint(block * scale)) for block in blocks(weights.reshape(-1))),
        np.zeros(2 * LARGEST + 1, np.int64),
    )


def _counted(integers: NDArray[np.int16]) -> NDArray[np.int64]:
    return sum(map(histogram_of, blocks(integers.reshape(-1))), np.zeros(2 * LARGEST + 1, np.int64))

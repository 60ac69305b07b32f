"""Pruning by second moments (SparseGPT): which weights can go if the others make up for them, alone or onto a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnxdc.errors import OptionError
from onnxdc.numeric.calibrated.factor import Factor
from onnxdc.numeric.calibrated.feedback import feed_back, in_order, out_of_order, zeros_stay
from onnxdc.numeric.calibrated.lengths import Prices, column_prices
from onnxdc.numeric.calibrated.rounding import Rounded, on_grid
from onnxdc.numeric.calibrated.steps import LARGEST, MAX_NONZERO


def saliency(matrices: NDArray[np.float32], factor: Factor) -> NDArray[np.float32]:
    """Return ``w_j^2 p_j``, float32 ``[g, rows, n]``: the loss of a zero once later columns make up for it."""
    columns = in_order(matrices, factor)
    return out_of_order(np.square(columns) * factor.pivots.astype(np.float32)[:, :, None], factor)


def shared_densities(saliencies: Sequence[NDArray[np.float32]], density: float, least: float) -> list[float]:
    """Return the density of each layer if one threshold holds for all, beyond what each layer keeps in any case.

    Args:
        saliencies: For each layer the saliencies of its weights, any shape, times its importance.
        density: The density of all layers together, 0..1.
        least: The share of its weights, the most salient ones, that each layer keeps in any case, 0..1; with more than
            ``density`` all layers have that.

    >>> shared_densities([np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)], 0.5, 0.25)
    [0.0, 1.0]
    >>> shared_densities([np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)], 0.5, 0.5)
    [0.5, 0.5]
    """
    flat = [_with_kept(values.reshape(-1), least) for values in saliencies]
    every = np.concatenate(flat)
    kept = round(density * every.size)
    threshold = np.partition(every, every.size - kept)[every.size - kept] if kept else np.inf
    return [float(np.count_nonzero(values >= threshold)) / max(values.size, 1) for values in flat]


def _with_kept(saliencies: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return saliencies with infinity for the largest ones, a share of them."""
    kept = round(share * saliencies.size)
    if not kept:
        return saliencies
    largest = np.argpartition(saliencies, saliencies.size - kept)[saliencies.size - kept :]
    raised = saliencies.copy()
    raised[largest] = np.inf
    return raised


def prune_with_feedback(
    matrices: NDArray[np.float32], factor: Factor, density: float
) -> tuple[NDArray[np.float32], float]:
    """Make weights zero and let the others make up for them.

    Args:
        matrices: float32 ``[g, rows, n]``; not changed.
        factor: The factor of the second moments.
        density: The share to keep of each block of columns, 0..1.

    Returns:
        The new matrices, float32 ``[g, rows, n]``, and the loss, see ``feed_back``.

    Raises:
        OptionError: The density is out of range.
    """
    columns = in_order(matrices, factor)
    loss = feed_back(columns, factor, zeros_stay(Masked(factor, density, None), columns))
    return out_of_order(columns, factor) + np.float32(0), loss


def prune_and_round(
    matrices: NDArray[np.float32], factor: Factor, density: float, step: float, *, most: int = MAX_NONZERO
) -> Rounded:
    """Prune and round in one pass: what is pruned becomes zero, and all else the best nonzero integer.

    Args:
        matrices: float32 ``[g, rows, n]``; not changed.
        factor: The factor of the second moments.
        density: The share to keep of each block of columns, 0..1.
        step: The step that is wanted, as for ``round_with_feedback``.
        most: How many integers besides zero there may be, 1..255.

    Raises:
        OptionError: The density is out of range.
        WeightError: A value is NaN or infinite.
    """
    prices = column_prices(factor.pivots)

    def one_pass(scale: float, histogram: NDArray[np.int64], integers: NDArray[np.int16]) -> float:
        nonzero = histogram.copy()
        nonzero[LARGEST] = 0  # zeros are not chosen by length
        columns = in_order(matrices, factor)
        chooser = zeros_stay(Masked(factor, density, Prices(nonzero, prices, zero=False)), columns)
        columns *= np.float32(scale)
        loss = feed_back(columns, factor, chooser)
        integers[...] = out_of_order(columns, factor)
        return loss

    return on_grid(matrices, step, most, one_pass)


class Masked:
    """Chooses zero for the least salient elements of each block, and for others what somebody else chooses.

    Args:
        factor: The factor of the second moments.
        density: The share to keep of each block of columns, 0..1.
        others: Chooses the others; None leaves them as they are.
        scales: What each row was multiplied with, float32 ``[g, rows]``; None if that is the same for all.

    Raises:
        OptionError: The density is out of range.
    """

    def __init__(
        self, factor: Factor, density: float, others: Prices | None, scales: NDArray[np.float32] | None = None
    ) -> None:
        if not 0 <= density <= 1:
            raise OptionError(f"density must be from 0 to 1, got {density}")
        self._pivots, self._density, self._others = factor.pivots.astype(np.float32), density, others
        self._scales = np.float32(1) if scales is None else scales[:, None, :]

    def start_block(self, columns: NDArray[np.float32], start: int) -> None:
        """See the columns of a block, and choose the mask."""
        salient = np.square(columns / self._scales) * self._pivots[:, start : start + columns.shape[1], None]
        pruned = salient.size - round(self._density * salient.size)
        self._start, self._kept = start, np.zeros(columns.shape, bool)
        self._kept.reshape(-1)[np.argpartition(salient.reshape(-1), pruned - 1)[pruned:] if pruned else slice(None)] = (
            True
        )

    def choose(self, column: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """Return the values for column number ``index``."""
        others = column if self._others is None else self._others.choose(column, index)
        return np.where(self._kept[:, index - self._start], others, np.float32(0))

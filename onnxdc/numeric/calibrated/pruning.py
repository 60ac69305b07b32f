"""Pruning by second moments: which elements can go if the others make up for them, and what these become.

The mask is found by the alternating direction method of multipliers (Boyd et al. 2011, section 9.1) with a growing
penalty (Meng et al. 2024, "ALPS", section 3), the values by conjugate gradients on what the mask keeps. Everything is
counted in units of the standard deviation of a column, so that all elements of a layer are on one scale.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from onnxdc.errors import OptionError, WeightError

_ROUNDS: Final = 40
_PENALTY: Final = 0.02  # at the beginning, of the mean eigenvalue; it grows each few rounds
_GROWTH: Final = 1.4
_EACH: Final = 3
_FITTING: Final = 10  # steps of conjugate gradients
_TINY: Final = np.float32(1e-30)


def prune(
    matrices: NDArray[np.float32], second: NDArray[np.float64], damping: NDArray[np.float64], density: float
) -> NDArray[np.float32]:
    """Make elements zero, and the others what makes up for that best. Zeros stay zero.

    Args:
        matrices: The weight, float32 ``[g, rows, n]``; not changed.
        second: The second moments of its inputs, ``H``, float64 ``[g, n, n]``.
        damping: What to add to the diagonal of each, above zero, float64 ``[g]``.
        density: The share of all elements to keep, 0..1.

    Returns:
        The new matrices, float32 ``[g, rows, n]``: those of a mask for which ``trace((W - What) H (W - What)^T)``, with
        the damped H, is least or nearly so.

    Raises:
        OptionError: The density is out of range.
        WeightError: A value is NaN or infinite.
    """
    if not 0 <= density <= 1:
        raise OptionError(f"density must be from 0 to 1, got {density}")
    if not np.isfinite(matrices).all():
        raise WeightError("weights must be finite, got NaN or infinity")
    kept = round(density * matrices.size)
    if np.count_nonzero(matrices) <= kept:
        return matrices.copy()
    correlations, unit = _correlations(second, damping)
    scaled = matrices * unit
    return _fitted(scaled, correlations, _pruned(scaled, correlations, kept)) / unit + np.float32(0)


def _correlations(
    second: NDArray[np.float64], damping: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the damped moments with a diagonal of ones, ``[g, n, n]``, and the deviations, ``[g, 1, n]``."""
    damped = second + damping[:, None, None] * np.eye(second.shape[2])
    unit = np.sqrt(np.diagonal(damped, axis1=1, axis2=2))[:, None]
    damped /= unit
    damped /= unit.transpose(0, 2, 1)
    return damped.astype(np.float32), unit.astype(np.float32)


def _pruned(matrices: NDArray[np.float32], moments: NDArray[np.float32], kept: int) -> NDArray[np.float32]:
    """Return matrices with so many nonzeros, chosen for what all other zeros cost once these make up for them."""
    gains, directions = np.linalg.eigh(moments)
    back = directions.transpose(0, 2, 1)
    target, zero = matrices @ moments, matrices == 0
    penalty, sparse, price = np.float32(_PENALTY), matrices, np.zeros_like(matrices)
    for done in range(1, _ROUNDS + 1):
        dense = ((target + penalty * sparse - price) @ directions / (gains[:, None] + penalty)) @ back
        wanted = dense + price / penalty
        wanted[zero] = 0
        sparse = _largest(wanted, kept)
        price += penalty * (dense - sparse)
        if done % _EACH == 0:
            penalty *= np.float32(_GROWTH)
    return sparse


def _largest(matrices: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return matrices with zeros for all elements but so many of the largest magnitudes."""
    flat, largest = matrices.reshape(-1), np.zeros(matrices.size, np.float32)
    if count:
        chosen = np.argpartition(np.abs(flat), flat.size - count)[flat.size - count :]
        largest[chosen] = flat[chosen]
    return largest.reshape(matrices.shape)


def _fitted(
    matrices: NDArray[np.float32], moments: NDArray[np.float32], pruned: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the best values for the nonzeros of pruned matrices, by conjugate gradients, each row by itself."""
    mask = pruned != 0
    fitted = pruned.copy()
    left = (matrices - fitted) @ moments * mask
    towards, size = left.copy(), _squared(left)
    for _ in range(_FITTING):
        change = towards @ moments * mask
        length = size / np.maximum((towards * change).sum(axis=2, keepdims=True), _TINY)
        fitted += length * towards
        left -= length * change
        before, size = size, _squared(left)
        towards = left + size / np.maximum(before, _TINY) * towards
    return fitted


def _squared(matrices: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.square(matrices).sum(axis=2, keepdims=True))

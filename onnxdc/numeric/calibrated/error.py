"""What a changed weight does to the outputs of its layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def output_error(change: NDArray[np.floating], second: NDArray[np.float64]) -> float:
    """Return ``trace(dW H dW^T)``, summed over groups, in float64: the mean squared change of the outputs.

    Args:
        change: ``dW``, ``[g, rows, n]``; the weight itself for the signal.
        second: ``H``, float64 ``[g, n, n]``.

    >>> output_error(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 0.0], [0.0, 3.0]]]))
    13.0
    """
    total = 0.0
    for matrix, moments in zip(change.astype(np.float64), second, strict=True):
        total += float(np.einsum("rn,rn->", matrix @ moments, matrix))
    return total


def mean_change(change: NDArray[np.floating], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``dW m``, float64 ``[g, rows]``: the constant part of the change of the outputs, which a bias can undo.

    Args:
        change: ``dW = W - What``, ``[g, rows, n]``.
        mean: ``m``, float64 ``[g, n]``.

    >>> mean_change(np.array([[[1.0, 2.0]]]), np.array([[0.5, 3.0]])).tolist()
    [[6.5]]
    """
    return np.asarray(np.einsum("grn,gn->gr", change.astype(np.float64), mean))

"""What zeros cost by second moments, and how many of them each layer gets by that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnxdc.numeric.calibrated.factor import Factor
from onnxdc.numeric.calibrated.feedback import in_order, out_of_order


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

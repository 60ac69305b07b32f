"""Small layers with inputs that depend on each other."""

from __future__ import annotations

import numpy as np

from onnxdc.numeric.calibrated.factor import Factor, factor


def inputs(rows: int, groups: int, columns: int, seed: int = 0) -> np.ndarray:
    """Correlated inputs of different sizes with means of their own, float32 ``[rows, g, n]``."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((groups, columns, columns)) * np.geomspace(0.1, 3, columns)
    x = np.einsum("rgn,gnm->rgm", rng.standard_normal((rows, groups, columns)), mixing)
    return (x + rng.standard_normal((groups, columns))).astype(np.float32)


def moments_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean ``[g, n]`` and the centred second moments ``[g, n, n]`` in float64."""
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    return mean, np.einsum("rgn,rgm->gnm", x - mean, x - mean) / len(x)


def layer(groups: int, rows: int, columns: int, damping: float = 0.01, seed: int = 0) -> tuple[np.ndarray, Factor]:
    """Matrices, float32 ``[g, rows, n]``, and the factor of the moments of their inputs."""
    second = moments_of(inputs(500, groups, columns, seed))[1]
    weights = np.random.default_rng(seed + 1).standard_normal((groups, rows, columns)).astype(np.float32)
    return weights, factor(second, damping)


def damped(made: Factor) -> np.ndarray:
    """The damped H that a factor is of, ``[g, n, n]``, in the order of the weights."""
    lower = made.lower.astype(np.float64)
    second = np.linalg.inv(lower @ lower.transpose(0, 2, 1))
    back = np.argsort(made.order, axis=1)
    return np.stack([each[np.ix_(order, order)] for each, order in zip(second, back, strict=True)])


def trace_loss(change: np.ndarray, second: np.ndarray) -> float:
    """``trace(dW H dW^T)``, summed over groups, by definition."""
    return float(sum(np.trace(d @ h @ d.T) for d, h in zip(change.astype(np.float64), second, strict=True)))

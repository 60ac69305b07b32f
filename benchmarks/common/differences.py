"""How far the outputs of a model are from those of another one, and which classes they name."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from common.sessions import Outputs


def relative_difference(outputs: Outputs, reference: Outputs) -> float:
    """Return the largest max|a - b| / max|b| of all outputs, b being the reference; NaN if there is one in any."""
    return float(np.max([np.abs(a - b).max() / (np.abs(b).max() or 1.0) for a, b in _pairs(outputs, reference)]))


def relative_l2(outputs: Outputs, reference: Outputs) -> float:
    """Return the L2 norm of the difference of all outputs over that of the reference."""
    sums = [(np.square(a - b).sum(), np.square(b).sum()) for a, b in _pairs(outputs, reference)]
    return math.sqrt(sum(difference for difference, _ in sums) / sum(square for _, square in sums))


def cosine(outputs: Outputs, reference: Outputs) -> float:
    """Return the cosine of the angle between the first outputs, as vectors."""
    a, b = next(_pairs(outputs, reference))
    return float(a.ravel() @ b.ravel() / (np.linalg.norm(a) * np.linalg.norm(b)))


def best_classes(outputs: Outputs) -> np.ndarray:
    """Return five classes for each item, the best first, by the first output: int64 ``[items, 5]``."""
    scores = outputs[0].reshape(len(outputs[0]), -1)
    return np.argsort(-scores, axis=1, kind="stable")[:, :5]


def _pairs(outputs: Outputs, reference: Outputs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the outputs and those of the reference, in float64."""
    return ((a.astype(np.float64), b.astype(np.float64)) for a, b in zip(outputs, reference, strict=True))

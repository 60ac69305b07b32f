"""A weight as one looks at it: how its values are spread, and the bits that an ideal code of them takes."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnxdc.numeric.arrays import CACHED, bit_patterns, blocks
from onnxdc.numeric.integers import entropy

BINS: Final = 41  # odd, so that one bin has zero in its middle
_SPREAD: Final = 3.5  # root mean squares to either side, a choice: one in 2,000 normal values lies beyond
_MOST_PATTERNS: Final = 1 << 16


def reach_of(values: np.ndarray) -> float:
    """Return how far from zero a histogram goes: 3.5 root mean squares of nonzeros, or the largest magnitude if less.

    >>> reach_of(np.array([3.0, 0.0, -3.0]))
    3.0
    """
    squares = largest = 0.0
    nonzeros = 0
    for block in blocks(values.reshape(-1), CACHED):
        wide = np.abs(_finite(block))
        squares += float(np.square(wide).sum())
        nonzeros += int(np.count_nonzero(wide))
        largest = max(largest, float(wide.max(initial=0.0)))
    return min(largest, _SPREAD * float(np.sqrt(squares / max(1, nonzeros))))


def histogram(values: np.ndarray, reach: float) -> tuple[int, ...]:
    """Count the nonzeros of a weight in BINS bins from -reach to reach; what lies outside is in the outer bins.

    >>> sum(histogram(np.array([0.0, 1.0, -9.0]), reach=2.0))
    2
    """
    counts = np.zeros(BINS, np.int64)
    if reach <= 0:
        return tuple(counts.tolist())
    for block in blocks(values.reshape(-1), CACHED):
        nonzero = _finite(block[block != 0])
        bins = np.floor((nonzero / reach + 1) / 2 * BINS)
        counts += np.bincount(np.clip(bins, 0, BINS - 1).astype(np.int64), minlength=BINS)
    return tuple(counts.tolist())


def _finite(block: np.ndarray) -> np.ndarray:
    """Return the finite elements of a block as float64: what is none has no place in a picture."""
    wide = block.astype(np.float64)
    finite: np.ndarray = wide[np.isfinite(wide)]
    return finite


def value_entropy(values: np.ndarray) -> float | None:
    """Return the bits an element of an ideal code of the single values; None if they are more than 65,536 different.

    >>> value_entropy(np.float32([0.0, 0.0, 1.0, 2.0]))
    1.5
    """
    patterns = bit_patterns(np.ascontiguousarray(values).reshape(-1))
    found: dict[int, int] = {}
    for block in blocks(patterns, CACHED):
        for pattern, count in zip(*(each.tolist() for each in np.unique(block, return_counts=True)), strict=True):
            found[pattern] = found.get(pattern, 0) + count
        if len(found) > _MOST_PATTERNS:
            return None
    return entropy(np.fromiter(found.values(), np.int64, len(found)))

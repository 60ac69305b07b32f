"""Exact 1-D k-means: Lloyd's iterations on sorted values, where a cluster is a range and its sum two prefix sums."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from onnxdc.numeric.arrays import blocks

Init = Literal["linear", "density", "random"]
INITS: tuple[Init, ...] = get_args(Init)
MAX_ITERATIONS = 300  # as scikit-learn has it


def kmeans(
    values: np.ndarray, clusters: int, *, init: Init = "linear", seed: int = 0, max_iterations: int = MAX_ITERATIONS
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster sorted nonzero values.

    Each iteration takes O(clusters log n), and no table over n and clusters is made.

    A value halfway between two centroids goes to the lower one. A cluster that runs empty is seeded anew inside the
    cluster that spreads most. The result depends on nothing but the arguments.

    Args:
        values: The values, float32 or float64 ``[n]``, rising, none beyond 1e150, more than ``clusters`` of them
            distinct.
        clusters: The number of clusters, 1 or more.
        init: What the centroids start from (Han et al. 2016, section 3.2): ``linear``, evenly spaced between the
            extremes of the negative values and between those of the positive ones; ``density``, spaced evenly on the
            cumulative distribution; ``random``, at values drawn at random (Forgy).
        seed: The seed of ``random``; the others do not use it.
        max_iterations: The number of iterations after which to stop if the clusters still change.

    Returns:
        The centroids, float64 ``[k]``, rising, and the splits, int64 ``[k+1]``: cluster ``j`` is
        ``values[splits[j]:splits[j+1]]``, and is not empty. ``k`` is ``clusters``, or less if iterations ran out with
        empty clusters.

    >>> centroids, splits = kmeans(np.array([-2, -1, 1, 2, 8, 9], dtype=np.float32), 3)
    >>> centroids.tolist(), splits.tolist()
    ([-1.5, 1.5, 8.5], [0, 2, 4, 6])
    """
    prefix = _prefix_sums(values)
    centroids = initial_centroids(values, clusters, init, seed)
    splits = _assign(values, centroids)
    for _ in range(max_iterations):
        centroids = _update(values, prefix, centroids, splits)
        previous, splits = splits, _assign(values, centroids)
        if np.array_equal(splits, previous):
            break
    splits = np.unique(splits)
    return _means(values, prefix, splits), splits


def _prefix_sums(values: np.ndarray) -> np.ndarray:
    """Return the sum of the first ``i`` values at ``i``: float64 ``[n+1]``.

    This is done in blocks, since `cumsum` widens all its input.
    """
    prefix = np.zeros(values.size + 1)
    total = 0.0
    for block, sums in zip(blocks(values), blocks(prefix[1:]), strict=True):
        np.cumsum(block, dtype=np.float64, out=sums)
        sums += total
        total = sums[-1]
    return prefix


def _assign(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the start of each cluster, and the end. A value on the boundary itself belongs to the lower cluster."""
    middle = (centroids[:-1] + centroids[1:]) / 2
    # Rounded down to the type of the values, the boundary separates the same values.
    boundary = middle.astype(values.dtype)
    boundary = np.where(boundary > middle, np.nextafter(boundary, values.dtype.type(-np.inf)), boundary)
    return np.concatenate([[0], np.searchsorted(values, boundary, side="right"), [values.size]])


def _means(values: np.ndarray, prefix: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Return the means of clusters of which none is empty, never outside of them by rounding."""
    means: np.ndarray = np.diff(prefix[splits]) / np.diff(splits)
    return means.clip(values[splits[:-1]], values[splits[1:] - 1])


def _update(values: np.ndarray, prefix: np.ndarray, centroids: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Return the means of the clusters, and a new centroid for each empty one if that is possible, rising."""
    filled = np.unique(splits)
    means = _means(values, prefix, filled)
    empty = centroids.size - means.size
    if empty == 0:
        return means
    # Halfway from the mean to the farther end: nearer to that end, so it takes at least one value along.
    low, high = values[filled[:-1]], values[filled[1:] - 1]
    end = np.where(means - low > high - means, low, high)
    spread = np.diff(filled) * (end - means) ** 2
    widest = np.argsort(-spread, kind="stable")[:empty]
    seeds = (means[widest] + end[widest]) / 2
    # More empty clusters than clusters to halve: the rest stay empty, on a mean, until the next iteration.
    idle = np.full(empty - seeds.size, means[0])
    return np.sort(np.concatenate([means, seeds, idle]))


def initial_centroids(values: np.ndarray, clusters: int, init: Init, seed: int) -> np.ndarray:
    """Return the rising centroids to start from, float64 ``[clusters]``."""
    if init == "linear":
        return _linear(values, clusters)
    if init == "density":
        at = ((np.arange(clusters) + 0.5) * (values.size / clusters)).astype(np.int64)
    elif init == "random":
        at = np.sort(np.random.default_rng(seed).choice(values.size, clusters, replace=False))
    else:
        raise ValueError(f"init must be one of {', '.join(INITS)}, got {init!r}")
    return values[at].astype(np.float64)


def _linear(values: np.ndarray, clusters: int) -> np.ndarray:
    """Return evenly spaced centroids in both tails.

    A pruned layer has a gap around zero, in which centroids would be wasted.
    """
    negative = int(np.searchsorted(values, values.dtype.type(0)))  # a plain 0 would widen all values
    if clusters == 1 or negative in (0, values.size):
        return _evenly_spaced(values, clusters)
    tails = values[:negative], values[negative:]
    below, above = (float(tail[-1]) - float(tail[0]) for tail in tails)
    share = clusters * (below / (below + above) if below + above else 0.5)
    count = min(max(round(share), 1), clusters - 1)
    return np.concatenate([_evenly_spaced(tails[0], count), _evenly_spaced(tails[1], clusters - count)])


def _evenly_spaced(tail: np.ndarray, count: int) -> np.ndarray:
    """Return values from the first to the last of ``tail``, the extremes included: float64 ``[count]``."""
    low, high = float(tail[0]), float(tail[-1])
    return np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])

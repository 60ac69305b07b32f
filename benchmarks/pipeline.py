"""Prunes, shares and encodes weights of VGG-16's shapes, and sets scikit-learn's k-means beside the sharing.

Usage: python benchmarks/pipeline.py

The 138 million float32 weights are drawn with a fixed seed, written to temporary files and memory-mapped from there.
Bits, index bits and densities are those of Han et al. 2016, with one density for all convolutions. Exits with 1 if a
target is missed. scikit-learn comes with the extra ``test``.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from onnxdc.numeric.codebook import share
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.kmeans import initial_centroids
from onnxdc.numeric.pruning import prune


class Layer(NamedTuple):
    name: str
    shape: tuple[int, ...]
    density: float
    bits: int
    index_bits: int


CHANNELS = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
CONVOLUTIONS = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3", "5_1", "5_2", "5_3"]
LAYERS = [
    *(
        Layer(f"conv{name}", (outputs, inputs, 3, 3), 0.33, 8, 8)
        for name, inputs, outputs in zip(CONVOLUTIONS, CHANNELS[:-1], CHANNELS[1:], strict=True)
    ),
    Layer("fc6", (4096, 25088), 0.04, 5, 5),
    Layer("fc7", (4096, 4096), 0.04, 5, 5),
    Layer("fc8", (1000, 4096), 0.23, 5, 5),
]
LARGEST = LAYERS[-3]
CLUSTERS = 32
ROUNDS = 3
MB = 1_000_000
SECONDS_TARGET = 60
SPEEDUP_TARGET = 20


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder))
        seconds, peak, nonzeros = run_pipeline(Path(folder))
    size = 4 * np.prod(LARGEST.shape)
    peak_target = 300 * MB + 6 * size
    speedup = compare_kmeans(nonzeros)
    print(f"pipeline      {seconds:8.1f} s   target {SECONDS_TARGET} s")
    print(f"peak memory   {peak / MB:8.0f} MB  target {peak_target / MB:.0f} MB (mapped pages of the input included)")
    print(f"k-means ratio {speedup:8.1f}     target {SPEEDUP_TARGET}")
    return int(seconds > SECONDS_TARGET or peak > peak_target or speedup < SPEEDUP_TARGET)


def write_weights(folder: Path) -> None:
    """One .npy file a layer, a row of the weight at a time."""
    rng = np.random.default_rng(0)
    for layer in LAYERS:
        weight = np.lib.format.open_memmap(folder / f"{layer.name}.npy", "w+", np.float32, layer.shape)
        for row in weight:
            row[...] = rng.standard_normal(row.shape, dtype=np.float32) * 0.01


def run_pipeline(folder: Path) -> tuple[float, int, np.ndarray]:
    """Prints a row a layer; returns the seconds in all, the peak of resident memory in bytes, and fc6's nonzeros."""
    print("layer          elements  density   prune   share  encode      bytes   ratio")
    total = np.zeros(3)
    for layer in LAYERS:
        weight = np.load(folder / f"{layer.name}.npy", mmap_mode="r")
        times = [time.perf_counter()]
        pruned = prune(weight, density=layer.density)
        times.append(time.perf_counter())
        shared = share(pruned, bits=layer.bits)
        times.append(time.perf_counter())
        encoded = encode_weight(shared, index_bits=layer.index_bits)
        times.append(time.perf_counter())
        total += np.diff(times)
        prune_s, share_s, encode_s = np.diff(times)
        print(
            f"{layer.name:10} {weight.size:12} {layer.density:8.2f} {prune_s:7.2f} {share_s:7.2f} {encode_s:7.2f}"
            f" {encoded.nbytes:10} {weight.nbytes / encoded.nbytes:7.1f}",
            flush=True,
        )
        if layer is LARGEST:
            nonzeros = pruned[pruned != 0]
        del pruned, shared, encoded, weight
    print(f"{'all':32}" + "".join(f"{seconds:8.2f}" for seconds in total))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return float(total.sum()), peak, nonzeros


def compare_kmeans(nonzeros: np.ndarray) -> float:
    """How many times longer scikit-learn takes than `share` to cluster the same values from the same centroids.

    The two take turns; the medians of their times are compared.
    """
    initial = initial_centroids(np.sort(nonzeros), CLUSTERS, "linear", 0).astype(np.float32)
    seconds = np.empty((ROUNDS, 2))
    for row in seconds:
        start = time.perf_counter()
        shared = share(nonzeros, centroids=CLUSTERS + 1)
        row[0] = time.perf_counter() - start
        start = time.perf_counter()
        reference = KMeans(CLUSTERS, init=initial[:, None], n_init=1).fit(nonzeros[:, None])
        row[1] = time.perf_counter() - start
    ours, theirs = np.median(seconds, axis=0)
    error = float(np.square(shared.astype(np.float64) - nonzeros).sum())
    print(f"k-means of {nonzeros.size} nonzeros of {LARGEST.name}, {CLUSTERS} clusters, median of {ROUNDS}")
    print(f"  onnxdc        {ours:6.2f} s   squared error {error:.4f}")
    print(f"  scikit-learn  {theirs:6.2f} s   squared error {reference.inertia_:.4f}, {reference.n_iter_} iterations")
    return float(theirs / ours)


if __name__ == "__main__":
    sys.exit(main())

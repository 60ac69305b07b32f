"""Prunes, shares and encodes weights of VGG-16's shapes, and compares the sharing with scikit-learn's k-means.

Usage: python benchmarks/pipeline.py [--only LAYER ...] [--runs N]

The 138 million float32 weights are drawn with a fixed seed, written to temporary files and memory-mapped from there.
Bits, index bits and densities are those of Han et al. 2016, with one density for all convolutions. k-means runs on
the nonzeros of the largest layer. Exits with 1 if a target is missed; the targets are those of all layers, so with
--only none counts. scikit-learn comes with the extra ``test``.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from common.program import choose, make_parser, need, run
from onnxdc.numeric.codebook import share
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.kmeans import initial_centroids
from onnxdc.numeric.pruning import prune


class VggLayer(NamedTuple):
    """A layer of VGG-16, and how it is compressed."""

    name: str
    shape: tuple[int, ...]
    density: float
    bits: int
    index_bits: int


CHANNELS: Final = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
CONVOLUTIONS: Final = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3", "5_1", "5_2", "5_3"]
LAYERS: Final = [
    *(
        VggLayer(f"conv{name}", (outputs, inputs, 3, 3), 0.33, 8, 8)
        for name, inputs, outputs in zip(CONVOLUTIONS, CHANNELS[:-1], CHANNELS[1:], strict=True)
    ),
    VggLayer("fc6", (4096, 25088), 0.04, 5, 5),
    VggLayer("fc7", (4096, 4096), 0.04, 5, 5),
    VggLayer("fc8", (1000, 4096), 0.23, 5, 5),
]
CLUSTERS: Final = 32
RUNS: Final = 3
MB: Final = 1_000_000
SECONDS_TARGET: Final = 60
SPEEDUP_TARGET: Final = 20


def main() -> int:
    """Run the pipeline and k-means, and print what they take."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="LAYER", help="layers, such as conv1_1 or fc6")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="of k-means (default: %(default)s)")
    arguments = parser.parse_args()
    names = choose(arguments.only, (layer.name for layer in LAYERS), "layers")
    need("sklearn", "scikit-learn: pip install --editable '.[test]'")
    layers = [layer for layer in LAYERS if layer.name in names]
    largest = max(layers, key=lambda layer: math.prod(layer.shape))
    with tempfile.TemporaryDirectory() as folder:
        write_weights(layers, Path(folder))
        seconds, peak, nonzeros = run_pipeline(layers, largest, Path(folder))
    peak_target = 300 * MB + 6 * 4 * math.prod(largest.shape)
    speedup = compare_kmeans(nonzeros, largest.name, arguments.runs)
    print(f"pipeline      {seconds:8.1f} s   target {SECONDS_TARGET} s")
    print(f"peak memory   {peak / MB:8.0f} MB  target {peak_target / MB:.0f} MB (mapped pages of the input included)")
    print(f"k-means ratio {speedup:8.1f}     target {SPEEDUP_TARGET}")
    missed = seconds > SECONDS_TARGET or peak > peak_target or speedup < SPEEDUP_TARGET
    return int(missed and layers == LAYERS)


def write_weights(layers: Sequence[VggLayer], folder: Path) -> None:
    """Write an .npy file for each layer, a row of the weight at a time."""
    rng = np.random.default_rng(0)
    for layer in layers:
        weight = np.lib.format.open_memmap(folder / f"{layer.name}.npy", "w+", np.float32, layer.shape)
        for row in weight:
            row[...] = rng.standard_normal(row.shape, dtype=np.float32) * 0.01


def run_pipeline(layers: Sequence[VggLayer], largest: VggLayer, folder: Path) -> tuple[float, int, np.ndarray]:
    """Print a row for each layer.

    Returns:
        The seconds in all, the peak of resident memory in bytes, and the nonzeros of the largest layer.
    """
    print("layer          elements  density   prune   share  encode      bytes   ratio")
    total = np.zeros(3)
    nonzeros = np.empty(0, np.float32)
    for layer in layers:
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
        if layer is largest:
            nonzeros = pruned[pruned != 0]
        del pruned, shared, encoded, weight
    print(f"{'all':32}" + "".join(f"{seconds:8.2f}" for seconds in total))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return float(total.sum()), peak, nonzeros


def compare_kmeans(nonzeros: np.ndarray, name: str, runs: int) -> float:
    """Measure how many times longer scikit-learn takes than ``share`` to cluster values from the same centroids.

    The two take turns; the medians of their times are compared.
    """
    from sklearn.cluster import KMeans

    initial = initial_centroids(np.sort(nonzeros), CLUSTERS, "linear", 0).astype(np.float32)
    seconds = np.empty((runs, 2))
    for row in seconds:
        start = time.perf_counter()
        shared = share(nonzeros, centroids=CLUSTERS + 1)
        row[0] = time.perf_counter() - start
        start = time.perf_counter()
        reference = KMeans(CLUSTERS, init=initial[:, None], n_init=1).fit(nonzeros[:, None])
        row[1] = time.perf_counter() - start
    ours, theirs = np.median(seconds, axis=0)
    error = float(np.square(shared.astype(np.float64) - nonzeros).sum())
    print(f"k-means of {nonzeros.size} nonzeros of {name}, {CLUSTERS} clusters, median of {runs}")
    print(f"  onnxdc        {ours:6.2f} s   squared error {error:.4f}")
    print(f"  scikit-learn  {theirs:6.2f} s   squared error {reference.inertia_:.4f}, {reference.n_iter_} iterations")
    return float(theirs / ours)


if __name__ == "__main__":
    sys.exit(run(main))

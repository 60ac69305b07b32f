"""Loads compressed models in onnxruntime without the native library, beside the dense models that they stand for.

Usage: python benchmarks/portable.py [SQUEEZENET.onnx] [MINILM.onnx]

The two layers are drawn with a fixed seed. The models are looked for in the folder ONNXDC_DATA where no path is given,
as squeezenet_v10_han_dc.onnx and minilm.onnx; a missing one is left out and said so. Each session is created three
times, each time in a process of its own, dense and compressed in turn. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from onnxdc.passes.encode import encode
from onnxdc.passes.share import share

MB = 1_000_000
ROUNDS = 3


class Target(NamedTuple):
    name: str
    seconds: float
    peak: float  # bytes


TARGETS = {
    "300x784": Target("300x784", 0.25, 100 * MB),
    "4096x9216": Target("4096x9216", 2.5, 1500 * MB),
    "squeezenet": Target("squeezenet", 3, float("inf")),
    "minilm": Target("minilm", 12, float("inf")),
}
FILES = {"squeezenet": "squeezenet_v10_han_dc.onnx", "minilm": "minilm.onnx"}


def main() -> int:
    if sys.argv[1:2] == ["--load"]:
        return load(sys.argv[2])
    missed = 0
    print("model             bytes   load  dense  over, s (target)    peak over, MB (target)")
    with tempfile.TemporaryDirectory() as name:
        for target, dense in models(Path(name)):
            missed += not measure(target, dense, Path(name) / "small.onnx")
    return int(missed > 0)


def models(folder: Path) -> Iterator[tuple[Target, Path]]:
    """Pairs of a target and the path of a dense model whose weights are shared."""
    for rows, columns, density in ((300, 784, 0.08), (4096, 9216, 0.09)):
        path = folder / "layer.onnx"
        onnx.save(layer(rows, columns, density), path)
        yield TARGETS[f"{rows}x{columns}"], path
    for index, (name, file) in enumerate(FILES.items(), 1):
        path = Path(sys.argv[index]) if len(sys.argv) > index else Path(os.environ.get("ONNXDC_DATA", ".")) / file
        if not path.exists():
            print(f"{name:10} left out: no {path.name} in ONNXDC_DATA, and no path given")
            continue
        ir.save(share(ir.load(path)).model, folder / "shared.onnx")
        yield TARGETS[name], folder / "shared.onnx"


def layer(rows: int, columns: int, density: float) -> onnx.ModelProto:
    """A fully connected layer of 31 shared values, most weights near the middle ones, as k-means leaves them."""
    rng = np.random.default_rng(0)
    codebook = np.sort(rng.normal(size=31)).astype(np.float32)
    codes = np.clip(rng.normal(15, 5, (rows, columns)), 0, 30).astype(np.intp)
    weight = np.where(rng.random((rows, columns)) < density, codebook[codes], np.float32(0))
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, rows])],
        [numpy_helper.from_array(weight, "W")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def measure(target: Target, dense: Path, small: Path) -> bool:
    """Prints a row; whether the targets are reached."""
    ir.save(encode(ir.load(dense)).model, small)
    loads = [[child(path) for path in (dense, small)] for _ in range(ROUNDS)]
    (dense_seconds, dense_peak), (seconds, peak) = (
        [median(row[which][figure] for row in loads) for figure in (0, 1)] for which in (0, 1)
    )
    over, peak_over = seconds - dense_seconds, peak - dense_peak
    print(
        f"{target.name:10} {small.stat().st_size:12,} {seconds:6.2f} {dense_seconds:6.2f}"
        f"  {over:7.2f} ({target.seconds:g})       {peak_over / MB:8.0f} ({target.peak / MB:g})"
    )
    return over <= target.seconds and peak_over <= target.peak


def child(path: Path) -> tuple[float, float]:
    """Seconds and peak resident bytes of a process of its own that creates the session."""
    command = [sys.executable, __file__, "--load", str(path)]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


def load(path: str) -> int:
    start = time.perf_counter()
    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    seconds = time.perf_counter() - start
    # The kernel's own mark starts anew with the program; that of getrusage starts from the parent's.
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(seconds, int(peak.split()[1]) * 1024)
    return 0


if __name__ == "__main__":
    sys.exit(main())

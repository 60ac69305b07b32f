"""Loads compressed models in onnxruntime without the native library, next to the dense models that they stand for.

Usage: python benchmarks/portable.py [SQUEEZENET.onnx] [MINILM.onnx] [--only NAME ...] [--runs N]

The two layers are drawn with a fixed seed. The models are looked for in the folder ONNXDC_DATA where no path is given,
as squeezenet_v10_han_dc.onnx and minilm.onnx; a missing one is left out and said so, unless --only asks for it. Each
session is created three times, each time in a process of its own, dense and compressed in turn. Exits with 1 if a
target is missed, or if something is missing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

import onnxdc
from common.loading import measure_load, median_load
from common.onnx_models import Tensor, make_model
from common.program import choose, make_parser, need_files, run

MB: Final = 1_000_000
RUNS: Final = 3


class Target(NamedTuple):
    """A model, and what loading it may take more than the dense one.

    Attributes:
        name: What to call the model.
        write: What writes the dense model, its weights shared, given its path.
        seconds: The time that it may take more.
        peak: The bytes of memory at the peak that it may take more.
        file: The file that it is made from, None for one that is drawn.
    """

    name: str
    write: Callable[[Path], None]
    seconds: float
    peak: float
    file: Path | None = None


def main() -> int:
    """Measure the models, and print a line for each."""
    folder = Path(os.environ.get("ONNXDC_DATA", "."))
    parser = make_parser(__doc__)
    for name, file in (("squeezenet", "squeezenet_v10_han_dc.onnx"), ("minilm", "minilm.onnx")):
        parser.add_argument(name, nargs="?", type=Path, metavar=f"{name.upper()}.onnx", default=folder / file)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="load these models")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="loads of each (default: %(default)s)")
    arguments = parser.parse_args()
    known = {target.name: target for target in targets(arguments.squeezenet, arguments.minilm)}
    chosen = [known[name] for name in choose(arguments.only, known, "models")]
    missing = [target.file for target in chosen if target.file and not target.file.is_file()]
    if arguments.only:
        need_files(missing)
    missed = 0
    print("model             bytes   load  dense  over, s (target)    peak over, MB (target)")
    for target in chosen:
        if target.file in missing:
            print(f"{target.name:10} left out: no {target.file.name} in ONNXDC_DATA, and no path given")
        else:
            missed += not measure(target, arguments.runs)
    return int(missed > 0)


def targets(squeezenet: Path, minilm: Path) -> list[Target]:
    """Return all models, in the order of the table."""
    return [
        Target("300x784", partial(write_layer, rows=300, columns=784, density=0.08), 0.25, 100 * MB),
        Target("4096x9216", partial(write_layer, rows=4096, columns=9216, density=0.09), 2.5, 1500 * MB),
        Target("squeezenet", partial(write_shared, original=squeezenet), 3, float("inf"), squeezenet),
        Target("minilm", partial(write_shared, original=minilm), 12, float("inf"), minilm),
    ]


def write_shared(path: Path, original: Path) -> None:
    """Write a trained model, its weights shared."""
    onnxdc.share(original).save(path)


def write_layer(path: Path, rows: int, columns: int, density: float) -> None:
    """Write a model of one fully connected layer."""
    onnx.save(layer(rows, columns, density), path)


def layer(rows: int, columns: int, density: float) -> onnx.ModelProto:
    """Make a fully connected layer of 31 shared values, most weights near the middle ones, as k-means leaves them."""
    rng = np.random.default_rng(0)
    codebook = np.sort(rng.normal(size=31)).astype(np.float32)
    codes = np.clip(rng.normal(15, 5, (rows, columns)), 0, 30).astype(np.intp)
    weight = np.where(rng.random((rows, columns)) < density, codebook[codes], np.float32(0))
    node = helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)
    return make_model(
        "layer", [node], Tensor("x", [1, columns]), Tensor("y", [1, rows]), [numpy_helper.from_array(weight, "W")]
    )


def measure(target: Target, runs: int) -> bool:
    """Print the line of a model; tell whether the targets are reached."""
    with tempfile.TemporaryDirectory() as folder:
        dense, small = Path(folder, "dense.onnx"), Path(folder, "small.onnx")
        target.write(dense)
        onnxdc.encode(dense).save(small)
        nbytes = small.stat().st_size
        loads = [(measure_load(dense, "dense"), measure_load(small, "portable")) for _ in range(runs)]
    plain, ours = (median_load(column) for column in zip(*loads, strict=True))
    over, peak_over = ours.seconds - plain.seconds, ours.peak - plain.peak
    print(
        f"{target.name:10} {nbytes:12,} {ours.seconds:6.2f} {plain.seconds:6.2f}"
        f"  {over:7.2f} ({target.seconds:g})       {peak_over / MB:8.0f} ({target.peak / MB:g})",
        flush=True,
    )
    return over <= target.seconds and peak_over <= target.peak


if __name__ == "__main__":
    sys.exit(run(main))

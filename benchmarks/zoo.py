"""Compresses trained models, runs them natively and portably, and holds both runs against the dense model.

Usage: python benchmarks/zoo.py [FOLDER] [--minilm FILE] [--only NAME ...] [--runs N]

FOLDER holds the models and their inputs (default: the environment variable ONNXDC_DATA). Reading images takes pillow.

squeezenet_han, which Han et al. 2016 published pruned and shared, is only encoded: its twin is the original. All other
models go through ``compress`` with its defaults; the twin is the same model folded and shared, but dense. Twins and
portable runs use onnxruntime without the native library.

The columns of the table:
  bytes        of the original file and of the compressed one, and their ratio
  to twin      largest relative difference of the native and of the portable run: max|a - b| / max|b| over all elements
               of an output in all runs, b being the twin's; of all outputs the largest counts
  to original  of the native run: L2 norm of the difference over that of the original, all outputs; cosine between the
               first outputs
  right        percentage of items whose label comes first (in brackets: among the first five) in the original's run, in
               the native and in the portable one
  run          median milliseconds of the twin, one item on one thread, and times of native and portable runs over that
  load         seconds to load the twin, and the compressed model natively and portably, each in a process of its own
  peak         how much the memory of these processes grew, at its peak

Exits with 1 if one of the conditions does not hold, or if something is missing.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

import onnxdc
from common.differences import best_classes, cosine, relative_difference, relative_l2
from common.loading import Load, measure_load
from common.program import add_data, add_minilm, add_runs, choose, data_path, make_parser, need_files, run
from common.sessions import Outputs, Way, load
from common.trained import Inputs, TrainedModel, trained_models
from common.turns import run_times
from onnxdc import model_io
from onnxdc.passes.fold.planned import plan_folded
from onnxdc.recipe import Recipe

WAYS: Final[tuple[Way, ...]] = ("dense", "native", "portable")
TOLERANCE: Final = 1e-4  # of the relative differences to the twin
MB: Final = 1_000_000
# Groups of columns: the heading of each group, and the headings of its columns with their widths.
COLUMNS: Final = (
    ("", {"model": 17}),
    ("bytes", {"original": 9, "small": 8, "ratio": 5}),
    ("to twin", {"native": 8, "portable": 8}),
    ("to original", {"L2": 8, "cosine": 8}),
    ("right, % (of five)", {"original": 13, "native": 13, "portable": 13}),
    ("run, ms and ratios", {"twin": 7, "native": 6, "portable": 8}),
    ("load, s", {"twin": 6, "native": 6, "portable": 8}),
    ("peak, MB", {"twin": 6, "native": 6, "portable": 8}),
)


@dataclass(frozen=True)
class Result:
    """What was measured of one model.

    Attributes:
        model: The model.
        bytes_before: The bytes of the original file.
        bytes_after: The bytes of the compressed file.
        decodes: Whether the compressed file decodes to the twin, byte for byte.
        original: The outputs of the original, in all runs.
        outputs: The outputs of each way.
        labels: The right classes, None where there are none.
        seconds: The time of a run in each way.
        loads: What loading takes in each way.
    """

    model: TrainedModel
    bytes_before: int
    bytes_after: int
    decodes: bool
    original: Outputs
    outputs: dict[Way, Outputs]
    labels: np.ndarray | None
    seconds: list[float]
    loads: list[Load]

    def difference(self, way: Way) -> float:
        """Return the relative difference to the twin."""
        return relative_difference(self.outputs[way], self.outputs["dense"])

    def changed(self, way: Way) -> int:
        """Count the items whose first class is not that of the original."""
        return int(np.sum(best_classes(self.outputs[way])[:, 0] != best_classes(self.original)[:, 0]))


def main() -> int:
    """Measure the models, and print a line for each and the conditions that fail."""
    parser = make_parser(__doc__)
    add_data(parser)
    add_minilm(parser)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these models")
    add_runs(parser)
    arguments = parser.parse_args()
    data = data_path(arguments.folder, "the folder of data: name it")
    models = choose_models(data, arguments.minilm, arguments.only)
    print(headings(), flush=True)
    held = [run_model(model, arguments.runs) for model in models]
    return int(not all(held))


def choose_models(folder: Path, minilm: Path | None, only: Sequence[str] | None) -> list[TrainedModel]:
    """Return the models to run.

    Raises:
        MissingError: There is no such model, or some of the files are not there.
    """
    known = trained_models(folder, minilm)
    models = [known[name] for name in choose(only, known, "models")]
    need_files(path for model in models for path in model.files)
    return models


def run_model(model: TrainedModel, runs: int | None) -> bool:
    """Print the row of one model, and the conditions that it must meet; tell whether all hold."""
    result = measure(model, runs)
    print(row(result), flush=True)
    conditions = list(conditions_of(result))
    for text, holds in conditions:
        if model.encode_only or not holds:
            print(f"{'ok' if holds else 'FAILED':>10}: {model.name}: {text}", flush=True)
    return all(holds for _, holds in conditions)


def measure(model: TrainedModel, runs: int | None) -> Result:
    """Compress a model and run it in every way."""
    inputs = model.load()
    with tempfile.TemporaryDirectory() as folder:
        small, twin, decoded = (Path(folder, f"{name}.onnx") for name in ("small", "twin", "decoded"))
        (onnxdc.encode if model.encode_only else onnxdc.compress)(model.file).save(small)
        make_twin(model, twin)
        onnxdc.decode(small).save(decoded)
        files: dict[Way, Path] = {"dense": twin, "native": small, "portable": small}
        sessions = {way: load(files[way], way, threads=1) for way in WAYS}
        return Result(
            model=model,
            bytes_before=model.file.stat().st_size,
            bytes_after=small.stat().st_size,
            decodes=decoded.read_bytes() == twin.read_bytes(),
            original=run_all(load(model.file, "dense", threads=1), inputs),
            outputs={way: run_all(sessions[way], inputs) for way in WAYS},
            labels=inputs.labels,
            seconds=run_times([sessions[way] for way in WAYS], inputs.single, runs),
            loads=[measure_load(files[way], way) for way in WAYS],
        )


def make_twin(model: TrainedModel, path: Path) -> None:
    """Write what the compressed model was made from, or should decode to: folded and shared, and dense."""
    twin = model_io.load(model.file)
    if not model.encode_only:
        plan_folded(twin, Recipe())  # equal weights are stored once, too, as steps depend on all sizes
        twin = onnxdc.share(twin).model
    model_io.save(twin, path)


def run_all(session: onnxruntime.InferenceSession, inputs: Inputs) -> Outputs:
    """Return the outputs for all feeds, one after the other along the first axis."""
    results = [session.run(None, feed) for feed in inputs.feeds()]
    return [np.concatenate(output) for output in zip(*results, strict=True)]


def headings() -> str:
    """Return two lines: the headings of the groups, and those of the columns."""
    groups = [heading.center(sum(columns.values()) + len(columns) - 1) for heading, columns in COLUMNS]
    return " | ".join(groups) + "\n" + in_columns([name for _, columns in COLUMNS for name in columns])


def in_columns(cells: list[str]) -> str:
    """Return a line of the table."""
    rest = iter(cells)
    groups = [[next(rest).rjust(width) for width in columns.values()] for _, columns in COLUMNS]
    return " | ".join(" ".join(group) for group in groups)


def row(result: Result) -> str:
    """Return the line of one model."""
    twin, *others = result.seconds
    native, portable = (result.outputs[way] for way in WAYS[1:])
    cells = [
        result.model.name,
        *(str(result.bytes_before), str(result.bytes_after), f"{result.bytes_before / result.bytes_after:.2f}"),
        *(f"{result.difference(way):.1e}" for way in WAYS[1:]),
        *(f"{relative_l2(native, result.original):.1e}", f"{cosine(native, result.original):.6f}"),
        *(accuracy(outputs, result.labels) for outputs in (result.original, native, portable)),
        *(f"{1000 * twin:.2f}", *(f"{seconds / twin:.2f}" for seconds in others)),
        *(f"{took.seconds:.2f}" for took in result.loads),
        *(f"{took.peak / MB:.0f}" for took in result.loads),
    ]
    return in_columns(cells)


def accuracy(outputs: Outputs, labels: np.ndarray | None) -> str:
    """Return percentages: of items whose label comes first, and of those where it is among the first five."""
    if labels is None:
        return "-"
    right = best_classes(outputs) == labels[:, None]
    return f"{100 * right[:, 0].mean():.2f} ({100 * right.any(axis=1).mean():.2f})"


def conditions_of(result: Result) -> list[tuple[str, bool]]:
    """Return what must hold, each with whether it does."""
    conditions = [("decodes to its twin", result.decodes)]
    for way in WAYS[1:]:
        difference = result.difference(way)
        text = f"relative difference of the {way} run {difference:.1e}, at most {TOLERANCE:.0e}"
        conditions.append((text, difference <= TOLERANCE))
    if result.model.max_bytes is not None:
        text = f"{result.bytes_after} bytes, fewer than {result.model.max_bytes}"
        conditions.append((text, result.bytes_after < result.model.max_bytes))
    if result.model.encode_only:
        conditions += [
            (f"{result.changed(way)} {way} predictions changed, none", not result.changed(way)) for way in WAYS[1:]
        ]
    return conditions


if __name__ == "__main__":
    sys.exit(run(main))

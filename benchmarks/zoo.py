"""Compresses trained models, runs them natively and portably, and holds both runs against the dense model.

Usage: python benchmarks/zoo.py [FOLDER] [--minilm FILE] [--only NAME ...]

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

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from data import Case, MissingError, cases
from measure import (
    Load,
    Outputs,
    Way,
    best_classes,
    cosine,
    load,
    measure_load,
    relative_difference,
    relative_l2,
    run_all,
    run_times,
)

import onnxdc
from onnxdc import model_io
from onnxdc.passes.fold import fold
from onnxdc.passes.share import share

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
    """What was measured of one model. Outputs are those of the original and of each way, in all runs."""

    case: Case
    bytes_before: int
    bytes_after: int
    decodes: bool
    original: Outputs
    outputs: dict[Way, Outputs]
    labels: np.ndarray | None
    seconds: list[float]
    loads: list[Load]

    def difference(self, way: Way) -> float:
        """To the twin."""
        return relative_difference(self.outputs[way], self.outputs["dense"])

    def changed(self, way: Way) -> int:
        """The number of items whose first class is not that of the original."""
        return int(np.sum(best_classes(self.outputs[way])[:, 0] != best_classes(self.original)[:, 0]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("ONNXDC_DATA"))
    parser.add_argument("--minilm", type=Path, metavar="FILE", help="all-MiniLM-L6-v2 (default: FOLDER/minilm.onnx)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these models")
    arguments = parser.parse_args()
    try:
        chosen = choose_cases(arguments.folder, arguments.minilm, arguments.only)
        print(headings(), flush=True)
        held = [run_case(case) for case in chosen]
    except MissingError as error:
        print(f"{parser.prog}: missing {error}", file=sys.stderr)
        return 1
    return int(not all(held))


def choose_cases(folder: Path | None, minilm: Path | None, only: list[str] | None) -> list[Case]:
    """The models to run.

    Raises:
        MissingError: there is no such model, or some of the files are not there.
    """
    if folder is None:
        raise MissingError("the folder of data: name it as an argument or in ONNXDC_DATA")
    found = cases(Path(folder), minilm)
    names = [case.name for case in found]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise MissingError(f"models {', '.join(unknown)}: expected some of {', '.join(names)}")
    chosen = [case for case in found if not only or case.name in only]
    missing = dict.fromkeys(str(path) for case in chosen for path in case.missing())
    if missing:
        raise MissingError(f"files {', '.join(missing)}")
    return chosen


def run_case(case: Case) -> bool:
    """Print the row of one model, and the conditions that it must meet; whether all hold."""
    result = measure(case)
    print(row(result), flush=True)
    conditions = list(conditions_of(result))
    for text, holds in conditions:
        if case.encode_only or not holds:
            print(f"{'ok' if holds else 'FAILED':>10}: {case.name}: {text}", flush=True)
    return all(holds for _, holds in conditions)


def measure(case: Case) -> Result:
    """Compress a model and run it in every way."""
    inputs = case.load()
    with tempfile.TemporaryDirectory() as folder:
        small, twin, decoded = (Path(folder, f"{name}.onnx") for name in ("small", "twin", "decoded"))
        (onnxdc.encode if case.encode_only else onnxdc.compress)(case.file).save(small)
        make_twin(case, twin)
        onnxdc.decode(small).save(decoded)
        files: dict[Way, Path] = {"dense": twin, "native": small, "portable": small}
        sessions = {way: load(files[way], way, threads=1) for way in WAYS}
        return Result(
            case=case,
            bytes_before=case.file.stat().st_size,
            bytes_after=small.stat().st_size,
            decodes=decoded.read_bytes() == twin.read_bytes(),
            original=run_all(load(case.file, "dense", threads=1), inputs),
            outputs={way: run_all(sessions[way], inputs) for way in WAYS},
            labels=inputs.labels,
            seconds=run_times([sessions[way] for way in WAYS], inputs.single),
            loads=[measure_load(files[way], way) for way in WAYS],
        )


def make_twin(case: Case, path: Path) -> None:
    """Write what the compressed model was made from, or should decode to: folded and shared, and dense."""
    model = model_io.load(case.file)
    if not case.encode_only:
        fold(model)
        share(model)
    model_io.save(model, path)


def headings() -> str:
    """Two lines: of the groups, and of the columns."""
    groups = [heading.center(sum(columns.values()) + len(columns) - 1) for heading, columns in COLUMNS]
    return " | ".join(groups) + "\n" + in_columns([name for _, columns in COLUMNS for name in columns])


def in_columns(cells: list[str]) -> str:
    """A line of the table."""
    rest = iter(cells)
    groups = [[next(rest).rjust(width) for width in columns.values()] for _, columns in COLUMNS]
    return " | ".join(" ".join(group) for group in groups)


def row(result: Result) -> str:
    """The line of one model."""
    twin, *others = result.seconds
    native, portable = (result.outputs[way] for way in WAYS[1:])
    cells = [
        result.case.name,
        *(str(result.bytes_before), str(result.bytes_after), f"{result.bytes_before / result.bytes_after:.2f}"),
        *(f"{result.difference(way):.1e}" for way in WAYS[1:]),
        *(f"{relative_l2(native, result.original):.1e}", f"{cosine(native, result.original):.6f}"),
        *(accuracy(outputs, result.labels) for outputs in (result.original, native, portable)),
        *(f"{1000 * twin:.2f}", *(f"{seconds / twin:.2f}" for seconds in others)),
        *(f"{found.seconds:.2f}" for found in result.loads),
        *(f"{found.peak / MB:.0f}" for found in result.loads),
    ]
    return in_columns(cells)


def accuracy(outputs: Outputs, labels: np.ndarray | None) -> str:
    """Percentages: of items whose label comes first, and of those where it is among the first five."""
    if labels is None:
        return "-"
    right = best_classes(outputs) == labels[:, None]
    return f"{100 * right[:, 0].mean():.2f} ({100 * right.any(axis=1).mean():.2f})"


def conditions_of(result: Result) -> list[tuple[str, bool]]:
    """What must hold, each with whether it does."""
    conditions = [("decodes to its twin", result.decodes)]
    for way in WAYS[1:]:
        difference = result.difference(way)
        text = f"relative difference of the {way} run {difference:.1e}, at most {TOLERANCE:.0e}"
        conditions.append((text, difference <= TOLERANCE))
    if result.case.max_bytes is not None:
        text = f"{result.bytes_after} bytes, fewer than {result.case.max_bytes}"
        conditions.append((text, result.bytes_after < result.case.max_bytes))
    if result.case.encode_only:
        conditions += [
            (f"{result.changed(way)} {way} predictions changed, none", not result.changed(way)) for way in WAYS[1:]
        ]
    return conditions


if __name__ == "__main__":
    sys.exit(main())

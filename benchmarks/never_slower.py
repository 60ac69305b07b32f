"""Whether compressed models are ever slower than the models that they were made from: trained ones, of any density.

Usage: python benchmarks/never_slower.py [FOLDER] [--only NAME ...] [--threads N,N] [--runs N]

FOLDER holds the models, at any depth (default: the environment variable ONNXDC_DATA). They run on the first of their
real inputs where data.py knows those, and else on random ones. Each is compressed as a user does it who asks for
nothing, and with three densities; models and original take turns in one process and share one pool of threads.

The columns of the table:
  original ms  median of a run, of processor time on one thread, of wall time on more
  the others   original / compressed, run natively; "!" where that is below 0.97
  error        max|a - b| / max|b| of their outputs against what the same models say decoded, the largest one

Exits with 1 if there is an "!", or an error above 1e-4. It takes an idle machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from cases import NOT_SLOWER
from data import Feed, MissingError
from data import cases as known_cases
from measure import load, relative_difference, run_times
from timing import in_new_process

import onnxdc
from onnxdc import feeds, model_io

VARIANTS: Final[dict[str, float | None]] = {"as it is": None, "0.1": 0.1, "0.3": 0.3, "0.5": 0.5}
TOLERANCE: Final = 1e-4  # of the errors
COLUMNS: Final = {"model": 26, "threads": 7, "original ms": 11, **dict.fromkeys(VARIANTS, 9), "error": 6}


@dataclass(frozen=True)
class Found:
    """A model at one number of threads.

    Attributes:
        seconds: of a run of the original.
        ratios: original / compressed, of each variant.
        error: the largest relative difference to a decoded model.
    """

    seconds: float
    ratios: list[float]
    error: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("ONNXDC_DATA"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="files' names without .onnx")
    parser.add_argument("--threads", default="1,2", metavar="N,N", help="default: %(default)s")
    parser.add_argument("--runs", type=int, metavar="N", help="turns of each model (default: for a few seconds)")
    arguments = parser.parse_args()
    if arguments.folder is None:
        parser.error("the folder of models: name it as an argument or in ONNXDC_DATA")
    print(line(list(COLUMNS)), flush=True)
    results = []
    for path in sorted(Path(arguments.folder).rglob("*.onnx")):
        if arguments.only and path.stem not in arguments.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            feed = in_new_process(single_feed, Path(arguments.folder), path)
            small = in_new_process(compress, path, Path(folder))
            for threads in map(int, arguments.threads.split(",")):
                found = in_new_process(measure, path, small, feed, threads, arguments.runs)
                print(row(path.stem, threads, found), flush=True)
                results.append(found)
    if not results:
        parser.error(f"no such models in {arguments.folder}")
    slower = sum(ratio < NOT_SLOWER for found in results for ratio in found.ratios)
    print(f"{slower} of {sum(len(found.ratios) for found in results)} are slower by more than 3 %")
    return int(slower > 0 or not all(found.error <= TOLERANCE for found in results))


def single_feed(folder: Path, path: Path) -> Feed:
    """One item for a model: a real one where its file and its data are known and there, else a random one."""
    for case in known_cases(folder):
        if case.file == path:
            try:
                return case.load().single
            except (MissingError, FileNotFoundError):
                break
    return next(runnable_feeds(path))


def runnable_feeds(path: Path) -> Iterator[Feed]:
    """Random feeds that a model accepts, the smallest first."""
    specs = feeds.input_specs(model_io.load(path, upgrade=False), path.name)
    session = load(path, "dense", threads=1)
    for first, others in feeds.OPEN_DIMENSIONS:
        feed = feeds.random_feed(specs, first, others, np.random.default_rng(0))
        try:
            session.run(None, feed)
        except Exception:  # onnxruntime raises many types, which share no base
            continue
        yield feed


def compress(path: Path, folder: Path) -> list[tuple[Path, Path]]:
    """The file of each variant, and of what it decodes to."""
    files = []
    for name, density in VARIANTS.items():
        small, decoded = folder / f"{name}.onnx", folder / f"{name}.decoded.onnx"
        onnxdc.compress(path, density=density).save(small)
        onnxdc.decode(small).save(decoded)
        files.append((small, decoded))
    return files


def measure(path: Path, files: list[tuple[Path, Path]], feed: Feed, threads: int, runs: int | None) -> Found:
    """Check and time a model; once a process, as the number of threads is that of the process."""
    onnxruntime.set_global_thread_pool_sizes(threads, 1)
    sessions = [load(path, "dense", None), *(load(small, "native", None) for small, _ in files)]
    errors = [
        relative_difference(session.run(None, feed), load(decoded, "dense", None).run(None, feed))
        for session, (_, decoded) in zip(sessions[1:], files, strict=True)
    ]
    original, *ours = run_times(sessions, feed, runs, time.process_time if threads == 1 else time.perf_counter)
    return Found(original, [original / seconds for seconds in ours], float(np.max(errors)))


def row(model: str, threads: int, found: Found) -> str:
    """The line of a model."""
    ratios = [f"{ratio:.2f}{' ' if ratio >= NOT_SLOWER else '!'}" for ratio in found.ratios]
    return line([model, str(threads), f"{1000 * found.seconds:.3f}", *ratios, f"{found.error:.0e}"])


def line(cells: list[str]) -> str:
    """Cells in columns, the first one to the left."""
    first, *rest = (f"{cell:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))
    return " ".join([f"{first.strip():<{COLUMNS['model']}}", *rest])


if __name__ == "__main__":
    sys.exit(main())

"""Whether compressed models are ever slower than the models that they were made from: trained ones, of any density.

Usage: python benchmarks/never_slower.py [FOLDER] [--only NAME ...] [--activation KIND] [--threads N,N] [--runs N]

FOLDER holds the models, at any depth (default: the environment variable ONNXDC_DATA). They run on the first of their
real inputs where common/trained.py knows those, and else on random ones. Each is compressed as a user does it who asks
for nothing, and with three densities; models and original take turns in one process and share one pool of threads.
With ``--activation dynamic`` layers may run on integers, where that is faster.

The columns of the table:
  original ms  median of a run, of processor time on one thread, of wall time on more
  the others   original / compressed, run natively; "!" where that is below 0.97
  error        max|a - b| / max|b| of their outputs against what the same models say decoded, the largest one; on
               integers, which round, against what they say portably

Exits with 1 if there is an "!", an error above 1e-4 (0.05 with integers), or if something is missing. It takes an idle
machine.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

import onnxdc
from common.differences import relative_difference
from common.process import in_new_process
from common.program import MissingError, add_data, add_runs, choose, data_path, make_parser, run
from common.sessions import Feed, load
from common.trained import trained_models
from common.turns import NOT_SLOWER, clock_for, run_times
from onnxdc import model_io
from onnxdc.model_io import feeds
from onnxdc.recipe.keys import Activation

VARIANTS: Final[dict[str, float | None]] = {"as it is": None, "0.1": 0.1, "0.3": 0.3, "0.5": 0.5}
TOLERANCES: Final[dict[Activation, float]] = {"float": 1e-4, "dynamic": 5e-2}  # of the errors
COLUMNS: Final = {"model": 26, "threads": 7, "original ms": 11, **dict.fromkeys(VARIANTS, 9), "error": 6}


@dataclass(frozen=True)
class Measured:
    """A model at one number of threads.

    Attributes:
        seconds: The time of a run of the original.
        ratios: The ratio of original to compressed, of each variant.
        error: The largest relative difference to a decoded model.
    """

    seconds: float
    ratios: list[float]
    error: float


def main() -> int:
    """Measure the models, and print a line for each and each number of threads."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="files' names without .onnx")
    parser.add_argument("--activation", default="float", choices=list(TOLERANCES), help="default: %(default)s")
    parser.add_argument("--threads", default="1,2", metavar="N,N", help="default: %(default)s")
    add_runs(parser)
    arguments = parser.parse_args()
    data = data_path(arguments.folder, "the folder of models: name it")
    paths = choose_models(data, arguments.only)
    print(line(list(COLUMNS)), flush=True)
    results = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            feed = in_new_process(single_feed, data, path)
            small = in_new_process(compress, path, Path(folder), arguments.activation)
            for threads in map(int, arguments.threads.split(",")):
                measured = in_new_process(measure, path, small, feed, threads, arguments.runs)
                print(row(path.stem, threads, measured), flush=True)
                results.append(measured)
    ratios = [ratio for measured in results for ratio in measured.ratios]
    slower = sum(ratio < NOT_SLOWER for ratio in ratios)
    print(f"{slower} of {len(ratios)} are slower by more than 3 %")
    return int(slower > 0 or not all(measured.error <= TOLERANCES[arguments.activation] for measured in results))


def choose_models(folder: Path, only: Sequence[str] | None) -> list[Path]:
    """Return the files of the models to run.

    Raises:
        MissingError: There are none, or none of a name that was chosen.
    """
    paths = sorted(folder.rglob("*.onnx"))
    if not paths:
        raise MissingError(f"models: no .onnx file is in {folder}")
    chosen = choose(only, dict.fromkeys(path.stem for path in paths), "models")
    return [path for path in paths if path.stem in chosen]


def single_feed(folder: Path, path: Path) -> Feed:
    """Return one item for a model: a real one where its file and its data are known and there, else a random one."""
    for model in trained_models(folder).values():
        if model.file == path:
            try:
                return model.load().single
            except (MissingError, FileNotFoundError):
                break
    return next(runnable_feeds(path))


def runnable_feeds(path: Path) -> Iterator[Feed]:
    """Yield random feeds that a model accepts, the smallest first."""
    specs = feeds.input_specs(model_io.load(path, upgrade=False), path.name)
    session = load(path, "dense", threads=1)
    for first, others in feeds.OPEN_DIMENSIONS:
        feed = feeds.random_feed(specs, first, others, np.random.default_rng(0))
        try:
            session.run(None, feed)
        except Exception:  # onnxruntime raises many types, which share no base
            continue
        yield feed


def compress(path: Path, folder: Path, activation: Activation) -> list[tuple[Path, Path]]:
    """Write the file of each variant, and of what it is held against."""
    files = []
    for name, density in VARIANTS.items():
        small, decoded = folder / f"{name}.onnx", folder / f"{name}.decoded.onnx"
        onnxdc.compress(path, density=density, activation=activation).save(small)
        if activation == "float":
            onnxdc.decode(small).save(decoded)
        files.append((small, decoded if activation == "float" else small))
    return files


def measure(path: Path, files: list[tuple[Path, Path]], feed: Feed, threads: int, runs: int | None) -> Measured:
    """Check and time a model; once a process, as the number of threads is that of the process."""
    onnxruntime.set_global_thread_pool_sizes(threads, 1)
    sessions = [load(path, "dense", None), *(load(small, "native", None) for small, _ in files)]
    errors = [
        relative_difference(session.run(None, feed), load(other, "portable", None).run(None, feed))
        for session, (_, other) in zip(sessions[1:], files, strict=True)
    ]
    original, *ours = run_times(sessions, feed, runs, clock_for(threads))
    return Measured(original, [original / seconds for seconds in ours], float(np.max(errors)))


def row(model: str, threads: int, measured: Measured) -> str:
    """Return the line of a model."""
    ratios = [f"{ratio:.2f}{' ' if ratio >= NOT_SLOWER else '!'}" for ratio in measured.ratios]
    return line([model, str(threads), f"{1000 * measured.seconds:.3f}", *ratios, f"{measured.error:.0e}"])


def line(cells: list[str]) -> str:
    """Return cells in columns, the first one to the left."""
    first, *rest = (f"{cell:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))
    return " ".join([f"{first.strip():<{COLUMNS['model']}}", *rest])


if __name__ == "__main__":
    sys.exit(run(main))

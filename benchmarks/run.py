"""Times compressed models against dense onnxruntime, and against other runtimes and number formats.

The two models of a row have the same weights, pruned to the densities of the paper and shared; one is encoded by
onnxdc, the other one is plain ONNX. They are made on the first run and kept. All runners of a row take turns in one
process and share one pool of threads. Times are medians: of processor time on one thread, of wall time on more.

The columns of the table:
  dense, ours  milliseconds a run: of the dense model, and of ours in the fastest instruction set of this machine
  ratio        dense / ours
  must         what that ratio must reach on one thread, and whether it does
  avx2         dense / ours, when ours is restricted to AVX2 and dense is not
  scaling      time of ours on one thread / time on as many as the row has
  weights      MB of weights that a run of ours reads, about (see cases.py)
  peak         operations on nonzeros, as a share of those that a large dense product does on so many threads
  load         seconds to create the session, dense and ours
  memory       MB of resident memory that this takes, above a session of nothing, dense and ours
  error        max|a - b| / max|b| of our outputs against the dense ones, in the worst instruction set
  the others   dense / peer, with --peers; their errors, which are larger, are in the JSON file

Exits with 1 if one of our errors is above 1e-4. Whether the ratios are reached is for the reader: it takes an idle
machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import numpy as np
import peers
from cases import Case, Files, cases, prepare
from measure import Load
from timing import DENSE, Times, in_new_process, load_cost, peak_flops, time_case

from onnxdc import native

TOLERANCE: Final = 1e-4  # of our outputs, to those of the dense model
FOLDER: Final = Path(__file__).parents[1] / "build" / "benchmarks"
AVX2: Final = "avx2"
MB: Final = 1_000_000
COLUMNS: Final = {
    "case": 20,
    "threads": 7,
    "dense ms": 9,
    "ours ms": 8,
    "ratio": 6,
    "must": 9,
    "avx2": 6,
    "scaling": 7,
    "weights MB": 10,
    "peak %": 6,
    "load s": 11,
    "memory MB": 11,
    "error": 7,
}


@dataclass(frozen=True)
class Row:
    """A case at one number of threads.

    Attributes:
        case: what was run.
        files: on what it was run.
        threads: how many the runners had.
        isa: the instruction set of ours.
        times: of all runners.
        alone: of all runners on one thread, where the row has more; None if that was not measured.
        peak: floating-point operations a second that so many threads can do: one thread's, times their number.
        loads: of the dense model and of ours.
    """

    case: Case
    files: Files
    threads: int
    isa: str
    times: Times
    alone: Times | None
    peak: float
    loads: tuple[Load, Load]

    @property
    def ratio(self) -> float:
        return self.times.ratio(self.isa)

    @property
    def reached(self) -> bool | None:
        """Whether the ratio is what it must be; None on more than one thread."""
        return self.ratio >= self.case.must if self.threads == 1 else None

    @property
    def scaling(self) -> float:
        """NaN where it was not measured."""
        return self.alone.seconds[self.isa] / self.times.seconds[self.isa] if self.alone else np.nan

    @property
    def peak_share(self) -> float:
        return self.files.flops / self.times.seconds[self.isa] / self.peak

    @property
    def error(self) -> float:
        """The largest of ours; NaN if one is."""
        ours = [found for name, found in self.times.differences.items() if name not in peers.NAMES]
        return float(np.max(ours))

    def cells(self, peer_names: list[str]) -> list[str]:
        """The line of the table."""
        dense, ours = self.loads
        verdict = {None: "", True: f"{self.case.must:g} yes", False: f"{self.case.must:g} NO"}[self.reached]
        return [
            self.case.name,
            str(self.threads),
            f"{1000 * self.times.seconds[DENSE]:.3f}",
            f"{1000 * self.times.seconds[self.isa]:.3f}",
            number(self.ratio),
            verdict,
            number(self.times.ratio(AVX2)),
            number(self.scaling),
            f"{self.files.weight_bytes / MB:.2f}",
            f"{100 * self.peak_share:.0f}",
            f"{dense.seconds:.2f} {ours.seconds:5.2f}",
            f"{dense.resident / MB:.0f} {ours.resident / MB:5.0f}",
            f"{self.error:.0e}",
            *(number(self.times.ratio(name)) for name in peer_names),
        ]

    def to_json(self) -> dict[str, Any]:
        """All that was measured, in seconds and bytes."""
        return {
            "case": self.case.name,
            "threads": self.threads,
            "isa": self.isa,
            "ratio": self.ratio,
            "must": self.case.must,
            "reached": self.reached,
            "peak_share": self.peak_share,
            "flops": self.files.flops,
            "weight_bytes": self.files.weight_bytes,
            **dataclasses.asdict(self.times),
            "load": dict(zip((DENSE, "ours"), map(dataclasses.asdict, self.loads), strict=True)),
        }


def main() -> int:
    arguments = parse_arguments()
    chosen = [case for case in cases() if any(fnmatchcase(case.name, pattern) for pattern in arguments.only)]
    peer_names = peers.installed() if arguments.peers else []
    for name in set(peers.NAMES) - set(peer_names) if arguments.peers else ():
        print(f"{name} is not installed: pip install {name}")
    peak = in_new_process(peak_flops)
    print(f"a large dense product: {peak / 1e9:.0f} GFLOP/s on one thread")
    columns = COLUMNS | {name: len(name) for name in peer_names}
    print(line(columns, list(columns)), flush=True)
    rows: list[Row] = []
    for case in chosen:
        for row in measure(case, arguments, peak, peer_names):
            print(line(columns, row.cells(peer_names)), flush=True)
            rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.to_json() for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(not all(row.error <= TOLERANCE for row in rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="rows, such as 'conv*' or vgg16")
    parser.add_argument("--threads", type=thread_counts, default=[1, 2], metavar="N,N", help="default: 1,2")
    parser.add_argument("--runs", type=int, metavar="N", help="turns of each runner (default: for a few seconds)")
    parser.add_argument("--peers", action="store_true", help="time other runtimes and number formats, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the models are kept (4 GB; default: %(default)s)"
    )
    arguments = parser.parse_args()
    unknown = [pattern for pattern in arguments.only if not any(fnmatchcase(case.name, pattern) for case in cases())]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}: expected {', '.join(case.name for case in cases())}")
    return arguments


def thread_counts(text: str) -> list[int]:
    """Numbers with commas between them, the smallest first."""
    return sorted(int(part) for part in text.split(","))


def measure(case: Case, arguments: argparse.Namespace, peak: float, peer_names: list[str]) -> list[Row]:
    """The rows of a case, one for each number of threads."""
    best, *others = native.supported_isas()
    isas = [best, *(isa for isa in others if isa == AVX2)]
    files = in_new_process(prepare, case, arguments.folder)
    if peer_names:
        in_new_process(peers.convert, files.dense, case.feed())
    loads = load_cost(files.dense, "dense"), load_cost(files.small, "native")
    times = {
        threads: in_new_process(time_case, case, files, threads, isas, peer_names, arguments.runs)
        for threads in arguments.threads
    }
    return [
        Row(case, files, threads, best, found, times.get(1) if threads > 1 else None, threads * peak, loads)
        for threads, found in times.items()
    ]


def line(columns: dict[str, int], cells: list[str]) -> str:
    """A line of the table: the first cell to the left, the others to the right."""
    first, *rest = (f"{cell:>{width}}" for cell, width in zip(cells, columns.values(), strict=True))
    return " ".join([f"{first.strip():<{COLUMNS['case']}}", *rest])


def number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())

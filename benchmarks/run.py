"""Times compressed models against dense onnxruntime, and against other runtimes and number formats.

The two models of a row have the same weights, pruned to the densities of the paper and shared; one is encoded by
onnxdc, the other one is plain ONNX. They are made on the first run and kept. All runners of a row take turns in one
process and share one pool of threads; only DeepSparse, which cannot be installed beside us, takes its turns in another
one. Outputs are compared first. Times are medians: of processor time on one thread, of wall time on more.

The columns of the table:
  dense, ours  milliseconds a run: of the dense model, and of ours in the fastest instruction set of this machine
  ratio        dense / ours
  must, aim    what that ratio must and should reach on one thread, and whether it does
  avx2         dense / ours, when ours is restricted to AVX2 and dense is not; it must win, too
  scaling      time of ours on one thread / time on as many as the row has; two must reach 1.8 in rows above 1 ms
  weights      MB of weights that a run of ours reads, about (see cases.py)
  peak         operations on nonzeros, as a share of the fused multiply-adds that so many threads can do
  roofline     milliseconds that the layers with weights take at least on this machine (see limits.py)
  above        ours / roofline
  load         seconds to create the session, dense and ours; AlexNet's must take below 0.5 s and less than dense
  memory       MB of resident memory that this takes, above a session of nothing; AlexNet's must take below 60 MB
  error        max|a - b| / max|b| of our outputs against the dense ones, in the worst instruction set
  the others   dense / peer, with --peers (see peers.py); "-" for one that fails; why it did, and the peers' errors,
               which are larger, are in the JSON file

Exits with 1 if one of our errors is above 1e-4. Whether the ratios are reached is for the reader: it takes an idle
machine. The peak and the bandwidths are measured by a program that the C++ compiler makes here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import numpy as np
import peers
from cases import Case, Files, cases, prepare
from limits import CompilerError, Limits, compile_limits
from row import AVX2, Row, headings, line
from timing import Times, in_new_process, load_cost, time_case

from onnxdc import native

TOLERANCE: Final = 1e-4  # of our outputs, to those of the dense model
FOLDER: Final = Path(__file__).parents[1] / "build" / "benchmarks"


def main() -> int:
    arguments = parse_arguments()
    chosen = [case for case in cases() if any(fnmatchcase(case.name, pattern) for pattern in arguments.only)]
    peer_names = installed_peers(arguments.folder) if arguments.peers else []
    limits = machine_limits(arguments.folder)
    print(headings(peer_names), flush=True)
    rows: list[Row] = []
    for case in chosen:
        for row in measure(case, arguments, limits, peer_names):
            print(line(row.cells(peer_names), peer_names), flush=True)
            rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.to_json() for row in rows], indent=1) + "\n", encoding="utf-8")
    missed = [f"{row.case.name} {name}" for row in rows for name, reached in row.goals.items() if not reached]
    print(f"goals missed: {', '.join(missed) or 'none'}")
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


def installed_peers(folder: Path) -> list[str]:
    """Those that can run here; of the others it says why not."""
    reasons = peers.not_installed(folder)
    for name, reason in reasons.items():
        print(f"{name} is not installed: {reason}")
    return [name for name in peers.PEERS if name not in reasons]


def machine_limits(folder: Path) -> Limits | None:
    """None without a compiler; it says so."""
    try:
        limits = compile_limits(folder)
    except CompilerError as error:
        print(f"no peak and no roofline: {error}")
        return None
    print(f"peak of one thread: {limits.flops(1) / 1e9:.0f} GFLOP/s")
    return limits


def measure(case: Case, arguments: argparse.Namespace, limits: Limits | None, peer_names: Sequence[str]) -> list[Row]:
    """The rows of a case, one for each number of threads."""
    best, *others = native.supported_isas()
    isas = [best, *(isa for isa in others if isa == AVX2)]
    files = in_new_process(prepare, case, arguments.folder)
    failures = convert_all(case, files, peer_names)
    able = [name for name in peer_names if name not in failures]
    loads = load_cost(files.dense, "dense"), load_cost(files.small, "native")
    rows: list[Row] = []
    for threads in arguments.threads:
        times = time_all(case, files, threads, isas, able, arguments.runs)
        times = replace(times, failures=failures | times.failures)
        alone = rows[0].times if rows and rows[0].threads == 1 else None
        peak = limits.flops(threads) if limits else np.nan
        roofline = limits.seconds(files.layers, threads) if limits else np.nan
        rows.append(Row(case, files, threads, best, times, alone, peak, roofline, loads))
    return rows


def convert_all(case: Case, files: Files, peer_names: Sequence[str]) -> dict[str, str]:
    """Make the models of all peers; the reasons of those that fail, by name."""
    failures = {}
    for name in peer_names:
        if peers.is_converted(name, files.dense):
            continue
        try:
            in_new_process(peers.convert, name, files.dense, case.feed())
        except Exception as error:  # whatever a peer's tools raise; a process that dies, too
            failures[name] = peers.one_line(error)
    return failures


def time_all(
    case: Case, files: Files, threads: int, isas: Sequence[str], peer_names: Sequence[str], runs: int | None
) -> Times:
    """``time_case`` in a process of its own; without peers, if it dies with them."""
    try:
        return in_new_process(time_case, case, files, threads, isas, peer_names, runs)
    except BrokenProcessPool:
        times = in_new_process(time_case, case, files, threads, isas, [], runs)
        return replace(times, failures=dict.fromkeys(peer_names, "one of the peers ended the process"))


if __name__ == "__main__":
    sys.exit(main())

"""Times compressed models against dense onnxruntime, and against other runtimes and number formats.

The two models of a row have the same weights, pruned to the densities of the paper and shared; one is encoded by
onnxdc, the other one is plain ONNX. They are made on the first run and kept. All runners of a row take turns in one
process and share one pool of threads; only DeepSparse, which cannot be installed next to us, takes its turns in another
one. Outputs are compared first. Times are medians: of processor time on one thread, of wall time on more.

The columns of the table:
  dense, ours  milliseconds a run: of the dense model, and of ours in the fastest instruction set of this machine
  ratio        dense / ours
  must, aim    what that ratio must and should reach on one thread, and whether it does
  avx2         dense / ours, when ours is restricted to AVX2 and dense is not; it must win, too
  scaling      time of ours on one thread / time on as many as the row has; two must reach 1.8 in rows above 1 ms
  weights      MB of weights that a run of ours reads, about (see speed/files.py)
  peak         operations on nonzeros, as a share of the fused multiply-adds that so many threads can do
  roofline     milliseconds that the layers with weights take at least on this machine (see speed/limits.py)
  above        ours / roofline
  load         seconds to create the session, dense and ours; AlexNet's must take below 0.5 s and less than dense
  memory       MB of resident memory that this takes, above a session of nothing; AlexNet's must take below 60 MB
  error        max|a - b| / max|b| of our outputs against the dense ones, in the worst instruction set
  the others   dense / peer, with --peers (see peers/__init__.py); "-" for one that fails; why it did, and the peers'
               errors, which are larger, are in the JSON file

Exits with 1 if one of our errors is above 1e-4; on integers, above 0.05 for a layer and 0.1 for a network. Whether the
ratios are reached is for the reader: it takes an idle machine. The peak and the bandwidths are measured by a program
that the C++ compiler makes here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from common.loading import Load, measure_load, median_load
from common.process import in_new_process
from common.program import BUILD, add_runs, choose_matching, make_parser, run
from common.sessions import Way
from onnxdc import native
from peers.open_peer import one_line
from peers.table import PEERS, convert, is_converted, not_installed
from speed.cases import Case, speed_cases
from speed.files import Files, prepare
from speed.limits import CompilerError, Limits, compile_limits
from speed.row import AVX2, Row, headings, line
from speed.timing import Times, time_case

LOADS: Final = 3


def main() -> int:
    """Measure the rows, and print a line for each."""
    arguments = parse_arguments()
    peer_names = [] if arguments.peers is None else installed_peers(arguments.peers or list(PEERS), arguments.folder)
    limits = machine_limits(arguments.folder)
    print(headings(peer_names), flush=True)
    rows: list[Row] = []
    for case in arguments.cases:
        for row in measure(case, arguments, limits, peer_names):
            print(line(row.cells(peer_names), peer_names), flush=True)
            rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.to_json() for row in rows], indent=1) + "\n", encoding="utf-8")
    missed = [f"{row.case.name} {name}" for row in rows for name, reached in row.goals.items() if not reached]
    print(f"goals missed: {', '.join(missed) or 'none'}")
    return int(not all(row.error <= row.case.tolerance for row in rows))


def parse_arguments() -> argparse.Namespace:
    """Parse the options; ``cases`` are the rows that --only chooses."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="rows, such as 'conv*' or vgg16")
    parser.add_argument("--threads", type=thread_counts, default=[1, 2], metavar="N,N", help="default: 1,2")
    add_runs(parser)
    parser.add_argument("--loads", type=int, default=LOADS, metavar="N", help="of each model (default: %(default)s)")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        metavar="PEER",
        help=f"time other runtimes and number formats, too: all, or some of {', '.join(PEERS)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    parser.add_argument(
        "--folder", type=Path, default=BUILD, help="where the models are kept (4 GB; default: %(default)s)"
    )
    arguments = parser.parse_args()
    known = speed_cases()
    arguments.cases = [known[name] for name in choose_matching(parser, arguments.only, known)]
    return arguments


def thread_counts(text: str) -> list[int]:
    """Read numbers with commas between them, the smallest first."""
    return sorted(int(part) for part in text.split(","))


def installed_peers(names: Sequence[str], folder: Path) -> list[str]:
    """Return those of some peers that can run here; of the others, print why not."""
    reasons = not_installed(names, folder)
    for name, reason in reasons.items():
        print(f"{name} is not installed: {reason}")
    return [name for name in names if name not in reasons]


def machine_limits(folder: Path) -> Limits | None:
    """Compile what measures the machine; without a compiler, print why not and return None."""
    try:
        limits = compile_limits(folder)
    except CompilerError as error:
        print(f"no peak and no roofline: {error}")
        return None
    print(f"peak of one thread: {limits.flops(1) / 1e9:.0f} GFLOP/s")
    return limits


def measure(case: Case, arguments: argparse.Namespace, limits: Limits | None, peer_names: Sequence[str]) -> list[Row]:
    """Measure the rows of a case, one for each number of threads."""
    best, *others = native.supported_isas()
    isas = [best, *(isa for isa in others if isa == AVX2)]
    files = in_new_process(prepare, case, arguments.folder)
    failures = convert_all(case, files, peer_names)
    able = [name for name in peer_names if name not in failures]
    loads = loads_of(files.dense, "dense", arguments.loads), loads_of(files.small, "native", arguments.loads)
    rows: list[Row] = []
    for threads in arguments.threads:
        times = time_all(case, files, threads, isas, able, arguments.runs)
        times = replace(times, failures=failures | times.failures)
        alone = rows[0].times if rows and rows[0].threads == 1 else None
        peak = limits.flops(threads) if limits else np.nan
        roofline = limits.seconds(files.layers, threads) if limits else np.nan
        rows.append(Row(case, files, threads, best, times, alone, peak, roofline, loads))
    return rows


def loads_of(path: Path, way: Way, count: int) -> Load:
    """Load a model a few times, and return the medians of what that takes."""
    return median_load([measure_load(path, way) for _ in range(count)])


def convert_all(case: Case, files: Files, peer_names: Sequence[str]) -> dict[str, str]:
    """Make the models of all peers, and return the reasons of those that fail, by name."""
    failures = {}
    for name in peer_names:
        if is_converted(name, files.dense):
            continue
        try:
            in_new_process(convert, name, files.dense, case.feed())
        except Exception as error:  # whatever a peer's tools raise; a process that dies, too
            failures[name] = one_line(error)
    return failures


def time_all(
    case: Case, files: Files, threads: int, isas: Sequence[str], peer_names: Sequence[str], runs: int | None
) -> Times:
    """Run ``time_case`` in a process of its own; without peers, if it dies with them."""
    try:
        return in_new_process(time_case, case, files, threads, isas, peer_names, runs)
    except BrokenProcessPool:
        times = in_new_process(time_case, case, files, threads, isas, [], runs)
        return replace(times, failures=dict.fromkeys(peer_names, "one of the peers ended the process"))


if __name__ == "__main__":
    sys.exit(run(main))

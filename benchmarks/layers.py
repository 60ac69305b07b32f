"""Where the time of a row of the speed benchmark goes: the layers of the dense session and of ours, on one thread.

Usage: python benchmarks/layers.py CASE [--runs N], a row of benchmarks/run.py

Prints the layers that take at least a hundredth of the dense run: milliseconds of the dense one and of ours, and their
ratio. A layer is a node of the model with the additions and Relus that follow it, which onnxruntime fuses where it can;
the nodes that onnxruntime adds to change a tensor's layout appear under names of their own. The two sessions do not
take turns; each node counts at its fastest.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

import onnx
import onnxruntime

from common.program import BUILD, make_parser, run
from common.sessions import Feed, Way, open_session
from speed.cases import speed_cases
from speed.files import prepare

RUNS: Final = 15
SHOWN: Final = 0.01  # of the dense run
FOLLOWERS: Final = ("Add", "Relu")
TIME: Final = "_kernel_time"  # ends the name of an event in onnxruntime's profile
# What onnxruntime adds to the name of a node that it fuses or transforms.
ADDED: Final = re.compile(r"^fused |(_nchwc|/\w+Fusion/?)?(_token_\d+)?$")


def main() -> int:
    """Profile both sessions, and print a line for each layer."""
    known = speed_cases()
    parser = make_parser(__doc__)
    parser.add_argument("case", choices=known, metavar="CASE")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="of each session (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="where the models are kept (default: %(default)s)")
    arguments = parser.parse_args()
    case = known[arguments.case]
    files = prepare(case, arguments.folder)
    layers = layer_of_nodes(files.dense)
    dense = layer_times(files.dense, "dense", case.feed(), layers, arguments.runs)
    ours = layer_times(files.small, "native", case.feed(), layers, arguments.runs)
    total = sum(dense.values())
    print(f"{'layer':<32} {'dense ms':>9} {'ours ms':>9} {'ratio':>6}")
    for name in dict.fromkeys([*ours, *dense]):
        before, after = dense.get(name, 0.0), ours.get(name, 0.0)
        if max(before, after) >= SHOWN * total:
            ratio = f"{before / after:.2f}" if before and after else "-"
            print(f"{name:<32} {1000 * before:9.3f} {1000 * after:9.3f} {ratio:>6}")
    print(f"{'all':<32} {1000 * total:9.3f} {1000 * sum(ours.values()):9.3f} {total / sum(ours.values()):6.2f}")
    return 0


def layer_of_nodes(path: Path) -> dict[str, str]:
    """Return the first node of the layer that a node belongs to, for all nodes of a model, by name."""
    nodes = {node.output[0]: node for node in onnx.load(path).graph.node}
    layers: dict[str, str] = {}
    for node in nodes.values():  # in the order of the graph
        follows = node.op_type in FOLLOWERS and node.input[0] in nodes
        layers[node.name] = layers[nodes[node.input[0]].name] if follows else node.name
    return layers


def layer_times(path: Path, way: Way, feed: Feed, layers: dict[str, str], runs: int) -> dict[str, float]:
    """Return the seconds of each layer of a model in a run: those of its nodes, each at its fastest, summed up."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = open_session(path, way, options)
        for _ in range(runs):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = defaultdict(list)
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(TIME):
            nodes[event["name"].removesuffix(TIME)].append(event["dur"] * 1e-6)
    times: dict[str, float] = defaultdict(float)
    for name, seconds in nodes.items():
        plain = ADDED.sub("", name)
        times[layers.get(plain, plain)] += min(seconds)
    return times


if __name__ == "__main__":
    sys.exit(run(main))

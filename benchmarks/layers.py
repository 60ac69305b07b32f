"""Where the time of a row of the speed benchmark goes: the layers of the dense session and of ours, on one thread.

Usage: python benchmarks/layers.py CASE, a row of benchmarks/run.py

Prints the layers that take at least a hundredth of the dense run: milliseconds of the dense one and of ours, and their
ratio. A layer is a node of the model with the additions and Relus that follow it, which onnxruntime fuses where it can;
the nodes that onnxruntime adds to change a tensor's layout appear under names of their own. The two sessions do not
take turns; each node counts at its fastest.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

import onnx
import onnxruntime
from cases import cases, prepare
from data import Feed
from measure import Way, open_session
from run import FOLDER

RUNS: Final = 15
SHOWN: Final = 0.01  # of the dense run
FOLLOWERS: Final = ("Add", "Relu")
TIME: Final = "_kernel_time"  # ends the name of an event in onnxruntime's profile
# What onnxruntime adds to the name of a node that it fuses or transforms.
ADDED: Final = re.compile(r"^fused |(_nchwc|/\w+Fusion/?)?(_token_\d+)?$")


def main() -> None:
    known = {case.name: case for case in cases()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=known, metavar="CASE")
    case = known[parser.parse_args().case]
    files = prepare(case, FOLDER)
    layers = layer_of_nodes(files.dense)
    dense = layer_times(files.dense, "dense", case.feed(), layers)
    ours = layer_times(files.small, "native", case.feed(), layers)
    total = sum(dense.values())
    print(f"{'layer':<32} {'dense ms':>9} {'ours ms':>9} {'ratio':>6}")
    for name in dict.fromkeys([*ours, *dense]):
        before, after = dense.get(name, 0.0), ours.get(name, 0.0)
        if max(before, after) >= SHOWN * total:
            ratio = f"{before / after:.2f}" if before and after else "-"
            print(f"{name:<32} {1000 * before:9.3f} {1000 * after:9.3f} {ratio:>6}")
    print(f"{'all':<32} {1000 * total:9.3f} {1000 * sum(ours.values()):9.3f} {total / sum(ours.values()):6.2f}")


def layer_of_nodes(path: Path) -> dict[str, str]:
    """The first node of the layer that a node belongs to, for all nodes of a model, by name."""
    nodes = {node.output[0]: node for node in onnx.load(path).graph.node}
    layers: dict[str, str] = {}
    for node in nodes.values():  # in the order of the graph
        follows = node.op_type in FOLLOWERS and node.input[0] in nodes
        layers[node.name] = layers[nodes[node.input[0]].name] if follows else node.name
    return layers


def layer_times(path: Path, way: Way, feed: Feed, layers: dict[str, str]) -> dict[str, float]:
    """Seconds of each layer of a model in a run: those of its nodes, each at its fastest, summed up."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = open_session(path, way, options)
        for _ in range(RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = defaultdict(list)
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(TIME):
            nodes[event["name"].removesuffix(TIME)].append(event["dur"] * 1e-6)
    times: dict[str, float] = defaultdict(float)
    for name, found in nodes.items():
        plain = ADDED.sub("", name)
        times[layers.get(plain, plain)] += min(found)
    return times


if __name__ == "__main__":
    main()

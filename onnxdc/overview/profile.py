"""What the nodes of each weight do in a run: how long they take, and how many elements they put out."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import onnx_ir as ir
import onnxruntime

from onnxdc import model_io
from onnxdc.domain import group
from onnxdc.domain.operators import DOMAIN, has_group
from onnxdc.errors import ModelError
from onnxdc.evaluate.runner import session_options
from onnxdc.graph.slots import ROLES
from onnxdc.graph.weights import Weight, find_weights
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.model_io.feeds import Feed
from onnxdc.passes.decode import decode_dense_nodes
from onnxdc.runtime import best_decoder, session

_RUNS: Final = 15  # a choice
_LEAST_RUNS: Final = 3
_SECONDS: Final = 3.0  # after which the least runs are enough
_MARK: Final = re.compile(r"onnxdc\.weight\.(\d+)\.")
_FUSED: Final = frozenset({"BatchNormalization", "Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "Add"})
_KERNEL: Final = "_kernel_time"


def seconds_of_weights(source: Source, feed: Feed, paths: Sequence[str], *, native: bool) -> dict[str, float]:
    """Return how long the nodes of each weight take in a run, by the name of the weight, in seconds.

    onnxruntime measures that itself, its optimisations included; the least of several runs counts. A weight whose nodes
    it has replaced by others without their names is missing.

    Args:
        source: A model, compressed or not.
        feed: The inputs of a run.
        paths: Libraries of somebody's own operators that the model needs.
        native: Whether to run natively.

    Raises:
        ModelError: The model cannot be run.
    """
    model = model_io.load(source, upgrade=False)
    if native:
        decode_dense_nodes(model, decoder=best_decoder(), budget=budget_of(model, None))
    names = _mark(model)
    options = session_options(paths)
    times: dict[str, list[float]] = defaultdict(list)
    events, runs = _events(model, feed, options, _RUNS, native=native)
    for event in events:
        times[event["name"]].append(event["dur"] / 1e6)
    seconds: dict[str, float] = defaultdict(float)
    for event_name, taken in times.items():
        for number in set(_MARK.findall(event_name)):
            seconds[names[int(number)]] += min(taken) * max(1, len(taken) // runs)  # one in a loop runs more often
    return dict(seconds)


def elements_of_weights(decoded: ir.Model, feed: Feed, paths: Sequence[str]) -> dict[str, int]:
    """Return how many elements the nodes of each weight put out in a run, by the name of the weight.

    Args:
        decoded: A model of standard operators.
        feed: The inputs of the run.
        paths: Libraries of somebody's own operators that the model needs.

    Raises:
        ModelError: The model cannot be run.
    """
    model = decoded.clone()
    names = _mark(model)
    options = session_options(paths)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    elements: dict[str, int] = defaultdict(int)
    for event in _events(model, feed, options, 1, native=False)[0]:
        for number in set(_MARK.findall(event["name"])):
            elements[names[int(number)]] += _elements(event["args"])
    return dict(elements)


def _mark(model: ir.Model) -> list[str]:
    """Give the nodes of each weight names by which they are known, and return the names of the weights."""
    names: list[str] = []
    for name, nodes in _nodes_of_weights(model).items():
        for number, node in enumerate(nodes):
            node.name = f"onnxdc.weight.{len(names)}.{number}."
            for depth, output in enumerate(_fusible(node)):
                output.name = f"{node.name}{depth}"
        names.append(name)
    return names


def _fusible(node: ir.Node) -> Iterator[ir.Value]:
    """Yield what a node puts out, and what the nodes after it do that onnxruntime may fuse into it.

    It names a node by what the fused nodes put out, where it lays images out in another way.
    """
    value = node.outputs[0]
    yield value
    while len(users := list(value.consumers())) == 1 and users[0].op_type in _FUSED and len(users[0].outputs) == 1:
        value = users[0].outputs[0]
        yield value


def _nodes_of_weights(model: ir.Model) -> Mapping[str, list[ir.Node]]:
    """Return which nodes each weight is for; a node of two weights, such as an LSTM, is for the first."""
    nodes: dict[str, list[ir.Node]] = defaultdict(list)
    taken: set[ir.Node] = set()
    for graph in model.graphs():  # not those of the portable bodies, whose nodes are for any weight
        for node in graph:
            if node.domain == DOMAIN and has_group(node.op_type) and not node.op_type.startswith("Decode"):
                nodes[group.name_of(node)].append(node)
                taken.add(node)
    for weight in find_weights(model, 1, ROLES)[0]:
        for node in dict.fromkeys(readers(weight)):
            if node not in taken:
                nodes[weight.name].append(node)
                taken.add(node)
    return nodes


def readers(weight: Weight) -> Iterator[ir.Node]:
    """Yield the nodes that a weight is for."""
    yield from (use.node for use in weight.uses)
    yield from (reader.node for reader in weight.readers)


def _events(
    model: ir.Model, feed: Feed, options: onnxruntime.SessionOptions, most: int, *, native: bool
) -> tuple[list[dict[str, Any]], int]:
    """Run a model several times; return what onnxruntime says of each run of each kernel, and the number of runs."""
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "run"))
        running = session(model, native=native, sess_options=options)
        runs, end = 0, time.perf_counter() + _SECONDS
        try:
            while runs < min(most, _LEAST_RUNS) or (runs < most and time.perf_counter() < end):
                running.run(None, feed)
                runs += 1
        except Exception as error:  # onnxruntime raises many types, which share no base
            raise ModelError(f"cannot run: {' '.join(str(error).split())[:300]}") from error
        events = json.loads(Path(running.end_profiling()).read_text(encoding="utf-8"))
    return [event for event in events if event.get("cat") == "Node" and event["name"].endswith(_KERNEL)], runs


def _elements(arguments: Mapping[str, Any]) -> int:
    """Return the elements of the first output of a kernel."""
    shapes = arguments.get("output_type_shape") or []
    return prod(next(iter(shapes[0].values()))) if shapes else 0

"""Check model-local functions: none calls itself, and calling them unfolds to a number of nodes that can be handled."""

from __future__ import annotations

from typing import Final

import onnx

from onnxdc.errors import ModelError
from onnxdc.model_io.scopes import Body, graphs_in, subgraphs

MAX_INLINED: Final = 1_000_000  # nodes: runtimes and shape inference put the body in the place of each call

_Name = tuple[str, str, str]


def check_functions(proto: onnx.ModelProto, where: str) -> None:
    """Refuse functions that call themselves, have one name, or unfold to more than a million nodes.

    Raises:
        ModelError: The model has such a function; the error names it.
    """
    where = f"{where}: not valid ONNX"
    bodies: dict[_Name, onnx.FunctionProto] = {}
    for function in proto.functions:
        name = (function.domain, function.name, function.overload)
        if name in bodies:
            raise ModelError(f"{where}: two functions have the name {function.domain}.{function.name}")
        bodies[name] = function
    sizes: dict[_Name, int] = {}
    # Depth first: a function is entered, then those that it calls, then it is left with its size.
    pending = [(name, False) for name in bodies]
    entered: set[_Name] = set()
    while pending:
        name, is_left = pending.pop()
        if name in sizes:
            continue
        calls = _calls(bodies[name], bodies)
        if is_left:
            sizes[name] = _unfolded(bodies[name], calls, sizes, f"{where}: function {name[0]}.{name[1]}")
            continue
        if name in entered:
            raise ModelError(f"{where}: function {name[0]}.{name[1]} calls itself")
        entered.add(name)
        pending.append((name, True))
        for called in dict.fromkeys(calls):
            if called in entered and called not in sizes:
                raise ModelError(f"{where}: function {called[0]}.{called[1]} calls itself")
            pending.append((called, False))
    _unfolded(proto.graph, _calls(proto.graph, bodies), sizes, where)


def _calls(body: Body, bodies: dict[_Name, onnx.FunctionProto]) -> list[_Name]:
    """List the functions that the nodes of a body call, one entry a call."""
    calls = []
    for node in _nodes(body):
        name = (node.domain, node.op_type, node.overload)
        if name in bodies:
            calls.append(name)
    return calls


def _nodes(body: Body) -> list[onnx.NodeProto]:
    """List the nodes of a body, those of the graphs in it included."""
    inner = [graph for node in body.node for graph in subgraphs(node)]
    return [*body.node, *(node for graph in inner for within in graphs_in(graph) for node in within.node)]


def _unfolded(body: Body, calls: list[_Name], sizes: dict[_Name, int], where: str) -> int:
    total = len(_nodes(body)) + sum(sizes[name] for name in calls)
    if total > MAX_INLINED:
        raise ModelError(f"{where}: its calls unfold to {total} nodes, expected at most {MAX_INLINED}")
    return total

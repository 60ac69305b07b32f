"""Walk the graphs of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir


def graphs(model: ir.Model) -> Iterator[tuple[ir.Function | None, ir.Graph]]:
    """Every graph of the model, with the model-local function that it is in; a graph comes before its subgraphs."""
    yield None, model.graph
    yield from ((None, graph) for graph in model.graph.subgraphs())
    for function in model.functions.values():
        yield function, function.graph
        yield from ((function, graph) for graph in function.subgraphs())


def node_name(node: ir.Node) -> str:
    """The name of a node for people: its own, or that of its first output."""
    return node.name or next((output.name for output in node.outputs if output.name), None) or node.op_type


def insert_at(graph: ir.Graph, places: Sequence[tuple[int, ir.Node]]) -> None:
    """Insert nodes, each at the place that it is to have among the nodes of the graph when all are in it.

    Where the graph is not the one that the places were taken from, its nodes are sorted so that each comes before
    those that use it.
    """
    nodes = list(graph)
    for earlier, (place, node) in enumerate(sorted(places, key=lambda pair: pair[0])):
        if place - earlier < len(nodes):
            graph.insert_before(nodes[max(0, place - earlier)], node)
        else:
            graph.append(node)
    order = {node: place for place, node in enumerate(graph)}
    if any(order.get(user, len(order)) < order[node] for node in graph for user in _users(node)):
        graph.sort()


def _users(node: ir.Node) -> Iterator[ir.Node]:
    """The nodes that use an output of this one."""
    for value in node.outputs:
        yield from value.consumers()

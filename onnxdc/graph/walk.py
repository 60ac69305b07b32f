"""Walk the graphs of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir


def graphs(model: ir.Model) -> Iterator[tuple[ir.Function | None, ir.Graph]]:
    """Yield every graph of the model, with the function that it is in; a graph comes before its subgraphs."""
    yield None, model.graph
    yield from ((None, graph) for graph in model.graph.subgraphs())
    for function in model.functions.values():
        yield function, function.graph
        yield from ((function, graph) for graph in function.subgraphs())


def node_name(node: ir.Node) -> str:
    """Return what messages call a node: its own name, or that of its first output."""
    return node.name or next((output.name for output in node.outputs if output.name), None) or node.op_type


def operator_name(node: ir.Node) -> str:
    """Return the operator of a node, with its domain unless that is ONNX's own: such as ``com.microsoft.FusedConv``."""
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def described(node: ir.Node) -> str:
    """Return the operator of a node and what messages call the node: such as ``Conv conv1``."""
    name = node_name(node)
    return operator_name(node) if name == node.op_type else f"{operator_name(node)} {name}"


def insert_at(graph: ir.Graph, insertions: Sequence[tuple[int, ir.Node]]) -> None:
    """Insert nodes, each at the index that it is to have among the nodes of the graph when all are in it.

    If the graph is not the one that the indices were taken from, its nodes are sorted so that each comes before those
    that use it.
    """
    nodes = list(graph)
    for earlier, (index, node) in enumerate(sorted(insertions, key=lambda insertion: insertion[0])):
        before = max(0, index - earlier)
        if before < len(nodes):
            graph.insert_before(nodes[before], node)
        else:
            graph.append(node)
    order = {node: index for index, node in enumerate(graph)}
    if any(order.get(user, len(order)) < order[node] for node in graph for user in _users(node)):
        graph.sort()


def _users(node: ir.Node) -> Iterator[ir.Node]:
    """Yield the nodes that use an output of this one."""
    for value in node.outputs:
        yield from value.consumers()

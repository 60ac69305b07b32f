"""Walk the graphs of a model."""

from __future__ import annotations

from collections.abc import Iterator

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

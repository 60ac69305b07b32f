"""Which nodes run on integers beside the static layers: those between two of them, so that no float comes between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor

# Operators that onnxruntime has kernels of integers for, or that only move values. Others, such as Softmax, lose much
# of an output of 256 values.
_BETWEEN: Final = frozenset(
    {"Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "LeakyRelu", "MaxPool", "Pad", "Relu"}
    | {"Reshape", "Sigmoid", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)
_RECTIFIERS: Final = frozenset({"Clip", "Relu"})  # that become the range of the layer before them


def chosen_nodes(graph: ir.Graph, layers: Iterable[ir.Node]) -> list[ir.Node]:
    """Return the nodes of a graph that run on integers, in its order.

    What comes after the last layer stays float, and so do the outputs of the graph: a probability below 1/256 would be
    zero.

    Args:
        graph: The main graph.
        layers: The static layers.
    """
    of_layers = set(layers)
    before = _reached(of_layers, lambda node: [value.producer() for value in node.inputs if value is not None])
    after = _reached(of_layers, lambda node: [user for value in node.outputs for user in value.consumers()])
    return [
        node
        for node in graph
        if node in of_layers or (node in before and node in after and _is_between(node)) or _rectifies(node, of_layers)
    ]


def _reached(starts: set[ir.Node], step: Callable[[ir.Node], Iterable[ir.Node | None]]) -> set[ir.Node]:
    """Return the nodes that are reached from others, without these unless they are reached, too."""
    reached: set[ir.Node] = set()
    pending = [*starts]
    while pending:
        for node in step(pending.pop()):
            if node is not None and node not in reached:
                reached.add(node)
                pending.append(node)
    return reached


def _is_between(node: ir.Node) -> bool:
    """Tell whether a node can run on integers: one that adds a constant would round that to 8 bits, too."""
    if node.domain != "" or node.op_type not in _BETWEEN or _is_typed_otherwise(node) or _takes_defaults(node):
        return False
    return node.op_type != "Add" or not any(
        value is not None and constant_tensor(value) is not None for value in node.inputs
    )


def _takes_defaults(node: ir.Node) -> bool:
    """Tell whether a node reads a constant that callers may give another value for."""
    return any(value is not None and value.is_graph_input() and value.is_initializer() for value in node.inputs)


def _is_typed_otherwise(node: ir.Node) -> bool:
    """Tell whether a node hands on something else than float32, as far as that is known."""
    values = (*node.inputs[:1], *node.outputs)
    return any(value is not None and value.dtype not in (None, ir.DataType.FLOAT) for value in values)


def _rectifies(node: ir.Node, layers: set[ir.Node]) -> bool:
    """Tell whether a node is the only reader of a layer, and only bounds its outputs."""
    if node.domain != "" or node.op_type not in _RECTIFIERS or _takes_defaults(node):
        return False
    value = node.inputs[0] if node.inputs else None
    if value is None:
        return False
    return value.producer() in layers and len(value.uses()) == 1 and not value.is_graph_output()

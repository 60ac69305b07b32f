"""Find what can be fused into the operators that are to become sparse: a bias or a residual, and an activation.

The graph is only read. Tails are known before a weight is encoded, so that they can be weighed, and hold when the
weights are in their groups: encoding changes neither the nodes nor the order of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import onnx_ir as ir

from onnxdc.domain.operators import OPERATORS, SLOPE, Operator
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.shapes import Shapes
from onnxdc.passes.fusion.patterns import find_activation, is_closed

_SLOPE: Final = 0.01  # LeakyRelu's alpha if the node does not say it (its specification)

Product: TypeAlias = tuple[Operator, tuple[int, ...]]
"""The operator that a node becomes, with nothing fused, and the shape of its weight."""

Input: TypeAlias = tuple[ir.Node, int]
"""An input of a node: which node, which of its inputs."""


@dataclass(frozen=True)
class Tail:
    """What is to be fused into a node.

    Attributes:
        operator: What the node becomes.
        sources: The inputs that become its further inputs; None for one that is left out.
        nodes: The nodes that go, the last one first; that one's output becomes the node's.
        attributes: The attributes that it gets.
    """

    operator: Operator
    sources: tuple[Input | None, ...] = ()
    nodes: tuple[ir.Node, ...] = ()
    attributes: tuple[ir.Attr, ...] = ()

    @property
    def inputs(self) -> list[ir.Value | None]:
        """The further inputs, as they are now."""
        return [None if source is None else source[0].inputs[source[1]] for source in self.sources]


def find_tails(graph: ir.Graph, products: Mapping[ir.Node, Product], shapes: Shapes) -> dict[ir.Node, Tail]:
    """Find what can be fused into each node; nodes with nothing to fuse are left out.

    Args:
        graph: The main graph; products of other graphs are not looked at.
        products: The nodes that are to become sparse operators, which ones with nothing fused, and the shapes of
            their weights.
        shapes: The shapes of the graph's values; a residual is fused only if its shape is known.
    """
    tails: dict[ir.Node, Tail] = {}
    taken: set[ir.Node] = set()  # a sum of two products goes into the first of them
    for node in graph:
        if node in products:
            tail = _tail(node, products[node], shapes, taken)
            if tail.nodes:
                tails[node] = tail
                taken.update(tail.nodes)
    return tails


def _tail(node: ir.Node, product: Product, shapes: Shapes, taken: set[ir.Node]) -> Tail:
    """Return what can be fused into a node, maybe nothing."""
    tail = _with_addition(node, product, shapes, taken)
    value = tail.nodes[0].outputs[0] if tail.nodes else node.outputs[0]
    match = find_activation(value)
    if match is None or not taken.isdisjoint(match.nodes):
        return tail
    last, first = match.nodes[0], len(tail.sources)
    operator = replace(tail.operator, activation=match.activation)
    if operator.name not in OPERATORS:
        return tail
    bounds = [
        (last, index) if index < len(last.inputs) else None
        for index in range(1, 1 + len(operator.fused_inputs) - first)
    ]
    slope = [ir.AttrFloat32(SLOPE, last.attributes.get_float("alpha", _SLOPE))]
    attributes = tuple(slope if match.activation == "LeakyRelu" else [])
    return Tail(operator, (*tail.sources, *bounds), (*match.nodes, *tail.nodes), attributes)


def _with_addition(node: ir.Node, product: Product, shapes: Shapes, taken: set[ir.Node]) -> Tail:
    """Return a tail of the Add after a node, if it adds what the node's operator can."""
    (operator, weight_shape), value = product, node.outputs[0]
    add = next(iter(value.consumers()), None)
    if add is None or (add.domain, add.op_type) != ("", "Add") or add.graph is not node.graph or add in taken:
        return Tail(operator)
    if not is_closed(value, (add,)):
        return Tail(operator)
    index = next((index for index, term in enumerate(add.inputs) if term is not value), None)
    other = None if index is None else add.inputs[index]
    if index is None or other is None:
        return Tail(operator)
    added = _addition(node, other, weight_shape, shapes)
    return Tail(replace(operator, added=added), ((add, index),), (add,)) if added else Tail(operator)


def _addition(node: ir.Node, other: ir.Value, weight_shape: tuple[int, ...], shapes: Shapes) -> str:
    """Say what adding ``other`` to the node's output is: one of the words for ``Operator.added``, "" if none."""
    if node.op_type == "MatMul":
        bias = None if other.is_graph_input() else constant_tensor(other)
        return "Bias" if bias is not None and bias.shape.numpy() == weight_shape[-1:] else ""
    if node.op_type == "Conv":
        own = shapes.get(node.outputs[0].name or "")
        known = own is not None and None not in own
        return "Add" if known and own == shapes.get(other.name or "") else ""
    return ""

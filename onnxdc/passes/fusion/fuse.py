"""Fuse what stands behind a sparse operator into it: a bias or a residual, and an activation.

onnxruntime does so with its own operators when it creates a session, and cannot with those of another domain. The pass
runs on a graph whose weights are encoded already; subgraphs and functions stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import onnx
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.operators import DOMAIN, OPERATORS, SLOPE, Operator
from onnxdc.domain.origin import Fused
from onnxdc.graph.constants import constant_tensor, drop_if_unused
from onnxdc.graph.shapes import Shapes
from onnxdc.passes.fusion.patterns import find_activation, is_closed

_SLOPE: Final = 0.01  # LeakyRelu's alpha where the node does not say it


@dataclass(frozen=True)
class _Tail:
    """What is to be fused into a node.

    Attributes:
        operator: what the node becomes.
        inputs: those that it gets behind its own.
        nodes: what goes; the output of the first one becomes that of the node.
        attributes: those that it gets.
    """

    operator: Operator
    inputs: tuple[ir.Value | None, ...] = ()
    nodes: tuple[ir.Node, ...] = ()
    attributes: tuple[ir.Attr, ...] = ()


def fuse(model: ir.Model, shapes: Shapes) -> Fused:
    """Fuse into every sparse operator of the main graph what can be; the nodes that went, for ``unfuse``.

    Args:
        model: changed in place.
        shapes: of its values, by the names that they have; a residual is fused only where its shape is known.
    """
    graph = model.graph
    places = {node: place for place, node in enumerate(graph)}
    dropped = _Dropped(graph, places)
    for node in [node for node in graph if node.domain == DOMAIN and node.op_type in OPERATORS]:
        tail = _tail(node, shapes)
        if tail.nodes:
            dropped.take_tail(node, tail.nodes)
            _fuse(node, tail)
    dropped.take_unused_constants()
    return dropped.record()


def _tail(node: ir.Node, shapes: Shapes) -> _Tail:
    """What can be fused into a node, maybe nothing."""
    tail = _with_addition(node, shapes)
    value = tail.nodes[0].outputs[0] if tail.nodes else node.outputs[0]
    found = find_activation(value)
    operator = replace(tail.operator, activation=found.activation) if found else tail.operator
    if found is None or operator.name not in OPERATORS:
        return tail
    last = found.nodes[0]
    bounds = (*last.inputs[1:], None, None)[:2] if found.activation == "Clip" else ()
    slope = [ir.AttrFloat32(SLOPE, last.attributes.get_float("alpha", _SLOPE))]
    attributes = tuple(slope if found.activation == "LeakyRelu" else [])
    return _Tail(operator, (*tail.inputs, *bounds), (*found.nodes, *tail.nodes), attributes)


def _with_addition(node: ir.Node, shapes: Shapes) -> _Tail:
    """The Add behind a node, if it adds what the node's operator can."""
    operator, value = OPERATORS[node.op_type], node.outputs[0]
    add = next(iter(value.consumers()), None)
    if add is None or (add.domain, add.op_type) != ("", "Add") or add.graph is not node.graph:
        return _Tail(operator)
    if not is_closed(value, (add,)):
        return _Tail(operator)
    other = next((term for term in add.inputs if term is not value), None)
    added = "" if other is None else _addition(node, other, shapes)
    return _Tail(replace(operator, added=added), (other,), (add,)) if added else _Tail(operator)


def _addition(node: ir.Node, other: ir.Value, shapes: Shapes) -> str:
    """What adding ``other`` to the node's output is: one of the words for ``Operator.added``, "" if none."""
    operator = OPERATORS[node.op_type]
    if operator.standard == "MatMul":
        columns = constant_tensor(group.group_of(node)[-1])
        bias = None if other.is_graph_input() else constant_tensor(other)
        fits = bias is not None and columns is not None and bias.shape.numpy() == (int(columns.numpy()[-1]),)
        return "Bias" if fits else ""
    if operator.standard == "Conv":
        own = shapes.get(node.outputs[0].name or "")
        return "Add" if own is not None and own == shapes.get(other.name or "") else ""
    return ""


def _fuse(node: ir.Node, tail: _Tail) -> None:
    """Let the node compute what its tail does, in the place of the last of those nodes: all inputs are made by then."""
    graph, output, last = node.graph, node.outputs[0], tail.nodes[0].outputs[0]
    assert graph is not None
    graph.remove(node)
    graph.insert_after(tail.nodes[0], node)
    group.set_inputs(node, [*node.inputs, *tail.inputs])
    node.op_type = tail.operator.name
    for attribute in tail.attributes:
        node.attributes.add(attribute)
    last.replace_all_uses_with(output, replace_graph_outputs=True)
    graph.remove(tail.nodes, safe=True)
    group.describe_like(output, last)


class _Dropped:
    """Collects what goes from a graph, with the places where it was."""

    def __init__(self, graph: ir.Graph, places: Mapping[ir.Node, int]) -> None:
        self._places = places
        self._initializer_places = {value: place for place, value in enumerate(graph.initializers.values())}
        self._products: dict[int, int] = {}  # by the place of the last node fused into each
        self._nodes: dict[int, onnx.NodeProto] = {}
        self._initializers: dict[int, onnx.TensorProto] = {}
        self._infos: list[onnx.ValueInfoProto] = []
        self._inputs: dict[ir.Value, None] = {}

    def take_tail(self, product: ir.Node, nodes: Sequence[ir.Node]) -> None:
        """Note the nodes that are about to be fused into another, the last one first."""
        self._products[self._places[nodes[0]]] = self._places[product]
        for node in nodes:
            self._nodes[self._places[node]] = ir.serde.serialize_node(node)
            self._inputs.update((value, None) for value in node.inputs if value is not None)
        for node in (product, *nodes[1:]):
            self._note_info(node.outputs[0])

    def take_unused_constants(self) -> None:
        """Note and remove the constants that nothing uses any more."""
        for value in self._inputs:
            tensor, producer = constant_tensor(value), value.producer()
            if tensor is None or value.uses() or value.is_graph_output() or value.is_graph_input():
                continue
            if producer is not None:
                self._nodes[self._places[producer]] = ir.serde.serialize_node(producer)
            elif value in self._initializer_places:
                self._initializers[self._initializer_places[value]] = ir.serde.serialize_tensor(tensor)
            self._note_info(value)
            drop_if_unused(value)

    def record(self) -> Fused:
        """All that went, in the order in which it was."""
        nodes, initializers = sorted(self._nodes.items()), sorted(self._initializers.items())
        content = onnx.GraphProto(
            node=[node for _, node in nodes],
            initializer=[tensor for _, tensor in initializers],
            value_info=self._infos,
        )
        products = [product for _, product in sorted(self._products.items())]
        return Fused.of(content, [place for place, _ in nodes], products, [place for place, _ in initializers])

    def _note_info(self, value: ir.Value) -> None:
        if value.type is not None or value.shape is not None or value.doc_string or value.metadata_props:
            self._infos.append(ir.serde.serialize_value(value))

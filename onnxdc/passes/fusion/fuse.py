"""Fuse what comes after a sparse operator into it: a bias or a residual, and an activation.

onnxruntime does so with its own operators when it creates a session, and cannot with those of another domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.origin import Fused
from onnxdc.graph.constants import constant_tensor, drop_if_unused
from onnxdc.passes.fusion.tails import Tail


def fuse(graph: ir.Graph, tails: Mapping[ir.Node, Tail]) -> Fused:
    """Fuse tails into their nodes, which are sparse operators by now.

    Args:
        graph: The main graph, changed in place.
        tails: The tails by the nodes that they go into, as ``find_tails`` returned them.

    Returns:
        The nodes that went, for ``unfuse``.
    """
    record = record_tails(graph, tails)
    constants = _only_used_in(tails)
    for node in [node for node in graph if node in tails]:
        _fuse(node, tails[node])
    for value in constants:
        drop_if_unused(value)
    return record


def record_tails(graph: ir.Graph, tails: Mapping[ir.Node, Tail]) -> Fused:
    """Record the nodes of tails that are not fused yet, and the constants that only they use, with their indices."""
    node_indices = {node: index for index, node in enumerate(graph)}
    initializer_indices = {value: index for index, value in enumerate(graph.initializers.values())}
    products: dict[int, int] = {}  # by the index of the last node that goes into each
    nodes: dict[int, onnx.NodeProto] = {}
    initializers: dict[int, onnx.TensorProto] = {}
    described: list[ir.Value] = []
    for product in [node for node in graph if node in tails]:
        gone = tails[product].nodes
        products[node_indices[gone[0]]] = node_indices[product]
        nodes |= {node_indices[node]: ir.serde.serialize_node(node) for node in gone}
        described += [node.outputs[0] for node in (product, *gone[1:])]
    for value in _only_used_in(tails):
        tensor, producer = constant_tensor(value), value.producer()
        if producer is not None:
            nodes[node_indices[producer]] = ir.serde.serialize_node(producer)
        elif tensor is not None and value in initializer_indices:
            initializers[initializer_indices[value]] = ir.serde.serialize_tensor(tensor)
        described.append(value)
    content = onnx.GraphProto(
        node=[node for _, node in sorted(nodes.items())],
        initializer=[tensor for _, tensor in sorted(initializers.items())],
        value_info=[ir.serde.serialize_value(value) for value in described if _is_described(value)],
    )
    return Fused.of(content, sorted(nodes), [products[last] for last in sorted(products)], sorted(initializers))


def _only_used_in(tails: Mapping[ir.Node, Tail]) -> list[ir.Value]:
    """Return the constants that nothing uses but nodes of tails, and that no product takes over."""
    # In the order of the products in the graph, as they are in the mapping; of a tail the last node first.
    gone = {node: None for tail in tails.values() for node in tail.nodes}
    kept = {value for tail in tails.values() for value in tail.inputs}
    inputs: Iterable[ir.Value] = dict.fromkeys(value for node in gone for value in node.inputs if value is not None)
    return [
        value
        for value in inputs
        if constant_tensor(value) is not None
        and value not in kept
        and not (value.is_graph_output() or value.is_graph_input())
        and all(user in gone for user in value.consumers())
    ]


def _is_described(value: ir.Value) -> bool:
    """Tell whether the model has a value_info for a value."""
    return bool(value.type is not None or value.shape is not None or value.doc_string or value.metadata_props)


def _fuse(node: ir.Node, tail: Tail) -> None:
    """Let the node compute what its tail does, right after the last of those nodes: all inputs are made by then."""
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

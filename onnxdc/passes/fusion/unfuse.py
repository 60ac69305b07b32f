"""Put back the nodes that were fused into sparse operators: the inverse of ``fuse``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import cache

import onnx
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.operators import DOMAIN, OPERATORS, SLOPE
from onnxdc.domain.origin import KEY, Fused
from onnxdc.domain.portable import portable_functions
from onnxdc.errors import ModelError
from onnxdc.graph.names import Names
from onnxdc.graph.walk import insert_at, node_name


class _Several(Enum):
    """What a value is made from that is made from more than one input."""

    INPUTS = "inputs"


def unfuse(model: ir.Model, fused: Fused) -> None:
    """Leave in every fused operator of the model its product alone, and put the rest after it as nodes.

    Args:
        model: The model, which is changed in place.
        fused: The record that ``fuse`` made. An operator of which it knows nothing gets the nodes of its portable body.

    Raises:
        ModelError: The record is damaged, or does not fit the model.
    """
    fused_nodes = [node for graph in model.graphs() for node in graph if is_fused(node)]
    content = fused.unpack(len(fused_nodes))
    recorded = {name for node in content.node for name in node.output}
    names = Names(model)
    known = []
    for node in fused_nodes:
        if node.graph is model.graph and node.outputs[0].name in recorded:
            known.append(node)
        else:
            _expand(node, names, model.opset_imports.get("", 0))
    if content.node:
        _put_back(model.graph, known, content, fused)


def is_fused(node: ir.Node) -> bool:
    """Tell whether the node does more than its product."""
    return node.domain == DOMAIN and node.op_type in OPERATORS and bool(OPERATORS[node.op_type].fused)


def _put_back(graph: ir.Graph, fused_nodes: Sequence[ir.Node], content: onnx.GraphProto, fused: Fused) -> None:
    """Put the recorded nodes and initializers where they were."""
    if len(fused_nodes) != len(fused.products):
        expected, actual = len(fused.products), len(fused_nodes)
        raise ModelError(f"metadata entry {KEY}: fused: expected {expected} nodes that others are in, got {actual}")
    values = {value.name: value for node in graph for value in node.outputs}
    values |= {value.name: value for value in [*graph.inputs, *graph.initializers.values()]}
    _check_new(content, values, fused_nodes)
    record = _graph_of(content)
    nodes, constants = list(record), list(record.initializers.values())
    record.initializers.clear()
    _separate(fused_nodes, record, values)
    _connect(record, values)
    record.remove(nodes)
    graph.remove(fused_nodes)
    initializers = list(graph.initializers.values())
    for index, value in zip(fused.initializers, constants, strict=True):
        initializers.insert(index, value)
    graph.initializers.clear()
    for value in initializers:
        graph.initializers.add(value)
    indices = [*fused.nodes, *fused.products]
    try:
        insert_at(graph, list(zip(indices, [*nodes, *fused_nodes], strict=True)))
    except ValueError as error:  # of the sort
        raise ModelError(f"metadata entry {KEY}: fused: its nodes and those of the model form a cycle") from error


def _check_new(content: onnx.GraphProto, values: Mapping[str | None, ir.Value], fused_nodes: Sequence[ir.Node]) -> None:
    """Refuse a record that makes values of the model, other than those of the operators that it was fused into."""
    own = {node.outputs[0].name for node in fused_nodes}
    made = {name for node in content.node for name in node.output} - own
    for name in [*made, *(tensor.name for tensor in content.initializer)]:
        if name in values:
            raise ModelError(f"metadata entry {KEY}: fused: {name}: expected a new name, got one that the model has")


@cache
def _body(op_type: str, opset: int) -> onnx.FunctionProto:
    """Return the portable body of an operator, or of the one that does the same after a product of floats."""
    return portable_functions([replace(OPERATORS[op_type], dynamic=False).name], opset)[-1]


def _expand(node: ir.Node, names: Names, opset: int) -> None:
    """Put the nodes of the portable body after a fused operator."""
    operator = OPERATORS[node.op_type]
    function = _body(node.op_type, opset)
    product = next(index for index, part in enumerate(function.node) if part.op_type == operator.standard)
    given = [value.name if value is not None else "" for value in node.inputs[operator.inputs :]]
    new = {"": "", **dict(zip(operator.fused_inputs, [*given, "", "", ""], strict=False))}
    new[function.output[0]] = node.outputs[0].name
    content = onnx.GraphProto(node=function.node[product + 1 :])
    for part in content.node:
        for name in [*part.input, *part.output]:
            if name not in new:
                new[name] = names.take(f"{node.outputs[0].name}.{name}")
        part.input[:], part.output[:] = ([new[name] for name in old] for old in (part.input, part.output))
        for attribute in [attribute for attribute in part.attribute if attribute.ref_attr_name == SLOPE]:
            attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, node.attributes.get_float(SLOPE, 0.01)))
    record = _graph_of(content)
    nodes = list(record)
    values = {value.name: value for value in node.inputs if value is not None}
    _separate([node], record, values)
    _connect(record, values)
    record.remove(nodes)
    assert node.graph is not None
    node.graph.insert_after(node, nodes)


def _graph_of(content: onnx.GraphProto) -> ir.Graph:
    """Return the nodes and initializers as a graph, of which every value that is made elsewhere is an input."""
    made = {name for node in content.node for name in node.output} | {tensor.name for tensor in content.initializer}
    infos = {info.name: info for info in content.value_info}
    outside = {name for node in content.node for name in node.input} - made - {""}
    copy = onnx.GraphProto()
    copy.CopyFrom(content)
    copy.input.extend(infos.get(name, onnx.ValueInfoProto(name=name)) for name in sorted(outside))
    try:
        return ir.serde.deserialize_graph(copy)
    except (ir.serde.SerdeError, ValueError, TypeError) as error:
        raise ModelError(f"metadata entry {KEY}: fused: {' '.join(str(error).split())[:200]}") from error


def _separate(nodes: Sequence[ir.Node], record: ir.Graph, values: dict[str | None, ir.Value]) -> None:
    """Make each fused node the plain product, and let the nodes of ``record`` yield what it yielded.

    The output of the product is that input of theirs that nothing in the model makes: it is added to ``values``.
    """
    made = {value.name: value for part in record for value in part.outputs}
    lasts = [made[node.outputs[0].name] for node in nodes]
    products = _products(record, set(lasts), values)
    for node, last in zip(nodes, lasts, strict=True):
        operator, output, product = OPERATORS[node.op_type], node.outputs[0], products[last]
        if not isinstance(product, ir.Value) or product.name in values:
            raise ModelError(f"metadata entry {KEY}: fused: {node_name(node)} does not end what takes one product")
        group.describe_like(last, output)
        output.replace_all_uses_with(last, replace_graph_outputs=True)
        group.describe_like(output, product)
        values[output.name], values[last.name] = output, last
        group.set_inputs(node, node.inputs[: operator.inputs])
        node.attributes.pop(SLOPE, None)
        node.op_type = operator.product.name


def _products(
    record: ir.Graph, lasts: Collection[ir.Value], values: Mapping[str | None, ir.Value]
) -> dict[ir.Value, ir.Value | _Several | None]:
    """Return, for each value of the record, which input that nothing in the model makes it is made from.

    The way back ends at the values of ``lasts``: what was fused into one operator may take what another one yields.
    """
    try:
        record.sort()
    except ValueError as error:
        raise ModelError(f"metadata entry {KEY}: fused: its nodes form a cycle") from error
    products: dict[ir.Value, ir.Value | _Several | None] = {
        value: None if value.name in values else value for value in record.inputs
    }
    for node in record:
        sources = (products.get(value) for value in node.inputs if value is not None and value not in lasts)
        several = dict.fromkeys(source for source in sources if source is not None)
        product = None if not several else next(iter(several)) if len(several) == 1 else _Several.INPUTS
        products |= dict.fromkeys(node.outputs, product)
    return products


def _connect(record: ir.Graph, values: Mapping[str | None, ir.Value]) -> None:
    """Give the nodes of the record the values of the model instead of its inputs."""
    for value in record.inputs:
        if value.name not in values:
            raise ModelError(f"metadata entry {KEY}: fused: the model has no value {value.name}")
        value.replace_all_uses_with(values[value.name])

"""Walk a ModelProto: every graph, subgraph and function body in it, without recursion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import onnx

Body: TypeAlias = onnx.GraphProto | onnx.FunctionProto
"""What holds nodes."""


@dataclass(frozen=True)
class Scope:
    """A graph, or the body of a function, with what its nodes can refer to.

    Attributes:
        body: The graph or function itself.
        function: The function that it is or lies in; None outside of functions.
        opsets: The operator sets that its nodes are written for, by domain; ``""`` is the default one.
        outer: The scope of the node that holds it; None for the main graph and for functions.
    """

    body: Body
    function: onnx.FunctionProto | None
    opsets: Mapping[str, int]
    outer: Scope | None = None

    @property
    def initializers(self) -> Iterable[onnx.TensorProto]:
        """The initializers; a function has none."""
        return self.body.initializer if isinstance(self.body, onnx.GraphProto) else ()

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs."""
        return _names(self.body, self.body.input)

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs."""
        return _names(self.body, self.body.output)


def scopes(proto: onnx.ModelProto) -> Iterator[Scope]:
    """Yield every scope of a model; one comes before those inside it."""
    pending = [Scope(function, function, _opsets(function.opset_import)) for function in reversed(proto.functions)]
    pending.append(Scope(proto.graph, None, _opsets(proto.opset_import)))
    while pending:
        scope = pending.pop()
        yield scope
        inner = [graph for node in scope.body.node for graph in subgraphs(node)]
        pending += [Scope(graph, scope.function, scope.opsets, scope) for graph in reversed(inner)]


def graphs_in(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph and all graphs inside it; one comes before those inside it."""
    pending = [graph]
    while pending:
        current = pending.pop()
        yield current
        pending += reversed([inner for node in current.node for inner in subgraphs(node)])


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that are attributes of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def tensors(scope: Scope) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield every tensor of a scope, those of the scopes inside it left out, with what messages call it."""
    for tensor in scope.initializers:
        yield tensor.name, tensor
    sparse = list(scope.body.sparse_initializer) if isinstance(scope.body, onnx.GraphProto) else []
    for node, attribute in _attributes(scope):
        name = f"{label(node)}: {attribute.name}"
        if attribute.HasField("t"):
            yield name, attribute.t
        for tensor in attribute.tensors:
            yield name, tensor
        sparse += [
            *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()),
            *attribute.sparse_tensors,
        ]
    for tensor in sparse:
        yield tensor.values.name, tensor.values
        yield tensor.values.name, tensor.indices


def label(node: onnx.NodeProto) -> str:
    """Return what messages call a node: its operator, and its name or that of its first output."""
    name = node.name or next((output for output in node.output if output), "")
    return f"{node.op_type} {name!r}" if name else node.op_type


def _attributes(scope: Scope) -> Iterator[tuple[onnx.NodeProto, onnx.AttributeProto]]:
    for node in scope.body.node:
        for attribute in node.attribute:
            yield node, attribute
    if isinstance(scope.body, onnx.FunctionProto):
        holder = onnx.NodeProto(op_type=scope.body.name)
        for attribute in scope.body.attribute_proto:
            yield holder, attribute


def _names(body: Body, values: Iterable[Any]) -> list[str]:
    """Return the names of inputs or outputs: a function has no more of them."""
    return [value.name for value in values] if isinstance(body, onnx.GraphProto) else list(values)


def _opsets(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    return {"" if opset.domain == "ai.onnx" else opset.domain: opset.version for opset in imports}

"""Convert a model to operator set 11, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import onnx

from onnxdc.domain.group import MIN_OPSET
from onnxdc.errors import ModelError
from onnxdc.model_io.scopes import graphs_in, label, subgraphs
from onnxdc.model_io.upgrade import legacy, operators
from onnxdc.model_io.upgrade.rule import Rule, take
from onnxdc.model_io.upgrade.surroundings import Surroundings, UnconvertibleError

_DEFAULT: Final = ("", "ai.onnx")  # two names of one domain
_NUMPY: Final = 7  # the operator set from which on operators broadcast as numpy does


@dataclass(frozen=True)
class Upgraded:
    """A model at operator set 11.

    Attributes:
        proto: The model.
        before: The model as it was.
        opset: The operator set that it had.
        changed: The outputs of the nodes of the main graph that are written in another way now.
    """

    proto: onnx.ModelProto
    before: onnx.ModelProto
    opset: int
    changed: tuple[str, ...]

    def cannot(self, where: str) -> str:
        """Return how an error begins."""
        return _cannot(where, self.opset)


def upgraded(proto: onnx.ModelProto, where: str, opset: int) -> Upgraded:
    """Return the model at operator set 11; the original is left as it is.

    Args:
        proto: The model, of operator set ``opset``, an older one, without external data.
        where: What to call the model in messages.
        opset: The version of the default domain that it imports.

    Raises:
        ModelError: It cannot be converted.
    """
    cannot = _cannot(where, opset)
    if proto.functions:
        raise ModelError(f"{cannot}: it has a function, {proto.functions[0].name}")
    new = onnx.ModelProto()
    new.CopyFrom(proto)
    changed: dict[str, None] = {}
    if opset < _NUMPY:
        _drop_consumed(new)
        changed |= dict.fromkeys(_rewrite(new.graph, legacy.RULES, Surroundings(new, opset), cannot))
        _set_opset(new, _NUMPY)
    changed |= dict.fromkeys(_rewrite(new.graph, operators.RULES, Surroundings(new, max(opset, _NUMPY)), cannot))
    _set_opset(new, MIN_OPSET)
    for graph in graphs_in(new.graph):
        for node in graph.node:
            _require_valid(node, cannot)
    return Upgraded(new, proto, opset, tuple(changed))


def _cannot(where: str, opset: int) -> str:
    return f"{where}: operator set {opset} cannot be converted to {MIN_OPSET}"


def _set_opset(model: onnx.ModelProto, version: int) -> None:
    for opset_import in model.opset_import:
        if opset_import.domain in _DEFAULT:
            opset_import.version = version


def _drop_consumed(model: onnx.ModelProto) -> None:
    """Drop what operators up to set 5 said of the inputs that they may write over."""
    for graph in graphs_in(model.graph):
        for node in graph.node:
            if node.domain in _DEFAULT:
                take(node, "consumed_inputs")


def _rewrite(graph: onnx.GraphProto, rules: Mapping[str, Rule], around: Surroundings, cannot: str) -> list[str]:
    """Convert the nodes of a graph and of those inside it; return the outputs of those of its nodes that changed."""
    nodes: list[onnx.NodeProto] = []
    changed: list[str] = []
    for node in graph.node:
        outputs = list(node.output)
        inside = [name for inner in subgraphs(node) for name in _rewrite(inner, rules, around, cannot)]
        rule = rules.get(node.op_type) if node.domain in _DEFAULT else None
        if rule is None or around.opset >= rule.before:
            nodes.append(node)
        else:
            try:
                nodes += rule.convert(node, around)
            except UnconvertibleError as error:
                raise ModelError(f"{cannot}: {label(node)}: {error}") from error
            inside = outputs
        if inside:
            changed += [name for name in outputs if name and around.uses(name)]
    if changed:
        new = onnx.GraphProto(node=nodes)
        graph.ClearField("node")
        graph.node.extend(new.node)
    return changed


def _require_valid(node: onnx.NodeProto, cannot: str) -> None:
    """Refuse a node that operator set 11 does not have, or not with these attributes and inputs."""
    if node.domain not in _DEFAULT:
        return
    try:
        schema = onnx.defs.get_schema(node.op_type, MIN_OPSET, "")
    except onnx.defs.SchemaError:
        schema = None
    if schema is None or schema.deprecated:
        raise ModelError(f"{cannot}: {label(node)}: operator set {MIN_OPSET} has no such operator")
    unknown = [each.name for each in node.attribute if each.name not in schema.attributes]
    if unknown:
        raise ModelError(f"{cannot}: {label(node)}: operator set {MIN_OPSET} has no attribute {unknown[0]}")
    given = {each.name for each in node.attribute}
    missing = [name for name, each in schema.attributes.items() if each.required and name not in given]
    if missing:
        raise ModelError(f"{cannot}: {label(node)}: expected an attribute {missing[0]}")
    if not schema.min_input <= len(node.input) <= schema.max_input:
        expected = f"{schema.min_input} to {schema.max_input}"
        raise ModelError(f"{cannot}: {label(node)}: expected {expected} inputs, got {len(node.input)}")

"""Check nodes against the schemas of their operators: numbers of inputs and outputs, attributes and their types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import onnx
import onnx.defs
from onnx import AttributeProto, FunctionProto, NodeProto

from onnxdc.domain.group import ATTRIBUTES
from onnxdc.domain.operators import DECODERS, DOMAIN, GROUP_INPUTS, OPERATORS, SLOPE
from onnxdc.errors import ModelError
from onnxdc.model_io.scopes import Scope, label
from onnxdc.numeric.weight import TENSORS

# The field of an AttributeProto that holds the value of each type.
_FIELDS: Final = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.TYPE_PROTO: "tp",
}
_MESSAGES: Final = frozenset(
    {AttributeProto.TENSOR, AttributeProto.GRAPH, AttributeProto.SPARSE_TENSOR, AttributeProto.TYPE_PROTO}
)
_MANY: Final = 2**31 - 1  # what a schema says where any number is allowed
_NEWEST: Final = 2**31 - 2  # the highest version that onnx looks up


def check_nodes(scope: Scope, where: str) -> None:
    """Refuse nodes that are not what the schemas of their operators say; unknown operators pass.

    Raises:
        ModelError: A node has too few or too many inputs or outputs, or an attribute is missing, has no value, or has
            one of another type, its operator set has an impossible version, or it is for a device without a name;
            the error names the node.
    """
    references = _function_attributes(scope)
    for node in scope.body.node:
        where_node = f"{where}: not valid ONNX: {label(node)}"
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain not in scope.opsets:
            raise ModelError(f"{where_node}: imports no operator set of the domain {domain or 'ai.onnx'}")
        if not 0 <= scope.opsets[domain] <= _NEWEST:
            raise ModelError(f"{where_node}: unknown operator set {scope.opsets[domain]}, expected 0 to {_NEWEST}")
        if not all(each.configuration_id for each in node.device_configurations):
            raise ModelError(f"{where_node}: a device configuration has no name")
        _check_attributes(node, references, where_node)
        if domain == DOMAIN:
            _check_own(node, scope.function, where_node)
        else:
            _check_schema(node, domain, scope.opsets[domain], where_node)


def _function_attributes(scope: Scope) -> set[str] | None:
    """Return the attributes that nodes may refer to; None outside of functions."""
    if scope.function is None:
        return None
    return {*scope.function.attribute, *(attribute.name for attribute in scope.function.attribute_proto)}


def _check_attributes(node: NodeProto, references: set[str] | None, where: str) -> None:
    seen: set[str] = set()
    for attribute in node.attribute:
        here = f"{where}: attribute {attribute.name!r}"
        if not attribute.name or attribute.name in seen:
            raise ModelError(f"{here} {'stands twice' if attribute.name else 'has no name'}")
        seen.add(attribute.name)
        if attribute.type not in AttributeProto.AttributeType.values() or attribute.type == AttributeProto.UNDEFINED:
            raise ModelError(f"{here} has no type")
        if attribute.ref_attr_name:
            if references is None or attribute.ref_attr_name not in references:
                raise ModelError(f"{here} refers to {attribute.ref_attr_name!r}, which no function around it has")
        elif attribute.type in _MESSAGES and not attribute.HasField(_FIELDS[attribute.type]):
            raise ModelError(f"{here} has no value")


def _check_schema(node: NodeProto, domain: str, version: int, where: str) -> None:
    schema = _schema(node.op_type, version, domain)
    if schema is None:
        return
    _check_count(where, "inputs", len(node.input), schema.min_input, schema.max_input)
    _check_count(where, "outputs", len(node.output), schema.min_output, schema.max_output)
    given = {attribute.name: attribute for attribute in node.attribute}
    for name, expected in schema.attributes.items():
        if name in given:
            _check_type(given[name], _type_of(expected), where)
        elif expected.required:
            raise ModelError(f"{where}: attribute {name!r} is missing")


def _type_of(expected: onnx.defs.OpSchema.Attribute) -> int:
    """Return the type of an attribute, whose name is ``AttrType.INT`` and so on."""
    return int(AttributeProto.AttributeType.Value(str(expected.type).rpartition(".")[2]))


@cache
def _schema(op_type: str, version: int, domain: str) -> onnx.defs.OpSchema | None:
    try:
        return onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return None


def _check_own(node: NodeProto, function: FunctionProto | None, where: str) -> None:
    """Check a node of our domain by the table of its operators.

    In a portable body, which nobody reads a weight from, what is said of the group is handed on by reference.
    """
    operator = OPERATORS.get(node.op_type)
    if operator is None and node.op_type not in DECODERS:
        return  # yields symbols, is a function that the portable bodies call, or unknown: decoding says so
    types: Mapping[str, int] = {} if operator is None else {**operator.attributes, SLOPE: AttributeProto.FLOAT}
    least = len(TENSORS) if operator is None else operator.first + len(TENSORS)
    most = len(GROUP_INPUTS) if operator is None else operator.inputs + len(operator.fused_inputs)
    _check_count(where, "inputs", len(node.input), least, most)
    _check_count(where, "outputs", len(node.output), 1, 1)
    in_body = function is not None and function.domain == DOMAIN
    for attribute in node.attribute:
        if attribute.name in ATTRIBUTES and attribute.ref_attr_name and not in_body:
            raise ModelError(f"{where}: attribute {attribute.name!r} is a reference, expected an integer")
        expected = AttributeProto.INT if attribute.name in ATTRIBUTES else types.get(attribute.name)
        if expected is not None:
            _check_type(attribute, expected, where)


def _check_count(where: str, what: str, count: int, least: int, most: int) -> None:
    if not least <= count <= most:
        expected = f"{least}" if least == most else f"{least} or more" if most >= _MANY else f"{least} to {most}"
        raise ModelError(f"{where}: expected {expected} {what}, got {count}")


def _check_type(attribute: AttributeProto, expected: int, where: str) -> None:
    if attribute.type != expected:
        names = AttributeProto.AttributeType.Name
        raise ModelError(
            f"{where}: attribute {attribute.name!r}: expected {names(expected)}, got {names(attribute.type)}"
        )

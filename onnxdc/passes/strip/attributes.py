"""Drop attributes that say what holds without them, as exporters write them all."""

from __future__ import annotations

from typing import Final

import onnx
import onnx_ir as ir

from onnxdc.graph.walk import graphs
from onnxdc.passes.strip.sizes import field_bytes

# Of each axis of space, so that no schema says them as a default (from operator set 11 on).
_OF_EACH_AXIS: Final = {"strides": 1, "dilations": 1, "pads": 0}
_WINDOWED: Final = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")


def drop_default_attributes(model: ir.Model) -> int:
    """Drop the attributes of standard nodes that are at their defaults.

    Returns:
        The bytes that the model is smaller by.
    """
    dropped = 0
    for function, graph in graphs(model):
        imports = model.opset_imports if function is None else function.opset_imports
        version = imports.get("", 0)
        for node in graph:
            if node.domain == "":
                dropped += sum(_drop(node, attribute) for attribute in _implied(node, version))
    return dropped


def _implied(node: ir.Node, version: int) -> list[ir.Attr]:
    """Return the attributes of a node that hold without being said."""
    try:
        declared = onnx.defs.get_schema(node.op_type, version).attributes
    except onnx.defs.SchemaError:
        return []
    return [
        attribute
        for name, attribute in node.attributes.items()
        if not attribute.is_ref() and name in declared and _is_default(node, attribute, declared[name])
    ]


def _is_default(node: ir.Node, attribute: ir.Attr, declared: onnx.defs.OpSchema.Attribute) -> bool:
    name = attribute.name
    if node.op_type in _WINDOWED and name in _OF_EACH_AXIS and attribute.type is ir.AttributeType.INTS:
        return all(value == _OF_EACH_AXIS[name] for value in attribute.as_ints())
    default = declared.default_value
    if default.type != attribute.type.value or attribute.type not in (ir.AttributeType.INT, ir.AttributeType.FLOAT):
        return False
    return bool(attribute.value == onnx.helper.get_attribute_value(default))


def _drop(node: ir.Node, attribute: ir.Attr) -> int:
    """Take an attribute from a node, and return the bytes that it took."""
    del node.attributes[attribute.name]
    return field_bytes(ir.serde.serialize_attribute(attribute).ByteSize())

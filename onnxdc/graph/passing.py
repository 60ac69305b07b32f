"""The operators that hand values on: in another shape, order or type, whole or in parts."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.slots import WEIGHT_TYPES, int_attribute

RESHAPING: Final = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})
"""The same elements in the same order, in another shape."""

KEEPING: Final = RESHAPING | {"Identity"}
"""The same elements in the same order."""

PASSING: Final = KEEPING | {"Transpose", "Cast"}
"""All elements, in another order or of another type at most."""

CUTTING: Final = frozenset({"Slice", "Split"})
"""Parts, as exporters of recurrent layers take them to put the gates in ONNX's order."""


def is_passing(node: ir.Node, index: int) -> bool:
    """Tell whether the node hands input ``index`` on to its outputs, and as a floating-point type if it casts it."""
    if index != 0 or node.domain != "" or node.op_type not in PASSING | CUTTING:
        return False
    return node.op_type != "Cast" or int_attribute(node, "to", 0) in WEIGHT_TYPES


def takes_from_table(node: ir.Node, index: int) -> bool:
    """Tell whether the node is a Slice of its input ``index`` whose bounds depend on the inputs of the model."""
    if index != 0 or node.domain != "" or node.op_type != "Slice":
        return False
    return any(value is not None and constant_tensor(value) is None for value in node.inputs[1:])


def inside(node: ir.Node, index: int) -> ir.Value | None:
    """Return what the body of a Scan or Loop calls input ``index`` of the node; None for all others.

    It is a value that the Scan takes slices of, or a variable that each run of the body hands on as it was.
    """
    body = _body(node)
    if body is None:
        return None
    # Loop: [trip count, condition, variables]; Scan: [variables, scanned]. The Scan of operator set 8 has one more.
    position = index - len(node.inputs) + len(body.inputs)
    if not 0 <= position < len(body.inputs):
        return None
    value = body.inputs[position]
    if node.op_type == "Scan" and position >= len(body.inputs) - (int_attribute(node, "num_scan_inputs", 0) or 0):
        return value
    number = position if node.op_type == "Scan" else position - 1  # a Loop's body does not give the count back
    is_kept = 0 <= number < len(body.outputs) and _before_identities(body.outputs[number]) is value
    return value if is_kept else None


def _body(node: ir.Node) -> ir.Graph | None:
    attribute = node.attributes.get("body")
    is_loop = node.domain == "" and node.op_type in ("Scan", "Loop")
    return attribute.as_graph() if is_loop and attribute is not None and not attribute.is_ref() else None


def _before_identities(value: ir.Value) -> ir.Value | None:
    current: ir.Value | None = value
    while current is not None:
        node = current.producer()
        if node is None or node.op_type != "Identity" or node.domain != "":
            return current
        current = node.inputs[0]
    return None

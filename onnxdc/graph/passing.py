"""The operators that hand values on: in another shape, order or type, whole or in parts."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

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

"""What a graph ends with decides how its outputs are compared: probabilities, or values between two bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import onnx_ir as ir

from onnxdc.graph.passing import PASSING

DISTRIBUTIONS: Final = frozenset({"Softmax", "LogSoftmax"})

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
}


def endings(model: ir.Model) -> dict[str, str]:
    """Return the operator that each output comes from, beyond those that hand values on; outputs without are left out.

    Args:
        model: A model.
    """
    found = {output.name or "": _ending(output) for output in model.graph.outputs}
    return {name: ending for name, ending in found.items() if ending is not None}


def _ending(output: ir.Value) -> str | None:
    value: ir.Value | None = output
    seen: set[ir.Value] = set()
    while value is not None and value not in seen:
        seen.add(value)
        node = value.producer()
        if node is None or node.domain != "":
            return None
        if node.op_type not in PASSING:
            return node.op_type
        value = node.inputs[0] if node.inputs else None
    return None

"""Which convolutions come first: those that see the inputs of a model before any other weight does."""

from __future__ import annotations

import onnx_ir as ir

from onnxdc.graph import slots
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.weights import Weight


def is_first_convolution(weight: Weight) -> bool:
    """Tell whether a weight is of a convolution that no other weight lies in front of."""
    if weight.kind != "conv":
        return False
    pending = [use.node.inputs[0] for use in weight.uses if use.node.inputs]
    seen: set[ir.Value | None] = {None}
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        node = value.producer() if value is not None else None
        if node is None:
            continue
        if _has_weight(node):
            return False
        pending += node.inputs
    return True


def _has_weight(node: ir.Node) -> bool:
    """Tell whether a constant lies in a weight slot of the node."""
    return any(
        value is not None and constant_tensor(value) is not None and slots.weight_kind(node, index) is not None
        for index, value in enumerate(node.inputs)
    )

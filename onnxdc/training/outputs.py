"""What the loss is taken of: the model's output, before a last Softmax or Sigmoid that the loss contains itself."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir
import torch

from onnxdc.errors import ModelError

# The loss -> the operators before which it is taken. The losses work on logits, where softmax and logarithm are one
# step that cannot overflow.
_CONTAINED: Final = {"cross_entropy": ("Softmax", "LogSoftmax"), "bce": ("Sigmoid",)}
# Operators that change no value, so that one of the above may stand before them.
_PASSING: Final = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def bypass_activation(model: ir.Model, loss: str) -> bool:
    """Take a last activation that the loss contains out of a model, in place.

    Args:
        model: a copy for training; the activation stays in the model that is written.
        loss: see ``TrainingOptions``.

    Returns:
        Whether there was one.

    Raises:
        ModelError: the model has no output, or a Softmax that is not over axis 1, the classes.
    """
    if not model.graph.outputs:
        raise ModelError("expected a model with an output, got none")
    node = model.graph.outputs[0].producer()
    while node is not None and node.op_type in _PASSING and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    if node is None or node.domain != "" or node.op_type not in _CONTAINED.get(loss, ()):
        return False
    _require_class_axis(node, model)
    identity = ir.Node("", "Identity", [node.inputs[0]], name=node.name)
    output = identity.outputs[0]
    output.type, output.shape = node.outputs[0].type, node.outputs[0].shape
    output.name, node.outputs[0].name = node.outputs[0].name, None
    model.graph.insert_before(node, identity)
    node.outputs[0].replace_all_uses_with(output, replace_graph_outputs=True)
    model.graph.remove(node, safe=True)
    return True


def _require_class_axis(node: ir.Node, model: ir.Model) -> None:
    if node.op_type == "Sigmoid":
        return
    old = model.opset_imports.get("", 1) < 13  # axis 1 by default then, and all axes behind it as one
    axis = node.attributes.get_int("axis", 1 if old else -1)
    shape = node.outputs[0].shape or (node.inputs[0].shape if node.inputs[0] is not None else None)
    rank = len(shape) if shape is not None else 2
    if axis % rank != 1 % rank:
        raise ModelError(f"{node.op_type} {node.name!r}: expected classes on axis 1, got axis {axis} of {rank}")


def logits(outputs: torch.Tensor | tuple[torch.Tensor, ...], loss: str) -> torch.Tensor:
    """The first output; for cross entropy without axes of size 1 behind the classes: ``[items, classes, ...]``.

    Raises:
        ModelError: cross entropy of an output without an axis for the classes.
    """
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    if loss != "cross_entropy":
        return first
    if first.ndim < 2:
        raise ModelError(f"cross_entropy: expected an output [items, classes], got rank {first.ndim}")
    return first.flatten(1) if first[0, 0].numel() == 1 else first

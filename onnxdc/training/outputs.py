"""What the loss is taken of: the model's output, before a last Softmax or Sigmoid that the loss contains itself."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir
import torch

from onnxdc.errors import ModelError, OptionName
from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.passing import KEEPING

# The loss -> the operators before which it is taken. The losses work on logits, where softmax and logarithm are one
# step that cannot overflow.
_CONTAINED: Final = {"cross_entropy": ("Softmax", "LogSoftmax"), "bce": ("Sigmoid",)}


def bypass_activation(model: ir.Model, loss: str, class_axis: int = 1) -> bool:
    """Take a last activation that the loss contains out of a model, in place.

    Args:
        model: A copy of the model for training; the activation stays in the model that is written.
        loss: The loss, see ``TrainingOptions``.
        class_axis: The axis of the classes, 1 or -1.

    Returns:
        Whether there was one.

    Raises:
        ModelError: The model has no output, or a Softmax that is not over the classes.
    """
    if not model.graph.outputs:
        raise ModelError("expected a model with an output, got none")
    node = model.graph.outputs[0].producer()
    while node is not None and node.op_type in KEEPING and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    if node is None or node.domain != "":
        return False
    source = _written_out(node, class_axis) if loss == "cross_entropy" else None
    if source is None:
        if node.op_type not in _CONTAINED.get(loss, ()):
            return False
        _require_class_axis(node, model, class_axis)
        source = node.inputs[0]
    identity = ir.Node("", "Identity", [source], name=node.name)
    output = identity.outputs[0]
    output.type, output.shape = node.outputs[0].type, node.outputs[0].shape
    output.name, node.outputs[0].name = node.outputs[0].name, None
    model.graph.insert_before(node, identity)
    node.outputs[0].replace_all_uses_with(output, replace_graph_outputs=True)
    model.graph.remove(node, safe=True)
    return True


def _written_out(node: ir.Node, class_axis: int) -> ir.Value | None:
    """Return what goes into a softmax over the classes that is written as Exp, ReduceSum and Div, and ends here."""
    powers, total = node.inputs if node.op_type == "Div" else (None, None)
    if powers is None or total is None:
        return None
    exponential, summing = powers.producer(), total.producer()
    while summing is not None and summing.op_type in KEEPING | {"Expand"} and summing.inputs[0] is not None:
        summing = summing.inputs[0].producer()
    if exponential is None or exponential.op_type != "Exp" or summing is None or summing.op_type != "ReduceSum":
        return None
    if summing.inputs[0] is not powers or _axes(summing) != [_from_front(class_axis, powers)]:
        return None
    return exponential.inputs[0]


def _axes(node: ir.Node) -> list[int]:
    """Return the axes of a reduction, in an attribute or in a constant, from the front where the rank is known."""
    given = node.inputs[1] if len(node.inputs) > 1 else None
    if given is not None:
        axes = read_constant(given).tolist() if constant_tensor(given) is not None else []
    else:
        axes = list(node.attributes.get_ints("axes", []))
    return [_from_front(axis, node.inputs[0]) for axis in axes]


def _from_front(axis: int, value: ir.Value | None) -> int:
    """Return the number of an axis, counted from the front where the rank is known."""
    shape = value.shape if value is not None else None
    return axis % len(shape) if shape is not None else axis


def _require_class_axis(node: ir.Node, model: ir.Model, class_axis: int) -> None:
    if node.op_type == "Sigmoid":
        return
    old = model.opset_imports.get("", 1) < 13  # axis 1 by default then, and all axes after it as one
    axis = node.attributes.get_int("axis", 1 if old else -1)
    shape = node.outputs[0].shape or (node.inputs[0].shape if node.inputs[0] is not None else None)
    rank = len(shape) if shape is not None else 2
    if axis % rank != class_axis % rank:
        raise ModelError(
            f"{node.op_type} {node.name!r}: expected classes on axis {class_axis}, got axis {axis} of {rank}: ",
            *(OptionName("class_axis"), " says where they are"),
        )


def logits(outputs: torch.Tensor | tuple[torch.Tensor, ...], loss: str, class_axis: int = 1) -> torch.Tensor:
    """Return the first output; for cross entropy ``[items, classes, ...]``, without axes of size 1 at its end.

    Args:
        outputs: The outputs of the model.
        loss: The loss, see ``TrainingOptions``.
        class_axis: The axis of the classes, 1 or -1.

    Raises:
        ModelError: The loss is cross entropy of an output without an axis for the classes.
    """
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    if loss != "cross_entropy":
        return first
    if first.ndim < 2:
        raise ModelError(f"cross_entropy: expected an output [items, classes], got rank {first.ndim}")
    if class_axis == -1:
        return first.movedim(-1, 1)
    return first.flatten(1) if first[0, 0].numel() == 1 else first

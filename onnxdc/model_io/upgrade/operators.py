"""How a node of operator set 7 to 10 is written in operator set 11, for the operators that changed in between.

The others are the same or took more: more types, negative axes, optional inputs and attributes whose default is what
was. docs/operator_sets.md goes through all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx

from onnxdc.model_io.upgrade.resize import resize, upsample
from onnxdc.model_io.upgrade.rule import Convert, Rule, take, with_inputs
from onnxdc.model_io.upgrade.surroundings import Surroundings, UnconvertibleError


def _clip(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Bounds became inputs. Without one the largest float was meant, which an infinity is cut to."""
    dtype = around.dtype(node.input[0])
    if not np.issubdtype(dtype, np.floating):
        raise UnconvertibleError(f"expected an input of floats, got {dtype}")
    largest = float(np.finfo(dtype).max)
    low, high = take(node, "min", "max")
    bounds = {"min": -largest if low is None else low, "max": largest if high is None else high}
    return with_inputs(
        node,
        [
            around.constant(node, what, np.array(np.clip(bound, -largest, largest), dtype))
            for what, bound in bounds.items()
        ],
    )


def _pad(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Make inputs of the pads and the value."""
    pads, value = take(node, "pads", "value")
    if pads is None:
        raise UnconvertibleError("expected an attribute pads")
    inputs = [around.constant(node, "pads", pads)]
    if value:
        inputs.append(around.constant(node, "value", np.array(value, around.dtype(node.input[0]))))
    return with_inputs(node, inputs)


def _slice(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Make inputs of starts, ends and axes."""
    bounds = dict(zip(("starts", "ends", "axes"), take(node, "starts", "ends", "axes"), strict=True))
    if bounds["starts"] is None or bounds["ends"] is None:
        raise UnconvertibleError("expected attributes starts and ends")
    return with_inputs(
        node, [around.constant(node, what, values) for what, values in bounds.items() if values is not None]
    )


def _top_k(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """K became an input."""
    (k,) = take(node, "k")
    if k is None:
        raise UnconvertibleError("expected an attribute k")
    return with_inputs(node, [around.constant(node, "k", [k])])


def _batch_normalization(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Statistics of each element, not of each channel, are gone."""
    (spatial,) = take(node, "spatial")
    if spatial == 0:
        raise UnconvertibleError("spatial=0 is not supported")
    return [node]


def _dropout(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
    """Give the mask as bool."""
    if len(node.output) < 2 or not around.uses(node.output[1]):
        del node.output[1:]
        return [node]
    mask = node.output[1]
    node.output[1] = around.new_name(node, "mask")
    to = onnx.helper.np_dtype_to_tensor_dtype(around.dtype(node.input[0]))
    return [node, onnx.helper.make_node("Cast", [node.output[1]], [mask], to=to)]


def _scatter(node: onnx.NodeProto, _: Surroundings) -> list[onnx.NodeProto]:
    """Give the operator its name of today."""
    node.op_type = "ScatterElements"
    return [node]


def _refuse(reason: str) -> Convert:
    """Return a rule that refuses every node for the same reason."""

    def refuse(node: onnx.NodeProto, around: Surroundings) -> list[onnx.NodeProto]:
        raise UnconvertibleError(reason)

    return refuse


RULES: Final = {
    "BatchNormalization": Rule(9, _batch_normalization),
    "Clip": Rule(11, _clip),
    "Dropout": Rule(10, _dropout),
    "MeanVarianceNormalization": Rule(9, _refuse("it was experimental before operator set 9")),
    "Pad": Rule(11, _pad),
    "Resize": Rule(11, resize),
    "Scan": Rule(9, _refuse("its batch axis is not supported")),
    "Scatter": Rule(11, _scatter),
    "Slice": Rule(10, _slice),
    "TopK": Rule(10, _top_k),
    "Upsample": Rule(11, upsample),
}

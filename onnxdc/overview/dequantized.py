"""What the integers of a weight stand for, where the graph says it in a form that quantizers write."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.weights import Weight
from onnxdc.numeric.arrays import INTEGER_TYPES

_ROWS: Final = frozenset({"Gather", "Slice"})
_PRODUCTS: Final = frozenset({"MatMulInteger", "ConvInteger"})


class _Steps(NamedTuple):
    """The steps of integers.

    Attributes:
        scale: A scalar, or one for each index of ``axis``.
        zero_point: What stands for zero, likewise; None for 0.
        axis: The axis of the weight.
    """

    scale: np.ndarray
    zero_point: np.ndarray | None
    axis: int


def dequantized(weight: Weight) -> np.ndarray | None:
    """Return the values that a weight has, floats of its shape; None of integers whose steps cannot be found.

    Raises:
        ModelError: The data of a constant cannot be read.
    """
    array = weight.array()
    if array.dtype not in INTEGER_TYPES:
        return array
    found = _steps(weight.value)
    if found is None:
        return None
    values = array.astype(np.float32)
    axes = [size if axis == found.axis % max(1, array.ndim) else 1 for axis, size in enumerate(array.shape)]
    for part in (found.scale, found.zero_point):
        if part is not None and part.size not in (1, np.prod(axes)):
            return None
    if found.zero_point is not None:
        values -= _spread(found.zero_point, axes)
    values *= _spread(found.scale, axes)
    return values


def _spread(part: np.ndarray, axes: list[int]) -> np.ndarray:
    wide = part.astype(np.float32)
    return wide.reshape(()) if wide.size == 1 else wide.reshape(axes)


def _steps(value: ir.Value) -> _Steps | None:
    """Return the steps of integers that DequantizeLinear reads, or a product of integers; rows may be taken before."""
    for node, index in value.uses():
        if node.op_type == "DequantizeLinear" and index == 0:
            return _of_dequantize(node)
        if node.op_type in _PRODUCTS and index == 1:
            return _of_product(node)
        if node.op_type in _ROWS and index == 0:
            found = _steps(node.outputs[0])
            return found if found is None or found.scale.size == 1 else found._replace(axis=-1)
    return None


def _of_dequantize(node: ir.Node) -> _Steps | None:
    constants = [_constant(node, index) for index in (1, 2)]
    if constants[0] is None:
        return None
    return _Steps(constants[0], constants[1], node.attributes.get_int("axis", 1) or 0)


def _of_product(node: ir.Node) -> _Steps | None:
    """Return the steps in the product that makes floats of sums: Mul(Cast(sums), Mul(scale of x, steps))."""
    for cast in node.outputs[0].consumers():
        for multiply in cast.outputs[0].consumers() if cast.op_type == "Cast" else ():
            for other in multiply.inputs if multiply.op_type == "Mul" else ():
                scales = other.producer() if other is not None else None
                if scales is not None and scales.op_type == "Mul":
                    steps = [found for index in (0, 1) if (found := _constant(scales, index)) is not None]
                    if len(steps) == 1:
                        return _Steps(steps[0], _constant(node, 3), -1 if node.op_type == "MatMulInteger" else 0)
    return None


def _constant(node: ir.Node, index: int) -> np.ndarray | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    return None if value is None or constant_tensor(value) is None else read_constant(value)

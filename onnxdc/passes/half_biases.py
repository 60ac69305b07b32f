"""Round biases, and scales and shifts of normalizations, to float16, where ``halves`` then stores two bytes an element.

A value keeps eleven significant bits, more than the weights that go with it: what is added to a sum of products of
shared weights may be rounded so much.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import replace_constant
from onnxdc.graph.slots import is_affine_slot
from onnxdc.passes.halves import OVERHEAD, joinable, narrow_type
from onnxdc.passes.result import NO_BIASES, RoundedBiases

_PRODUCTS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_CLOSE: Final = 2.0**-11  # of the largest magnitude: half the distance of values of float16 next to it
_SPREAD: Final = 2.0**-6  # of the standard deviation: what makes outputs differ may be small beside what they share


def round_biases(model: ir.Model) -> RoundedBiases:
    """Round the biases, scales and shifts of the main graph to float16, if the file gets smaller by that.

    A vector stays that is used in any other way, such as one that inputs are multiplied with, that is exact in two
    bytes already, or in which an error would be large beside what its elements differ by.

    Args:
        model: The model, which is changed in place.
    """
    found: list[tuple[ir.Value, np.ndarray]] = []
    for value in model.graph.initializers.values():
        array = joinable(value)
        if array is None or not all(_is_bias(node, index) for node, index in value.uses()):
            continue
        rounded = None if narrow_type(array, model.opset_imports.get("", 0)) else round_to_half(array)
        if rounded is not None:
            found.append((value, rounded))
    saved = sum(rounded.nbytes - 2 * rounded.size for _, rounded in found)
    if saved <= OVERHEAD:
        return NO_BIASES
    for value, rounded in found:
        replace_constant(value, rounded)
    return RoundedBiases(len(found), sum(rounded.size for _, rounded in found))


def round_to_half(array: np.ndarray) -> np.ndarray | None:
    """Return values, in their own type, as float16 has them; None if one would move too far, or is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = array.astype(np.float16).astype(array.dtype)
        errors = np.abs(rounded - array)
        most = min(_CLOSE * np.abs(array).max(initial=0), _SPREAD * array.std(dtype=np.float64))
    return rounded if bool((errors <= most).all()) else None  # which no NaN is


def _is_bias(node: ir.Node, index: int) -> bool:
    """Tell whether an input takes a bias, or a scale or a shift of a normalization."""
    if not is_affine_slot(node, index) or node.op_type == "Mul":
        return False
    if node.op_type != "Add":
        return True
    other = node.inputs[1 - index]
    producer = other.producer() if other is not None else None
    return producer is not None and producer.domain == "" and producer.op_type in _PRODUCTS

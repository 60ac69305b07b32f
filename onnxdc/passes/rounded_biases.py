"""Round biases, and scales and shifts of normalizations, so that ``halves`` then stores two bytes an element or one.

In float16 a value keeps eleven significant bits, more than the weights that go with it: what is added to a sum of
products of shared weights may be rounded so much. In a byte it is a whole multiple of a step that all have in common, a
power of two, which vectors can bear whose elements differ by much more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import replace_constant
from onnxdc.graph.slots import is_affine_slot
from onnxdc.passes.halves import OVERHEAD, SCALE_OVERHEAD, joinable
from onnxdc.passes.halves.narrow import best_exponent, borne_exponents, narrow_type
from onnxdc.passes.result import RoundedBiases

_PRODUCTS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_CLOSE: Final = 2.0**-11  # of the largest magnitude: half the distance of values of float16 next to it
_BYTE_SPREAD: Final = 0.25  # of the standard deviation: a step of a byte
_SPREAD: Final = 2.0**-6  # of the standard deviation: what makes outputs differ may be small beside what they share


def round_biases(model: ir.Model, kind: str = "float16") -> RoundedBiases:
    """Round the biases, scales and shifts of the main graph, if the file gets smaller by that.

    A vector stays that is used in any other way, such as one that inputs are multiplied with, that is exact in two
    bytes already, or in which an error would be large beside what its elements differ by.

    Args:
        model: The model, which is changed in place.
        kind: ``"float16"``, or ``"int8"``: then what a byte an element cannot hold is rounded to float16.
    """
    found = []
    for value in model.graph.initializers.values():
        array = joinable(value)
        if array is not None and all(_is_bias(node, index) for node, index in value.uses()):
            found.append((value, array))
    in_bytes = _round_to_bytes(found) if kind == "int8" else {}
    in_halves = {}
    for value, array in found:
        if value in in_bytes or narrow_type(array, model.opset_imports.get("", 0)):
            continue
        half = round_to_half(array)
        if half is not None:
            in_halves[value] = half
    if sum(half.nbytes - 2 * half.size for half in in_halves.values()) <= OVERHEAD:
        in_halves = {}
    for value, rounded in (in_bytes | in_halves).items():
        replace_constant(value, rounded)
    elements, in_one = (sum(array.size for array in arrays.values()) for arrays in (in_bytes | in_halves, in_bytes))
    return RoundedBiases(len(in_bytes | in_halves), elements, in_one)


def _round_to_bytes(found: Sequence[tuple[ir.Value, np.ndarray]]) -> dict[ir.Value, np.ndarray]:
    """Return the vectors, rounded, that a step suits which suits most elements; none if that gains nothing."""
    exponents = [borne_exponents(array, _BYTE_SPREAD) for _, array in found]
    exponent = best_exponent([array for _, array in found], exponents)
    able = [pair for pair, borne in zip(found, exponents, strict=True) if exponent in borne]
    if exponent is None or sum(array.size for _, array in able) <= OVERHEAD + SCALE_OVERHEAD:
        return {}
    step = np.float32(2.0**exponent)
    return {value: np.round(array / step) * step + np.float32(0) for value, array in able}


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

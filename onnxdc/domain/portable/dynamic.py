"""Products on integers in standard operators: docs/format.md, section 9.

onnxruntime takes products of unsigned bytes alone for exact on every processor, so weights are moved up by 128. What
depends on weights alone is folded when a session is created, as what decodes them is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import onnx
from onnx import TensorProto

from onnxdc.domain.operators import Operator
from onnxdc.domain.portable.automaton import END
from onnxdc.domain.portable.body import Body, Reference
from onnxdc.domain.portable.decode import reshaped

_INPUT: Final = "RoundInput"
_COLUMNS: Final = "RoundColumns"
_FILTERS: Final = "RoundFilters"
_LEAST: Final = 2.0**-100  # what scales never are below
_NEWEST_QUANTIZING: Final = 24  # operator sets from here on some runtimes have no QuantizeLinear of
_MIDDLE: Final = 128  # the byte that stands for 0 in a weight

References = Mapping[str, Reference]
"""The attributes of a product that nodes of the model have."""


def rounding_functions(standards: set[str], opset: int, *, stepped: bool) -> list[onnx.FunctionProto]:
    """Write the functions that the products on integers call.

    ``RoundInput`` has as its output the bytes of an input, a zero point int32 and a scale for each row along the last
    axis. ``RoundColumns`` and ``RoundFilters`` have as theirs the bytes of a weight, the scale of each output, and the
    sums of its integers: of a matrix ``[K, N]`` int32 ``[1, N]``, of a convolution over the input channels float32.

    Args:
        standards: The standard operators whose products there are.
        opset: The version of the default domain.
        stepped: Whether some weight has a step; then the second input of the latter two has them.
    """
    functions = [_round_input(opset)] if standards else []
    functions += [_round_columns(opset, stepped=stepped)] if standards - {"Conv"} else []
    return functions + ([_round_filters(opset, stepped=stepped)] if "Conv" in standards else [])


def dynamic_product(body: Body, operator: Operator, weight: str, step: str, references: References) -> str:
    """Append what ``operator`` computes with nothing fused; return the name of the result.

    Args:
        body: The body of the operator.
        operator: An operator on integers.
        weight: The dense weight.
        step: The steps of its grid, as ``least_step`` has them; empty if no weight has one.
        references: The attributes of the operator.
    """
    return _PRODUCTS[operator.standard](body, weight, step, references)


def _float(body: Body, value: float) -> str:
    return body.constant(value, TensorProto.FLOAT)


def _byte(body: Body, value: int) -> str:
    return body.constant(value, TensorProto.UINT8)


def _extremes(body: Body, data: str, axis: int) -> tuple[str, str]:
    """Append the least and the largest element along an axis, which stays."""
    if body.opset >= 18:
        least, largest = (body.op(f"Reduce{kind}", data, body.int64([axis])) for kind in ("Min", "Max"))
    else:
        least, largest = (body.op(f"Reduce{kind}", data, axes=[axis]) for kind in ("Min", "Max"))
    return least, largest


def _round_input(opset: int) -> onnx.FunctionProto:
    body = Body(_INPUT, ["x"], opset)
    op, zero = body.op, _float(body, 0.0)
    least, largest = _extremes(body, "x", -1)
    low, high = op("Min", least, zero), op("Max", largest, zero)
    most = _float(body, 255.0)
    scale = op("Max", op("Sub", op("Div", high, most), op("Div", low, most)), _float(body, _LEAST))
    # An infinity or a NaN times 0 is a NaN; extremes may pass over one.
    scale = op("Add", scale, body.reduce_sum(op("Mul", "x", zero), -1, keepdims=1))
    inverse = op("Div", _float(body, 1.0), scale)
    point = op("Round", op("Mul", op("Neg", low), inverse))
    moved = op("Add", op("Round", op("Mul", "x", inverse)), point)
    data = op("Cast", op("Clip", moved, zero, most), to=TensorProto.UINT8)
    return body.function(data, op("Cast", point, to=TensorProto.INT32), scale)


def _scale(body: Body, matrix: str, step: str, axis: int) -> str:
    """Append the scale of each output of a matrix whose inputs lie along an axis, as its steps do; the axis stays."""
    op, zero = body.op, _float(body, 0.0)
    least, largest = _extremes(body, matrix, axis)
    scale = op("Max", op("Div", op("Max", largest, op("Neg", least)), _float(body, 127.0)), _float(body, _LEAST))
    if not step:
        return scale
    least, largest = _extremes(body, step, axis)
    step = op("Where", op("Equal", least, largest), largest, zero)
    return op("Where", op("Greater", step, zero), step, scale)


def _bytes(body: Body, matrix: str, scale: str) -> str:
    integers = body.op("Div", matrix, scale)
    if body.opset < _NEWEST_QUANTIZING:  # where one node rounds, moves and narrows, in a byte an element
        return body.op("QuantizeLinear", integers, _float(body, 1.0), _byte(body, _MIDDLE))
    moved = body.op("Add", body.op("Round", integers), _float(body, float(_MIDDLE)))
    return body.op("Cast", moved, to=TensorProto.UINT8)


def _round_columns(opset: int, *, stepped: bool) -> onnx.FunctionProto:
    body = Body(_COLUMNS, ["w", "step"] if stepped else ["w"], opset)
    op, int64 = body.op, body.int64
    scale = _scale(body, "w", "step" if stepped else "", 0)
    data = _bytes(body, "w", scale)
    row = op("Concat", int64([1]), op("Slice", op("Shape", "w"), int64([0]), int64([1])), axis=0)
    sums = op("MatMulInteger", body.filled(row, TensorProto.UINT8, 1), data, _byte(body, 0), _byte(body, _MIDDLE))
    return body.function(data, scale, sums)


def _round_filters(opset: int, *, stepped: bool) -> onnx.FunctionProto:
    body = Body(_FILTERS, ["w", "step"] if stepped else ["w"], opset)
    op, int64 = body.op, body.int64
    flat, shape = op("Flatten", "w", axis=1), op("Shape", "w")
    scale = _scale(body, flat, op("Flatten", "step", axis=1) if stepped else "", 1)
    data = reshaped(body, _bytes(body, flat, scale), shape)
    inputs = op("Cast", op("Slice", shape, int64([1]), int64([2])), to=TensorProto.INT32)
    sums = body.reduce_sum(op("Cast", data, to=TensorProto.INT32), 1, keepdims=1)
    sums = op("Sub", sums, op("Mul", inputs, body.int32(_MIDDLE)))
    outputs = op("Concat", op("Slice", shape, int64([0]), int64([1])), _ones(body, shape, 2), axis=0)
    return body.function(data, reshaped(body, scale, outputs), op("Cast", sums, to=TensorProto.FLOAT))


def _ones(body: Body, shape: str, first: int) -> str:
    """Append a one for each dimension of a shape from the ``first`` on, int64."""
    rest = body.op("Slice", shape, body.int64([first]), body.int64([END]))
    return body.filled(body.op("Shape", rest), TensorProto.INT64, 1)


def _rounded_weight(body: Body, function: str, weight: str, step: str) -> list[str]:
    return body.calls(3, function, weight, *([step] if step else []))


def _scaled(body: Body, sums: str, zeros: str, scale: str, weight_scale: str) -> str:
    """Append the numbers that integers stand for: the sums less those of the zero points, times both scales."""
    numbers = body.op("Cast", body.op("Sub", sums, zeros), to=TensorProto.FLOAT)
    return body.op("Mul", numbers, body.op("Mul", scale, weight_scale))


def _matmul(body: Body, weight: str, step: str, references: References) -> str:
    return _matrix_product(body, "A", *_rounded_weight(body, _COLUMNS, weight, step))


def _matrix_product(body: Body, a: str, weight: str, weight_scale: str, weight_sums: str) -> str:
    data, point, scale = body.calls(3, _INPUT, a)
    sums = body.op("MatMulInteger", data, weight, _byte(body, 0), _byte(body, _MIDDLE))
    return _scaled(body, sums, body.op("Mul", point, _row(body, weight_sums)), scale, _row(body, weight_scale))


def _row(body: Body, row: str) -> str:
    """Append a row ``[1, N]`` as ``[N]``, which adds no axis to a product of a vector."""
    return body.op("Reshape", row, body.int64([-1]))


def _gemm(body: Body, weight: str, step: str, references: References) -> str:
    a, flag = _turned(body, "A", references.get("transA")), references.get("transB")
    step = _turned(body, step, flag) if step else ""
    weight, scale, sums = _rounded_weight(body, _COLUMNS, _turned(body, weight, flag), step)
    if "alpha" in references:
        one = body.constant([[1.0]], TensorProto.FLOAT)
        scale = body.op("Gemm", one, scale, alpha=references["alpha"])
    product = _matrix_product(body, a, weight, scale, sums)
    # Nothing times nothing, for the C that is scaled and broadcast, and may be left out.
    rows = body.op("Slice", body.op("Shape", a), body.int64([0]), body.int64([1]))
    column = body.filled(body.op("Concat", rows, body.int64([1]), axis=0), TensorProto.FLOAT)
    nothing = body.filled(body.op("Shape", scale), TensorProto.FLOAT)
    beta = {"beta": references["beta"]} if "beta" in references else {}
    return body.op("Add", product, body.op("Gemm", column, nothing, "C", **beta))


def _turned(body: Body, matrix: str, flag: Reference | None) -> str:
    """Append a matrix, transposed if an attribute is not 0: EyeLike's puts a single 1 there."""
    if flag is None:
        return matrix
    op = body.op
    row = op("EyeLike", body.int64([[0, 0]]), k=flag)
    kept = op("Cast", op("Slice", op("Reshape", row, body.int64([-1])), body.int64([0]), body.int64([1])), to=_BOOL)
    turned = op("Transpose", matrix)
    data = op("Where", kept, *(op("Reshape", each, body.int64([-1])) for each in (matrix, turned)))
    return reshaped(body, data, op("Where", kept, *(op("Shape", each) for each in (matrix, turned))))


def _conv(body: Body, weight: str, step: str, references: References) -> str:
    op, int64 = body.op, body.int64
    weight, weight_scale, weight_sums = _rounded_weight(body, _FILTERS, weight, step)
    data, point, scale = body.calls(3, _INPUT, op("Flatten", "X", axis=1))
    shape = op("Shape", "X")
    images = op("Concat", op("Slice", shape, int64([0]), int64([1])), _ones(body, shape, 1), axis=0)
    point, scale = reshaped(body, point, images), reshaped(body, scale, images)
    sums = op("ConvInteger", reshaped(body, data, shape), weight, _byte(body, 0), _byte(body, _MIDDLE), **references)
    # The sums of the integers that meet an input rather than padding: exact in floats.
    plane = op("Concat", int64([1, 1]), op("Slice", shape, int64([2]), int64([END])), axis=0)
    ungrouped = {name: reference for name, reference in references.items() if name != "group"}
    met = op("Conv", body.filled(plane, TensorProto.FLOAT, 1), weight_sums, **ungrouped)
    zeros = op("Mul", point, op("Cast", met, to=TensorProto.INT32))
    product = _scaled(body, sums, zeros, scale, weight_scale)
    # Nothing times nothing, for the B that may be left out.
    nothing = body.filled(op("Shape", op("Reshape", weight_scale, int64([1, -1]))), TensorProto.FLOAT)
    bias = op("Gemm", body.constant([[0.0]], TensorProto.FLOAT), nothing, "B")
    return op("Add", product, reshaped(body, bias, op("Shape", weight_scale)))


_BOOL: Final = TensorProto.BOOL
_PRODUCTS: Final[dict[str, Callable[[Body, str, str, References], str]]] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
}

"""The functions that decode a weight: sections 2 and 3 of docs/format.md in standard ONNX operators."""

from __future__ import annotations

from typing import Final

import onnx
from onnx import AttributeProto, TensorProto

from onnxdc.domain.operators import GRID, GROUP_INPUTS, INTEGER, SYMBOL_INPUTS, VALUES
from onnxdc.domain.portable.automaton import END
from onnxdc.domain.portable.body import Body, Reference
from onnxdc.numeric.weight import TENSORS

ANY: Final = "DecodeAny"  # for sparse operators whose weights differ in kind or form
_CODEBOOK, _STEP, *_, _GAPS, _EXTENT = TENSORS
_CODES, _DISTANCES = SYMBOL_INPUTS
_QUANTIZING: Final = range(21, 24)  # operator sets whose QuantizeLinear says its type
READ: Final = (_CODEBOOK, _STEP, _GAPS, _EXTENT, _CODES, _DISTANCES)  # the inputs that some body reads
# What bodies call their inputs: those that none reads have short names, as all of this travels in every file.
FORMALS: Final = tuple(name if name in READ else f"_{number}" for number, name in enumerate(GROUP_INPUTS))


def decode_function(
    name: str, opset: int, *, grouped: bool = False, typed: bool = False, nibbles: bool = False
) -> onnx.FunctionProto:
    """Write one of ``DECODERS``: entries become positions and codes, and dense codes become values.

    Codes are bytes: only the last step makes the dense weight.

    Args:
        name: The name of the operator.
        opset: The version of the default domain.
        grouped: Whether some weight has several groups, so that group_axis counts.
        typed: Whether some weight is not float32, so that dtype counts.
        nibbles: Whether some weight has integers of four bits.
    """
    body = Body(name, FORMALS, opset)
    kind = name.removeprefix("Decode").removeprefix("Dense")
    codes = _dense(body) if "Dense" in name else _scattered(body, _taken(body, _DISTANCES))
    dtype = Reference("dtype", AttributeProto.INT) if typed else TensorProto.FLOAT
    values = {VALUES: _values, GRID: _products, INTEGER: _integers}[kind](body, dtype)
    weight = _looked_up(body, values, codes, grouped=grouped)
    if kind == INTEGER and nibbles:
        weight = _narrowed(body, weight, dtype)
    return body.function(weight)


def decode_any_function(opset: int, *, grouped: bool) -> onnx.FunctionProto:
    """Write ``DecodeAny``, which decodes float32 weights of each kind and form, with a few nodes more.

    Args:
        opset: The version of the default domain.
        grouped: Whether some weight has several groups, so that group_axis counts.
    """
    body = Body(ANY, FORMALS, opset)
    op, int64 = body.op, body.int64
    entries = _entries(body)
    # In the dense form the first gap is 0 and the others are 1.
    implied = op("Mul", entries, _is_empty(body, _GAPS))
    first = op("Cast", op("Cast", implied, to=TensorProto.BOOL), to=TensorProto.INT64)
    ones = body.filled(op("Sub", implied, first), TensorProto.UINT8, 1)
    gaps = body.concat(_taken(body, _DISTANCES), body.filled(first, TensorProto.UINT8), ones)
    codes = _scattered(body, gaps)
    # Without a step the codebook holds the values.
    no_grid = op("Cast", _is_empty(body, _STEP), to=TensorProto.BOOL)
    ones = body.filled(op("Concat", _is_empty(body, _STEP), int64([1]), axis=0), TensorProto.FLOAT, 1)
    step = op("Concat", op("Reshape", op("Cast", _STEP, to=TensorProto.FLOAT), int64([-1, 1])), ones, axis=0)
    plain = op("Cast", _CODEBOOK, to=TensorProto.FLOAT)
    values = op("Where", no_grid, plain, op("Mul", plain, step))
    return body.function(_looked_up(body, values, codes, grouped=grouped))


def least_step(body: Body, *, valued: bool, grouped: bool) -> str:
    """Append the step of each group's grid, for all shapes of the weight to be broadcast, 0 where it does not count.

    It counts if all integers of the codebook are from -127 to 127.

    Args:
        body: The body of an operator whose inputs are those of a group.
        valued: Whether some weight has none.
        grouped: Whether some weight has several groups, so that group_axis counts.
    """
    op = body.op
    integers = op("Abs", op("Cast", _CODEBOOK, to=TensorProto.FLOAT))
    small = op("Less", op("ReduceMax", integers, keepdims=0), body.constant(127.5, TensorProto.FLOAT))
    step = op("Mul", op("Cast", _STEP, to=TensorProto.FLOAT), op("Cast", small, to=TensorProto.FLOAT))
    if valued:  # whose steps are empty, and whose groups are those of the codebook
        rows = op("Slice", op("Shape", _CODEBOOK), body.int64([0]), body.int64([1]))
        none = body.filled(op("Mul", rows, _is_empty(body, _STEP)), TensorProto.FLOAT)
        step = op("Concat", op("Reshape", step, body.int64([-1])), none, axis=0)
    step = op("Reshape", step, body.int64([-1, 1]))
    return op("Gather", op("Reshape", step, body.int64([-1])), _rows(body, step)) if grouped else step


def _is_empty(body: Body, tensor: str) -> str:
    """Append whether a tensor has no element, 1 or 0, int64 [1]."""
    size = body.op("Reshape", body.op("Size", tensor), body.int64([1]))
    return body.op("Cast", body.op("Equal", size, body.int64([0])), to=TensorProto.INT64)


def _entries(body: Body) -> str:
    return body.op("Slice", _EXTENT, body.int64([0]), body.int64([1]))


def _shape(body: Body) -> str:
    return body.op("Slice", _EXTENT, body.int64([2]), body.int64([END]))


def _numel(body: Body) -> str:
    """Append the number of elements, int64 [1]."""
    dims = body.op("Concat", _shape(body), body.int64([1]), axis=0)
    return body.op("ReduceProd", dims)


def _taken(body: Body, symbols: str) -> str:
    """Append the symbols of the entries, without fill symbols."""
    return body.op("Slice", symbols, body.int64([0]), _entries(body))


def _dense(body: Body) -> str:
    """Append the codes of all elements in the dense form, uint8 in one row."""
    return _taken(body, _CODES)


def _scattered(body: Body, gaps: str) -> str:
    """Append the codes of all elements in the gap form, uint8 in one row."""
    op = body.op
    positions = op("CumSum", op("Cast", gaps, to=TensorProto.INT32), body.int32(0))
    zero = op("Cast", op("Slice", _EXTENT, body.int64([1]), body.int64([2])), to=TensorProto.UINT8)
    zeros = op("Expand", zero, _numel(body))
    return op("ScatterElements", zeros, positions, _taken(body, _CODES))


def reshaped(body: Body, data: str, shape: str) -> str:
    """Append the elements in another shape, which may have zeros."""
    # Before version 14 Reshape takes a 0 for the size of its input on the same axis: only the first can be 0.
    exact = {"allowzero": 1} if body.opset >= 14 else {}
    return body.op("Reshape", data, shape, **exact)


def _values(body: Body, dtype: int | Reference) -> str:
    return body.op("Cast", _CODEBOOK, to=dtype)


def _integers(body: Body, dtype: int | Reference) -> str:
    return _CODEBOOK


def _narrowed(body: Body, weight: str, dtype: int | Reference) -> str:
    """Append integers as a type of four bits, which few operators take, or as the one they have.

    onnxruntime 1.20 has no Cast to these types, but quantises to them: by a step of 1 that is the same. Of later
    operator sets some runtimes know that QuantizeLinear no more.
    """
    if body.opset not in _QUANTIZING:
        return body.op("Cast", weight, to=dtype)
    one = body.constant(1.0, TensorProto.FLOAT)
    return body.op("QuantizeLinear", body.op("Cast", weight, to=TensorProto.FLOAT), one, output_dtype=dtype)


def _products(body: Body, dtype: int | Reference) -> str:
    """Append the values of a grid, [G, K]: the products are exact in float32."""
    products = body.op("Mul", body.op("Cast", _CODEBOOK, to=TensorProto.FLOAT), _STEP)
    return body.op("Cast", products, to=dtype) if isinstance(dtype, Reference) else products


def _looked_up(body: Body, values: str, codes: str, *, grouped: bool) -> str:
    """Append the values, of [G, K], that codes in one row stand for, in the shape of the weight."""
    op = body.op
    index = op("Cast", codes, to=TensorProto.INT32)
    if not grouped:
        return reshaped(body, op("Gather", values, index, axis=1), _shape(body))
    index = op("Add", reshaped(body, index, _shape(body)), _rows(body, values))
    return op("Gather", op("Reshape", values, body.int64([-1])), index)


def _rows(body: Body, values: str) -> str:
    """Append where the values of each element's group start in the flat values, for all shapes to be broadcast.

    Only an attribute says which axis the group changes along: EyeLike's puts a single 1 there.
    """
    op, int32, int64 = body.op, body.int32, body.int64
    dims = op("Reshape", op("Concat", _shape(body), int64([1]), axis=0), int64([1, -1]))
    axis = op("Cast", op("EyeLike", dims, k=Reference("group_axis", AttributeProto.INT)), to=TensorProto.BOOL)
    along = op("Where", axis, dims, int64(1))
    length = op("Cast", op("ReduceProd", along, keepdims=0), to=TensorProto.INT32)
    sizes = op("Cast", op("Shape", values), to=TensorProto.INT32)
    groups, width = (op("Gather", sizes, int64(n)) for n in (0, 1))
    # Without elements, too, this is 1 or more.
    part = op("Add", op("Div", op("Abs", op("Sub", length, int32(1))), groups), int32(1))
    starts = op("Mul", op("Div", op("Range", int32(0), length, int32(1)), part), width)
    # The last of the dimensions was added so that a scalar has one, too.
    shape = op("Slice", op("Reshape", along, int64([-1])), int64([0]), int64([-1]))
    return reshaped(body, starts, shape)

"""Check tensors: known types, possible shapes, and as much data as the shape says, in the field of its type.

What a model says of the types of its values is checked here too.
"""

from __future__ import annotations

import math
from typing import Final

import onnx_ir as ir
from onnx import GraphProto, TensorProto, TypeProto

from onnxdc.errors import ModelError
from onnxdc.model_io.scopes import Scope, tensors

# The field that holds the values of each type where raw_data does not, and how many of its items an element takes.
_INT32 = ("INT32", "INT16", "INT8", "UINT16", "UINT8", "BOOL", "FLOAT16", "BFLOAT16", "INT4", "UINT4", "FLOAT4E2M1")
_INT32_8 = ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0", "INT2", "UINT2")
_FIELDS: Final[dict[str, str]] = {
    **dict.fromkeys((*_INT32, *_INT32_8), "int32_data"),
    "FLOAT": "float_data",
    "COMPLEX64": "float_data",
    "DOUBLE": "double_data",
    "COMPLEX128": "double_data",
    "INT64": "int64_data",
    "UINT32": "uint64_data",
    "UINT64": "uint64_data",
    "STRING": "string_data",
}
_DATA: Final = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_MAX_ELEMENTS: Final = 2**62  # numpy and onnxruntime count in 64 bits


def check_tensors(scope: Scope, where: str) -> None:
    """Refuse tensors that cannot be what they say they are.

    Raises:
        ModelError: A type is unknown, a dimension is negative, or there is more or less data than elements; the error
            names the tensor.
    """
    for name, tensor in tensors(scope):
        _check_tensor(tensor, f"{where}: not valid ONNX: tensor {name!r}")


def check_types(scope: Scope, where: str) -> None:
    """Refuse values that are declared to have elements of an unknown type; not to say it is fine.

    Raises:
        ModelError: There is such a value; the error names it.
    """
    body = scope.body
    declared = [*body.input, *body.output] if isinstance(body, GraphProto) else []
    for info in [*declared, *body.value_info]:
        elem_type = _element_type(info.type)
        if elem_type not in TensorProto.DataType.values():
            raise ModelError(f"{where}: not valid ONNX: value {info.name!r}: unknown element type {elem_type}")


def _element_type(declared: TypeProto) -> int:
    """Return the type of the elements of tensors, or of tensors in sequences, maps and optionals."""
    while True:
        kind = declared.WhichOneof("value")
        if kind in ("tensor_type", "sparse_tensor_type"):
            return int(getattr(declared, kind).elem_type)
        if kind == "map_type":
            declared = declared.map_type.value_type
        elif kind in ("sequence_type", "optional_type"):
            declared = getattr(declared, kind).elem_type
        else:
            return TensorProto.UNDEFINED


def nbytes_of(tensor: TensorProto) -> int:
    """Return the bytes that the elements of a tensor take, packed as ONNX packs them; 0 for texts."""
    dtype = ir.DataType(tensor.data_type)
    return 0 if dtype is ir.DataType.STRING else -(-math.prod(tensor.dims) * dtype.bitwidth // 8)


def _check_tensor(tensor: TensorProto, where: str) -> None:
    try:
        dtype = ir.DataType(tensor.data_type)
    except ValueError:
        dtype = ir.DataType.UNDEFINED
    if dtype is ir.DataType.UNDEFINED:
        raise ModelError(f"{where}: unknown element type {tensor.data_type}")
    if any(dim < 0 for dim in tensor.dims):
        raise ModelError(f"{where}: expected dimensions of 0 or more, got {list(tensor.dims)}")
    size = math.prod(tensor.dims)
    if size > _MAX_ELEMENTS:
        raise ModelError(f"{where}: {size} elements are more than any machine holds")
    if tensor.HasField("segment"):
        raise ModelError(f"{where}: is in segments, which is not supported")
    if tensor.data_location == TensorProto.EXTERNAL:
        return
    field = _FIELDS.get(dtype.name)
    others = [name for name in _DATA if name != field and len(getattr(tensor, name))]
    if others:
        raise ModelError(f"{where}: {dtype.name} data lie in {others[0]}, expected {field}")
    if tensor.HasField("raw_data"):
        _check_amount(where, "bytes", len(tensor.raw_data), nbytes_of(tensor))
    else:
        _check_amount(where, f"values in {field}", len(getattr(tensor, field or "raw_data")), _items(dtype, size))


def _items(dtype: ir.DataType, size: int) -> int:
    """How many items of its field the elements take."""
    if dtype in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
        return 2 * size
    if dtype is not ir.DataType.STRING and dtype.bitwidth < 8:
        return -(-size * dtype.bitwidth // 8)
    return size


def _check_amount(where: str, what: str, found: int, expected: int) -> None:
    if found != expected:
        raise ModelError(f"{where}: expected {expected} {what}, got {found}")

"""Reading and writing of vectors: a weight group as a model of one decoding node, without the portable bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxdc.numeric.weight import CompressedWeight

WEIGHT = "fc1.weight"
NAMES = ("codebook", "step", "code_table", "codes", "low_bits", "gap_table", "gaps", "extent")
EMPTY = "none"
ATTRIBUTES = ("checksum", "packet", "group_axis")
TYPES = {  # those that numpy itself does not have
    TensorProto.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    TensorProto.UINT4: np.dtype(ml_dtypes.uint4),
    TensorProto.INT4: np.dtype(ml_dtypes.int4),
}
NIBBLES = (TYPES[TensorProto.UINT4], TYPES[TensorProto.INT4])


def element_type(dtype: np.dtype) -> int:
    """The `TensorProto.DataType` of a numpy type."""
    special = {known: data_type for data_type, known in TYPES.items()}
    return int(special[dtype] if dtype in special else helper.np_dtype_to_tensor_dtype(dtype))


def numpy_type(data_type: int) -> np.dtype:
    """The numpy type of a `TensorProto.DataType`."""
    return TYPES[data_type] if data_type in TYPES else helper.tensor_dtype_to_np_dtype(data_type)


def to_proto(name: str, array: np.ndarray) -> TensorProto:
    """A tensor with its elements in `raw_data`, two of 4 bits a byte."""
    data = array.tobytes()
    if array.dtype in NIBBLES:
        nibbles = [byte & 15 for byte in data] + [0] * (array.size % 2)
        data = bytes(low | high << 4 for low, high in zip(nibbles[0::2], nibbles[1::2], strict=True))
    return helper.make_tensor(name, element_type(array.dtype), array.shape, data, raw=True)


def to_array(proto: TensorProto) -> np.ndarray:
    """The array that `to_proto` stored."""
    return from_bytes(proto.raw_data, proto.data_type, proto.dims)


def from_bytes(data: bytes, data_type: int, dims: Sequence[int]) -> np.ndarray:
    """The array of elements as ONNX stores them."""
    dtype = numpy_type(data_type)
    if dtype not in NIBBLES:
        return np.frombuffer(data, dtype).reshape(dims)
    nibbles = [nibble for byte in data for nibble in (byte & 15, byte >> 4)]
    signed = [nibble - 16 if dtype == ml_dtypes.int4 and nibble > 7 else nibble for nibble in nibbles]
    return np.array(signed, np.int8)[: math.prod(dims)].astype(dtype).reshape(dims)


def operator_of(weight: CompressedWeight) -> str:
    """The operator that decodes the weight: by its form, and by what its codebook holds."""
    is_integer = weight.dtype in (np.int8, np.uint8, *NIBBLES)
    kind = "Grid" if weight.step.size else "Integer" if is_integer else "Weight"
    is_dense = weight.gaps.size == 0 and weight.codes.size > 0
    return f"Decode{'Dense' if is_dense else ''}{kind}"


def to_model(weight: CompressedWeight) -> onnx.ModelProto:
    """A model of operator set 17, or the first that has the weight's type, that decodes it to its only output `W`."""
    names = [f"{WEIGHT}.{name}" for name in NAMES]
    for i, tensor in enumerate(weight.tensors):
        if tensor.shape == (0,) and tensor.dtype == np.uint8:
            names[i] = EMPTY
    tensors = dict(zip(names, weight.tensors, strict=True))
    node = helper.make_node(operator_of(weight), names, ["W"], name="decode", domain="onnxdc", **attributes(weight))
    shape = weight.extent.reshape(-1)[2:].tolist()
    output = helper.make_tensor_value_info("W", element_type(weight.dtype), shape)
    initializers = [to_proto(name, tensor) for name, tensor in tensors.items()]
    graph = helper.make_graph([node], "vector", [], [output], initializers)
    ir_version, opset = (10, 21) if weight.dtype in NIBBLES else (8, 17)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("onnxdc", 1)]
    return helper.make_model(graph, ir_version=ir_version, opset_imports=opsets)


def attributes(weight: CompressedWeight) -> dict[str, int]:
    """The attributes of a weight group."""
    return {name: getattr(weight, name) for name in ATTRIBUTES} | {"dtype": element_type(weight.dtype)}


def from_model(model: onnx.ModelProto) -> CompressedWeight:
    """The weight group of a model that `to_model` made."""
    (node,) = model.graph.node
    tensors = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    values = {attribute.name: attribute.i for attribute in node.attribute}
    values["dtype"] = numpy_type(values["dtype"])
    return CompressedWeight(*(tensors[name] for name in node.input), **values)


def load(path: Path) -> CompressedWeight:
    """The weight group of a vector."""
    return from_model(onnx.load(path))


def load_expected(path: Path) -> np.ndarray:
    """The dense weight beside a good vector."""
    return to_array(onnx.load_tensor(path.with_suffix(".expected.pb")))

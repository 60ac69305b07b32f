"""Reading and writing of vectors: a weight group as a model of one node `DecodeWeight`, without the portable body."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxdc.numeric.weight import CompressedWeight

WEIGHT = "fc1.weight"
NAMES = ("codebook", "code_lengths", "codes", "gap_lengths", "gaps", "chunks", "shape")
EMPTY = "onnxdc.empty"


def element_type(dtype: np.dtype) -> int:
    """The `TensorProto.DataType` of a numpy type."""
    return int(TensorProto.BFLOAT16 if dtype == ml_dtypes.bfloat16 else helper.np_dtype_to_tensor_dtype(dtype))


def numpy_type(data_type: int) -> np.dtype:
    """The numpy type of a `TensorProto.DataType`."""
    bfloat16 = data_type == TensorProto.BFLOAT16
    return np.dtype(ml_dtypes.bfloat16) if bfloat16 else helper.tensor_dtype_to_np_dtype(data_type)


def to_proto(name: str, array: np.ndarray) -> TensorProto:
    """A tensor with its elements in `raw_data`."""
    return helper.make_tensor(name, element_type(array.dtype), array.shape, array.tobytes(), raw=True)


def to_array(proto: TensorProto) -> np.ndarray:
    """The array that `to_proto` stored."""
    return np.frombuffer(proto.raw_data, numpy_type(proto.data_type)).reshape(tuple(proto.dims))


def to_model(weight: CompressedWeight) -> onnx.ModelProto:
    """A model of IR version 8, opset 17, that decodes the weight to its only output `W`."""
    names = [f"{WEIGHT}.{name}" for name in NAMES]
    for i in (3, 4):
        if weight.gaps.shape == weight.gap_lengths.shape == (0,):
            names[i] = EMPTY
    tensors = dict(zip(names, weight.tensors, strict=True))
    node = helper.make_node("DecodeWeight", names, ["W"], name="decode", domain="onnxdc", **attributes(weight))
    output = helper.make_tensor_value_info("W", element_type(weight.dtype), weight.shape.reshape(-1).tolist())
    initializers = [to_proto(name, tensor) for name, tensor in tensors.items()]
    graph = helper.make_graph([node], "vector", [], [output], initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("onnxdc", 1)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets)


def attributes(weight: CompressedWeight) -> dict[str, int]:
    """The attributes of a weight group."""
    values = {name: getattr(weight, name) for name in ("checksum", "index_bits", "chunk_size", "group_axis")}
    return values | {"dtype": element_type(weight.dtype)}


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

"""The origin of one weight: what it is before the weight goes, and the constant that is made again from it."""

from __future__ import annotations

import base64

import google.protobuf.message
import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir

from onnxdc.domain.origin import KEY, STORAGES, Origin, check_texts
from onnxdc.errors import ModelError
from onnxdc.graph.infos import has_no_info
from onnxdc.numeric.arrays import INTEGER_TYPES
from onnxdc.numeric.integers import is_nibble


def describe(value: ir.Value, tensor: ir.TensorProtocol, known_as: str) -> Origin:
    """Describe the origin of a weight while it is still in its graph; its positions are left to the caller.

    Args:
        value: An initializer, or the output of a Constant node.
        tensor: The tensor of that value.
        known_as: What its group says of its name.
    """
    origin = Origin(name="" if known_as == value.name else value.name or "", info=_describe_info(value, tensor))
    origin.doc = tensor.doc_string or ""
    origin.props = dict(tensor.metadata_props)
    if isinstance(tensor, ir.TensorProtoTensor):
        origin.storage = next((name for name in STORAGES if len(getattr(tensor.raw, name))), "")
    producer = value.producer()
    if producer is not None:
        origin.tensor = tensor.name or ""
        origin.node_name = producer.name or ""
        origin.node_doc = producer.doc_string or ""
        origin.node_props = dict(producer.metadata_props)
        origin.value_doc = producer.attributes["value"].doc_string or ""
    return origin


def _describe_info(value: ir.Value, tensor: ir.TensorProtocol) -> str:
    if value.type is None and value.shape is None and not value.doc_string and not value.metadata_props:
        return ""
    if has_no_info(value):
        return ""
    info = ir.serde.serialize_value(value)
    plain = onnx.helper.make_tensor_value_info(value.name or "", tensor.dtype.value, tensor.shape.numpy())
    return "plain" if info == plain else base64.b64encode(info.SerializeToString()).decode()


def restored_value(name: str, dtype: ir.DataType, shape: ir.Shape, origin: Origin) -> ir.Value:
    """Return the value that a weight was, without its tensor.

    Raises:
        ModelError: The origin's ``info`` is no value_info, or is that of another type.
    """
    value = ir.Value(name=name)
    if origin.info == "plain":
        value.type = ir.TensorType(dtype)
        value.shape = shape
    elif origin.info:
        try:
            info = onnx.ValueInfoProto.FromString(base64.b64decode(origin.info, validate=True))
            check_texts(info)
            ir.serde.deserialize_value_info_proto(info, value)
        except (ValueError, ir.serde.SerdeError, google.protobuf.message.DecodeError) as error:
            raise ModelError(f"metadata entry {KEY}: {name}: info is no value_info") from error
        if value.dtype not in (None, dtype):
            raise ModelError(f"metadata entry {KEY}: {name}: info: expected {dtype.name}, got {value.type}")
    return value


def restored_tensor(name: str, array: np.ndarray, origin: Origin) -> ir.TensorProtocol:
    """Return the tensor that a weight was, its data in the field of the TensorProto that held them.

    Raises:
        ModelError: That field does not hold data of this type.
    """
    if origin.storage and array.dtype.name not in STORAGES.get(origin.storage, ()):
        raise ModelError(f"metadata entry {KEY}: {name}: {array.dtype} is not stored in {origin.storage!r}")
    tensor: ir.TensorProtocol = ir.Tensor(array, name=name or None, doc_string=origin.doc or None)
    if origin.storage:
        proto = ir.serde.serialize_tensor(tensor)
        stored = _in_int32_data(array, proto.raw_data) if origin.storage == "int32_data" else array.ravel()
        proto.ClearField("raw_data")
        getattr(proto, origin.storage).extend(stored)
        tensor = ir.TensorProtoTensor(proto)
    tensor.metadata_props.update(origin.props)
    return tensor


def _in_int32_data(array: np.ndarray, raw_data: bytes) -> np.ndarray:
    """Return what int32_data holds: the bits of 16-bit floats, bytes of two integers of four bits, or integers."""
    if array.dtype not in INTEGER_TYPES:
        return array.ravel().view(np.uint16)
    if is_nibble(array.dtype):
        return np.frombuffer(raw_data, np.uint8)
    return array.ravel()


def restored_constant(output: ir.Value, tensor: ir.TensorProtocol, origin: Origin) -> ir.Node:
    """Return the Constant node that a weight was."""
    value = ir.AttrTensor("value", tensor, doc_string=origin.value_doc or None)
    return ir.Node(
        "",
        "Constant",
        [],
        [value],
        outputs=[output],
        name=origin.node_name,
        doc_string=origin.node_doc or None,
        metadata_props=dict(origin.node_props) or None,
    )

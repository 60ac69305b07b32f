"""What encoding takes from a model that the tensors of the weight groups do not say, so that decoding gives it back.

It lies in the model's metadata under ``onnxdc.origin`` as JSON, ``{"ir_version": 3, "weights": {stem: {key: value}},
"fused": {key: value}}``, with only what differs from the usual: many compressed models have no such entry at all.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

import google.protobuf.message
import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir

from onnxdc.errors import ModelError

KEY: Final = "onnxdc.origin"
_MAX_FUSED: Final = 2**26  # bytes of nodes: a damaged file cannot take all memory
_MAX_INTEGER: Final = 2**31  # versions and places are below
_STORAGES: Final = ("float_data", "int32_data", "double_data")  # fields that may hold floats instead of raw_data


@dataclass
class Origin:
    """Where a weight came from; the defaults are the usual: an initializer with raw data and no value_info.

    Attributes:
        name: of the weight, where the stem of the group's names is another.
        info: its value_info: ``"plain"`` for one that repeats type and shape of the tensor, else the proto in base64.
        storage: the field of the TensorProto that held the data, where it was not ``raw_data``.
        doc: the tensor's doc_string.
        props: the tensor's metadata_props.
        tensor: the name of the tensor inside a Constant node.
        input: its place among the graph inputs, -1 if it was none.
        node: the place of its Constant node among the nodes of the graph, -1 for an initializer.
        node_name: of the Constant node.
        node_doc: of the Constant node.
        node_props: the Constant node's metadata_props.
        value_doc: the doc_string of the Constant node's attribute.
    """

    name: str = ""
    info: str = ""
    storage: str = ""
    doc: str = ""
    props: dict[str, str] = field(default_factory=dict)
    tensor: str = ""
    input: int = -1
    node: int = -1
    node_name: str = ""
    node_doc: str = ""
    node_props: dict[str, str] = field(default_factory=dict)
    value_doc: str = ""

    def unusual(self) -> dict[str, Any]:
        """The fields that are not as usual, by name."""
        usual = Origin()
        return {key: value for key, value in vars(self).items() if value != getattr(usual, key)}


@dataclass
class Fused:
    """The nodes that were fused into sparse operators, and the constants that only they used.

    Attributes:
        graph: nodes, initializers and value_infos, as a GraphProto, compressed by zlib and in base64.
        nodes: the place of each node among those of the graph before.
        products: the place of each node that others were fused into likewise, in the order of the graph after.
        initializers: the place of each initializer likewise.
    """

    graph: str = ""
    nodes: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)
    initializers: list[int] = field(default_factory=list)

    @staticmethod
    def of(graph: onnx.GraphProto, nodes: list[int], products: list[int], initializers: list[int]) -> Fused:
        """The record of the nodes and initializers of ``graph`` with their places; empty without any."""
        packed = base64.b64encode(zlib.compress(graph.SerializeToString(), 9)).decode() if nodes else ""
        return Fused(packed, nodes, products, initializers)

    @property
    def nbytes(self) -> int:
        """The bytes that it takes in a file."""
        return len(_compact(self.content())) if self.nodes else 0

    def content(self) -> dict[str, Any]:
        """The fields that are not empty, by name."""
        return {key: value for key, value in vars(self).items() if value}

    def unpack(self) -> onnx.GraphProto:
        """The GraphProto.

        Raises:
            ModelError: it is none, or does not fit the places.
        """
        graph = onnx.GraphProto()
        try:
            packed = base64.b64decode(self.graph, validate=True)
            graph.ParseFromString(zlib.decompressobj().decompress(packed, _MAX_FUSED))
        except (ValueError, zlib.error, google.protobuf.message.DecodeError) as error:
            raise ModelError(f"metadata entry {KEY}: fused: graph is no packed GraphProto") from error
        if not all(isinstance(name, str) for node in graph.node for name in (*node.input, *node.output, node.name)):
            raise ModelError(f"metadata entry {KEY}: fused: expected names in UTF-8")
        if (len(graph.node), len(graph.initializer)) != (len(self.nodes), len(self.initializers)):
            raise ModelError(f"metadata entry {KEY}: fused: expected a place for each node and initializer")
        return graph


@dataclass
class Origins:
    """What is said of a model.

    Attributes:
        ir_version: of the model before it was raised, else 0.
        weights: the origins of all weights, by the stems of their groups' names.
        fused: the nodes that were fused.
    """

    ir_version: int = 0
    weights: dict[str, Origin] = field(default_factory=dict)
    fused: Fused = field(default_factory=Fused)

    def store(self, model: ir.Model) -> None:
        """Write the metadata entry, if there is anything to say."""
        content: dict[str, Any] = {"ir_version": self.ir_version} if self.ir_version else {}
        weights = {stem: origin.unusual() for stem, origin in self.weights.items() if origin.unusual()}
        if weights:
            content["weights"] = weights
        if self.fused.nodes:
            content["fused"] = self.fused.content()
        if content:
            model.metadata_props[KEY] = _compact(content)

    @staticmethod
    def take(model: ir.Model) -> Origins:
        """Read the metadata entry and remove it; without one everything was as usual.

        Raises:
            ModelError: the entry is not what ``store`` writes.
        """
        text = model.metadata_props.pop(KEY, "{}")
        try:
            content = json.loads(text)
            weights = {stem: Origin(**fields) for stem, fields in content.get("weights", {}).items()}
            origins = Origins(content.get("ir_version", 0), weights, Fused(**content.get("fused", {})))
            _check_types(origins)
            _check_types(origins.fused)
            for record in weights.values():
                _check_types(record)
            return origins
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"metadata entry {KEY}: expected what onnxdc writes, got {text[:60]!r}") from error


def _compact(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _check_types(record: Origin | Origins | Fused) -> None:
    """Raise TypeError unless each field has the type of its default, ValueError for what no model can hold."""
    for key, usual in vars(type(record)()).items():
        value = getattr(record, key)
        if type(value) is not type(usual):
            raise TypeError(f"{key}: {type(value)}")
        if isinstance(value, int) and not -1 <= value < _MAX_INTEGER:
            raise ValueError(f"{key}: {value}")
        if isinstance(value, str):
            value.encode()  # raises UnicodeWeightError, a ValueError, for half of a surrogate pair
        if key.endswith("props") and not all(isinstance(text, str) for text in value.values()):
            raise TypeError(f"{key}: not all values are texts")
        if isinstance(value, list) and not all(type(place) is int and -1 <= place < _MAX_INTEGER for place in value):
            raise TypeError(f"{key}: not all values are integers")


def describe(value: ir.Value, tensor: ir.TensorProtocol, stem: str) -> Origin:
    """The origin of a weight, read while it is still in its graph; the places are left to the caller.

    Args:
        value: an initializer, or the output of a Constant node.
        tensor: its tensor.
        stem: of the names of its group.
    """
    origin = Origin(name="" if stem == value.name else value.name or "", info=_describe_info(value, tensor))
    origin.doc = tensor.doc_string or ""
    origin.props = dict(tensor.metadata_props)
    if isinstance(tensor, ir.TensorProtoTensor):
        origin.storage = next((name for name in _STORAGES if len(getattr(tensor.raw, name))), "")
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
    info = ir.serde.serialize_value(value)
    plain = onnx.helper.make_tensor_value_info(value.name or "", tensor.dtype.value, tensor.shape.numpy())
    return "plain" if info == plain else base64.b64encode(info.SerializeToString()).decode()


def restored_value(name: str, array: np.ndarray, origin: Origin) -> ir.Value:
    """The value that a weight was, without its tensor.

    Raises:
        ModelError: the origin's ``info`` is no value_info.
    """
    value = ir.Value(name=name)
    if origin.info == "plain":
        value.type = ir.TensorType(ir.DataType.from_numpy(array.dtype))
        value.shape = ir.Shape(array.shape)
    elif origin.info:
        try:
            info = onnx.ValueInfoProto.FromString(base64.b64decode(origin.info, validate=True))
        except (ValueError, google.protobuf.message.DecodeError) as error:
            raise ModelError(f"metadata entry {KEY}: {name}: info is no value_info") from error
        ir.serde.deserialize_value_info_proto(info, value)
    return value


def restored_tensor(name: str, array: np.ndarray, origin: Origin) -> ir.TensorProtocol:
    """The tensor that a weight was, its data in the field of the TensorProto where it was."""
    if origin.storage not in ("", *_STORAGES):
        raise ModelError(f"metadata entry {KEY}: {name}: unknown storage {origin.storage!r}")
    tensor: ir.TensorProtocol = ir.Tensor(array, name=name or None, doc_string=origin.doc or None)
    if origin.storage:
        proto = ir.serde.serialize_tensor(tensor)
        proto.ClearField("raw_data")
        flat = array.ravel()
        # 16-bit floats lie in int32_data as their bits.
        getattr(proto, origin.storage).extend(flat.view(np.uint16) if origin.storage == "int32_data" else flat)
        tensor = ir.TensorProtoTensor(proto)
    tensor.metadata_props.update(origin.props)
    return tensor


def restored_constant(output: ir.Value, tensor: ir.TensorProtocol, origin: Origin) -> ir.Node:
    """The Constant node that a weight was."""
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

"""What encoding takes from a model that the tensors of the weight groups do not say, so that decoding gives it back.

It lies in the model's metadata under ``onnxdc.origin`` as JSON, with only what differs from the usual: many compressed
models have no such entry at all. Take a model with a weight in a Constant node, and an activation after its product::

    <ir_version: 7, opset_import: ["" : 17]>
    example (float[2, 4] x) => (float[2, 2] y) {
        weight = Constant <value = float[4, 2] {0, 0.5, 0, 0, -1.25, 0, 0.5, 0}> ()
        product = MatMul (x, weight)
        y = Relu (product)
    }

Encoded, its only node is a SparseQuantMatMulRelu, and the entry is, but for line breaks and a ``graph`` cut short::

    {"ir_version": 7,
     "weights": {"weight": {"storage": "float_data", "node": 0}},
     "fused": {"graph": "eNrj...", "nodes": [1], "products": [0]}}

Functions of the model need IR version 8, so it was raised from 7. The weight whose codebook is ``weight.codebook`` was
node 0, a Constant with its data in ``float_data`` rather than ``raw_data``. Once it was gone, node 1 was fused into
node 0: ``graph`` holds this Relu with its input ``product``, a name that no value has any more. ``halves`` would say
where small vectors were that are stored together, in two bytes an element; ``biases``, where scales of integer biases
were.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import google.protobuf.message
import onnx
import onnx.numpy_helper
import onnx_ir as ir

from onnxdc.errors import ModelError

KEY: Final = "onnxdc.origin"
_WHERE: Final = f"metadata entry {KEY}: fused"
_MOST_NODES: Final = 32  # that one operator takes in: the longest activation has 9 nodes and 6 constants
_NODE_BYTES: Final = 2**14  # that a recorded node, or a constant, may take unpacked, texts of an exporter included, ...
_RATIO: Final = 100  # ... or all of them together for each packed byte: whichever is more
_GRAPH_TYPES: Final = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
_MAX_INTEGER: Final = 2**31  # versions and positions are below: a protobuf message has fewer bytes
ADDED: Final = "added"
STORAGES: Final = {
    "float_data": ("float32",),
    "int32_data": ("float16", "bfloat16", "int8", "uint8", "int4", "uint4"),
    "double_data": ("float64",),
}
"""The fields of a TensorProto that may hold values instead of ``raw_data``, with the types that each holds."""


@dataclass
class Origin:
    """What a weight was; the defaults are the usual: an initializer with raw data and no value_info.

    Attributes:
        name: The name of the weight, if the group says another; else empty.
        info: Its value_info: ``"plain"`` for one that repeats type and shape of the tensor, else the proto in base64;
            of a weight that a node yields ``"added"`` if it had none, and the output of the node has one.
        storage: The field of the TensorProto that held the data, if it was not ``raw_data``.
        doc: The tensor's doc_string.
        props: The tensor's metadata_props.
        tensor: The name of the tensor inside a Constant node.
        input: Its index among the graph inputs, -1 if it was none.
        node: The index of its Constant node among the nodes of the graph, -1 for an initializer.
        node_name: The name of the Constant node.
        node_doc: The doc_string of the Constant node.
        node_props: The metadata_props of the Constant node.
        value_doc: The doc_string of the Constant node's attribute.
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
        """Return the fields that are not as usual, by name."""
        usual = Origin()
        return {key: value for key, value in vars(self).items() if value != getattr(usual, key)}


@dataclass
class Fused:
    """The nodes that were fused into sparse operators, and the constants that only they used.

    Attributes:
        graph: The nodes, initializers and value_infos, as a GraphProto, compressed by zlib and in base64.
        nodes: The index of each node among those of the graph before.
        products: The index of each node that others were fused into likewise, in the order of the graph after.
        initializers: The index of each initializer likewise.
    """

    graph: str = ""
    nodes: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)
    initializers: list[int] = field(default_factory=list)

    @staticmethod
    def of(graph: onnx.GraphProto, nodes: list[int], products: list[int], initializers: list[int]) -> Fused:
        """Record the nodes and initializers of ``graph`` with their positions; nothing if there are no nodes."""
        if not nodes:
            return Fused("", nodes, products, initializers)
        content = graph.SerializeToString()
        packed = zlib.compress(content, 9)
        if len(content) > _most_bytes(len(nodes) + len(initializers), len(packed)):  # as long texts that repeat
            packed = zlib.compress(content, 0)
        return Fused(base64.b64encode(packed).decode(), nodes, products, initializers)

    @property
    def nbytes(self) -> int:
        """The bytes that it takes in a file."""
        return len(_compact(self.content())) if self.nodes else 0

    def content(self) -> dict[str, Any]:
        """Return the fields that are not empty, by name."""
        return {key: value for key, value in vars(self).items() if value}

    def unpack(self, operators: int) -> onnx.GraphProto:
        """Return the GraphProto that ``graph`` holds.

        Args:
            operators: How many operators of the model have something fused into them.

        Raises:
            ModelError: It holds none, one that does not fit the positions, or more than the operators can take in.
        """
        recorded = len(self.nodes) + len(self.initializers)
        if recorded > _MOST_NODES * operators:
            most = _MOST_NODES * operators
            raise ModelError(f"{_WHERE}: expected at most {most} nodes of {operators} operators, got {recorded}")
        graph = onnx.GraphProto()
        try:
            graph.ParseFromString(self._unpacked(recorded))
            check_texts(graph)
        except (ValueError, zlib.error, google.protobuf.message.DecodeError) as error:
            raise ModelError(f"{_WHERE}: graph is no packed GraphProto") from error
        if (len(graph.node), len(graph.initializer)) != (len(self.nodes), len(self.initializers)):
            raise ModelError(f"{_WHERE}: expected a place for each node and initializer")
        _check_names(graph)
        for node in graph.node:
            _check_node(node)
        for tensor in graph.initializer:
            _check_tensor(tensor)
        return graph

    def _unpacked(self, recorded: int) -> bytes:
        """Return the bytes that ``graph`` is packed from; ValueError or zlib.error if it is not."""
        packed = base64.b64decode(self.graph, validate=True)
        if not packed:
            return b""
        most = _most_bytes(recorded, len(packed))
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(packed, most)
        if not unpacking.eof:
            raise ModelError(f"{_WHERE}: expected a graph of at most {most} bytes, got a longer or a truncated one")
        return content


def _most_bytes(recorded: int, packed: int) -> int:
    """Return how many bytes a record of so many nodes and constants may unpack to."""
    return max(_NODE_BYTES * (1 + recorded), _RATIO * packed)


def _check_names(graph: onnx.GraphProto) -> None:
    """Raise ModelError unless each value of a record is made once."""
    made = [name for node in graph.node for name in node.output if name] + [tensor.name for tensor in graph.initializer]
    if len(set(made)) != len(made) or not all(tensor.name for tensor in graph.initializer):
        raise ModelError(f"{_WHERE}: expected nodes and initializers that each make values of their own")


def _check_node(node: onnx.NodeProto) -> None:
    """Raise ModelError unless a recorded node is one that can have been fused: standard, and without a graph."""
    if node.domain not in ("", "ai.onnx") or not node.output:
        raise ModelError(f"{_WHERE}: expected standard nodes with outputs, got {node.domain}.{node.op_type}")
    for attribute in node.attribute:
        if attribute.type in _GRAPH_TYPES or attribute.HasField("g") or attribute.graphs or attribute.ref_attr_name:
            raise ModelError(f"{_WHERE}: {node.op_type}: expected no graph and no reference in {attribute.name}")
        for tensor in (attribute.t, *attribute.tensors):
            _check_tensor(tensor)


def _check_tensor(tensor: onnx.TensorProto) -> None:
    """Raise ModelError unless a recorded tensor has its data in it, as many as its shape says."""
    if tensor == onnx.TensorProto():  # of an attribute of another type
        return
    elements = math.prod(tensor.dims) if all(size >= 0 for size in tensor.dims) else -1
    if not 0 <= elements <= 8 * tensor.ByteSize() or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"{_WHERE}: {tensor.name}: expected a tensor with its data")
    try:
        onnx.numpy_helper.to_array(tensor)
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"{_WHERE}: {tensor.name}: expected a tensor with its data") from error


def check_texts(message: google.protobuf.message.Message) -> None:
    """Raise ValueError unless all texts in a message are UTF-8: protobuf reads others, and cannot write them."""
    for descriptor, content in message.ListFields():
        if descriptor.type not in (descriptor.TYPE_MESSAGE, descriptor.TYPE_STRING):
            continue
        for value in [content] if isinstance(content, str | bytes | google.protobuf.message.Message) else content:
            if descriptor.type == descriptor.TYPE_MESSAGE:
                check_texts(value)
            elif not isinstance(value, str):
                raise ValueError(f"{descriptor.name}: {value!r}")


class NameCount:
    """What origins of weights that nodes yield are known by: graphs that do not see each other may repeat a name."""

    def __init__(self) -> None:
        self._met: Counter[str] = Counter()

    def numbered(self, name: str) -> str:
        """Return the name of a weight, with ``#2`` for a second one; they are met once, in the order of the graphs."""
        self._met[name] += 1
        return name if self._met[name] == 1 else f"{name}#{self._met[name]}"


@dataclass
class Origins:
    """Everything that the metadata entry says of a model.

    Attributes:
        ir_version: The IR version of the model before it was raised, else 0.
        weights: The origins of all weights, by what their groups say of their names.
        fused: The nodes that were fused.
        halves: For each tensor that small vectors were joined to, where those were among the initializers.
        biases: For biases that are stored as floats, where the scale was that the integers had, if not after these.
    """

    ir_version: int = 0
    weights: dict[str, Origin] = field(default_factory=dict)
    fused: Fused = field(default_factory=Fused)
    halves: dict[str, list[int]] = field(default_factory=dict)
    biases: dict[str, int] = field(default_factory=dict)

    def store(self, model: ir.Model) -> None:
        """Write the metadata entry, if there is anything to say."""
        content: dict[str, Any] = {"ir_version": self.ir_version} if self.ir_version else {}
        weights = {stem: origin.unusual() for stem, origin in self.weights.items() if origin.unusual()}
        if weights:
            content["weights"] = weights
        if self.fused.nodes:
            content["fused"] = self.fused.content()
        if self.halves:
            content["halves"] = self.halves
        if self.biases:
            content["biases"] = self.biases
        if content:
            model.metadata_props[KEY] = _compact(content)

    @staticmethod
    def take(model: ir.Model) -> Origins:
        """Read the metadata entry and remove it; without one everything was as usual.

        Raises:
            ModelError: The entry is not what ``store`` writes.
        """
        text = model.metadata_props.pop(KEY, "{}")
        try:
            content = json.loads(text)
            weights = {stem: Origin(**fields) for stem, fields in content.get("weights", {}).items()}
            fused, halves = Fused(**content.get("fused", {})), content.get("halves", {})
            origins = Origins(content.get("ir_version", 0), weights, fused, halves, content.get("biases", {}))
            _check_types(origins)
            for indices in halves.values():
                _check_integers("halves", indices)
            _check_integers("biases", [*origins.biases.values()])
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
            value.encode()  # raises UnicodeEncodeError, a ValueError, for half of a surrogate pair
        if key.endswith("props") and not all(isinstance(text, str) for text in value.values()):
            raise TypeError(f"{key}: not all values are texts")
        if isinstance(value, list):
            _check_integers(key, value)


def _check_integers(key: str, values: object) -> None:
    """Raise TypeError unless all values of a list are indices."""
    if type(values) is not list or not all(type(index) is int and -1 <= index < _MAX_INTEGER for index in values):
        raise TypeError(f"{key}: not all values are integers")

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
node 0: ``graph`` holds this Relu with its input ``product``, a name that no value has any more.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

import google.protobuf.message
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError

KEY: Final = "onnxdc.origin"
_MAX_FUSED: Final = 2**26  # bytes of nodes, chosen far above any model's: a damaged file cannot take all memory
_MAX_INTEGER: Final = 2**31  # versions and positions are below: a protobuf message has fewer bytes
STORAGES: Final = ("float_data", "int32_data", "double_data")  # fields that may hold floats instead of raw_data


@dataclass
class Origin:
    """What a weight was; the defaults are the usual: an initializer with raw data and no value_info.

    Attributes:
        name: The name of the weight, if the stem of the group's names is another; else empty.
        info: Its value_info: ``"plain"`` for one that repeats type and shape of the tensor, else the proto in base64.
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
        packed = base64.b64encode(zlib.compress(graph.SerializeToString(), 9)).decode() if nodes else ""
        return Fused(packed, nodes, products, initializers)

    @property
    def nbytes(self) -> int:
        """The bytes that it takes in a file."""
        return len(_compact(self.content())) if self.nodes else 0

    def content(self) -> dict[str, Any]:
        """Return the fields that are not empty, by name."""
        return {key: value for key, value in vars(self).items() if value}

    def unpack(self) -> onnx.GraphProto:
        """Return the GraphProto that ``graph`` holds.

        Raises:
            ModelError: It holds none, or one that does not fit the positions.
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
    """Everything that the metadata entry says of a model.

    Attributes:
        ir_version: The IR version of the model before it was raised, else 0.
        weights: The origins of all weights, by the stems of their groups' names.
        fused: The nodes that were fused.
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
            ModelError: The entry is not what ``store`` writes.
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
            value.encode()  # raises UnicodeEncodeError, a ValueError, for half of a surrogate pair
        if key.endswith("props") and not all(isinstance(text, str) for text in value.values()):
            raise TypeError(f"{key}: not all values are texts")
        if isinstance(value, list) and not all(type(index) is int and -1 <= index < _MAX_INTEGER for index in value):
            raise TypeError(f"{key}: not all values are integers")

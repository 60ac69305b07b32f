"""What the bytes of a file are: each byte counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import onnx
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain import group
from onnxdc.domain.operators import DOMAIN, has_group
from onnxdc.model_io import Source
from onnxdc.model_io.load import read_proto
from onnxdc.model_io.scopes import graphs_in
from onnxdc.numeric.weight import TENSORS
from onnxdc.report.overview import Part

_VALUES: Final = "codes of values"
_POSITIONS: Final = "codes of positions"
_TABLES: Final = "codebooks and tables"
_PLAIN: Final = "plain tensors"
_BODIES: Final = "portable functions"
_METADATA: Final = "metadata"
_GRAPH: Final = "nodes and names"
_ORDER: Final = (_VALUES, _POSITIONS, _TABLES, _PLAIN, _BODIES, _METADATA, _GRAPH)
_KINDS: Final = dict.fromkeys(TENSORS, _TABLES) | {"codes": _VALUES, "low_bits": _VALUES, "gaps": _POSITIONS}


def parts_of(source: Source, loaded: ir.Model, nbytes: int) -> tuple[Part, ...]:
    """Return what the bytes of a file are, without parts that it does not have.

    Args:
        source: The model as it was given.
        loaded: The same as it was read, not decoded yet.
        nbytes: The bytes of its file, external data included.
    """
    kinds = _kinds_of_tensors(loaded)
    proto = read_proto(source) if not isinstance(source, ir.Model | onnx.ModelProto) else model_io.to_proto(loaded)
    counts: Counter[str] = Counter()
    for tensor in _tensors(proto):
        counts[kinds.get(tensor.name, _PLAIN)] += _stored(tensor)
    counts[_BODIES] = sum(function.ByteSize() for function in proto.functions)
    counts[_METADATA] = sum(entry.ByteSize() for entry in proto.metadata_props)
    counts[_GRAPH] = max(0, nbytes - sum(counts.values()))
    return tuple(Part(name, counts[name]) for name in _ORDER if counts[name])


def _kinds_of_tensors(model: ir.Model) -> dict[str, str]:
    """Return which part of a group each tensor is, by name."""
    kinds: dict[str, str] = {}
    for graph in model.graphs():
        for node in graph:
            if node.domain == DOMAIN and has_group(node.op_type):
                for name, value in zip(TENSORS, group.group_of(node), strict=True):
                    kinds[value.name or ""] = _KINDS[name]
    return kinds


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield the tensors of all graphs: initializers, and those of Constant nodes."""
    for graph in graphs_in(proto.graph):
        yield from graph.initializer
        yield from (attribute.t for node in graph.node for attribute in node.attribute if attribute.HasField("t"))


def _stored(tensor: onnx.TensorProto) -> int:
    """Return the bytes that a tensor takes, external data included."""
    external = {entry.key: entry.value for entry in tensor.external_data}
    length = external.get("length", "0")
    return int(tensor.ByteSize()) + (int(length) if length.isdigit() else 0)

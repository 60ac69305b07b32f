"""What is checked of a model before anything uses it, so that a bad one gets an error that names the trouble."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError

_GRAPH_TYPES: Final = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
_WIRE_TYPES: Final = (0, 2)  # of the fields of a ModelProto: varint and length-delimited


def why_not_parsed(content: memoryview) -> str:
    """Say what is wrong with bytes that protobuf refused.

    The fields of the outermost message are walked by their lengths: where they look like a model's but the last one
    ends behind the file, the model is truncated.
    """
    known = {field.number for field in onnx.ModelProto.DESCRIPTOR.fields}
    position = fields = 0
    while position < len(content):
        tag, position = _varint(content, position)
        value, position = _varint(content, position)
        if tag >> 3 not in known or tag & 7 not in _WIRE_TYPES:
            return "not an ONNX model"
        if tag & 7 == 2:
            position += value
        fields += 1
    if fields > 1 and position > len(content):
        return f"truncated: expected at least {position} bytes, got {len(content)}"
    return "not an ONNX model"


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """A protobuf varint and the position after it; a cut one reads as if zeros followed."""
    value = 0
    for shift in range(0, 64, 7):
        byte = content[position] if position < len(content) else 0
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, position


def check_supported(proto: onnx.ModelProto, where: str) -> None:
    """Refuse what onnx_ir would silently drop, and what is newer than the onnx package that is installed.

    Raises:
        ModelError: naming ``where`` and the trouble.
    """
    if not 1 <= proto.ir_version <= onnx.IR_VERSION:
        raise ModelError(f"{where}: unknown IR version {proto.ir_version}, expected 1 to {onnx.IR_VERSION}")
    if proto.training_info:
        raise ModelError(f"{where}: has training_info, which is not supported")
    for graph in proto_graphs(proto.graph):
        _check_initializers(graph, where)


def _check_initializers(graph: onnx.GraphProto, where: str) -> None:
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise ModelError(f"{where}: {name} is a sparse_initializer, which is not supported")
    seen: set[str] = set()
    for tensor in graph.initializer:
        if not tensor.name:
            raise ModelError(f"{where}: not valid ONNX: an initializer has no name")
        if tensor.name in seen:
            raise ModelError(f"{where}: not valid ONNX: two initializers have the name {tensor.name}")
        seen.add(tensor.name)


def proto_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.type in _GRAPH_TYPES else ():
                yield from proto_graphs(inner)


def default_opset(proto: onnx.ModelProto, where: str) -> int:
    """The version of the standard operators that a model imports.

    Raises:
        ModelError: it imports none, or one that the installed onnx does not know.
    """
    newest = onnx.defs.onnx_opset_version()
    versions = [opset.version for opset in proto.opset_import if opset.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError(f"{where}: imports no operator set of the domain ai.onnx, expected version 1 to {newest}")
    if not 1 <= versions[0] <= newest:
        raise ModelError(
            f"{where}: unknown operator set {versions[0]}, expected 1 to {newest} (onnx {onnx.__version__})"
        )
    return int(versions[0])


def check_external(tensor: ir.ExternalTensor, where: str) -> None:
    """External data must lie below the model's directory, exist, and be as long as the tensor.

    Raises:
        ModelError: naming ``where``, the file, and what was expected.
    """
    base = os.path.realpath(tensor.base_dir)
    location = os.fspath(tensor.location)
    if os.path.isabs(location) or os.path.commonpath([base, os.path.realpath(tensor.path)]) != base:
        raise ModelError(f"{where}: external data {location!r} lies outside of the model's directory")
    try:
        status = os.stat(tensor.path)
    except OSError as error:
        raise ModelError(f"{where}: external data {tensor.path}: {error.strerror or error}") from error
    if status.st_nlink > 1:  # onnx_ir and onnxruntime refuse to read it: it may be any file of the disk
        raise ModelError(f"{where}: external data {tensor.path} is a hard link, expected a file of its own")
    length = tensor.nbytes if tensor.length is None else tensor.length
    if length != tensor.nbytes:
        raise ModelError(f"{where}: expected external data of {tensor.nbytes} bytes, got {length}")
    end = (tensor.offset or 0) + length
    if end > status.st_size:
        raise ModelError(
            f"{where}: external data {tensor.path} is truncated: expected {end} bytes, got {status.st_size}"
        )


def root_cause(error: BaseException) -> str:
    """The first line of what went wrong first."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

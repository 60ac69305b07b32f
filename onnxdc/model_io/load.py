"""Read a model from a file or take one from memory, its external data memory-mapped, and check it."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TypeAlias

import google.protobuf.message
import onnx
import onnx_ir as ir

from onnxdc.domain.group import MIN_OPSET
from onnxdc.errors import ModelError
from onnxdc.model_io.check import (
    check_external,
    check_supported,
    default_opset,
    proto_graphs,
    root_cause,
    why_not_parsed,
)
from onnxdc.model_io.files import FILES, inline
from onnxdc.model_io.upgrade import upgraded

Source: TypeAlias = str | os.PathLike[str] | onnx.ModelProto | ir.Model


def load(source: Source, *, upgrade: bool = True) -> ir.Model:
    """Read a model, its external data memory-mapped, and check what would otherwise fail later without a name.

    Args:
        source: a path, or a model in memory, which is left as it is. The external data of a ``ModelProto`` is looked
            for in the current directory.
        upgrade: convert a model whose operator set is older than 11, the oldest that a compressed model can have. An
            ``ir.Model`` is taken as it is.

    Raises:
        ModelError: there is no such file, it is empty, truncated or not ONNX, external data is missing or too short,
            the operator set is unknown or cannot be converted, or the model has something that would get lost.
    """
    if isinstance(source, ir.Model):
        model = source.clone()
        _prepare_tensors(model, "model")
        model.meta[FILES] |= source.meta.get(FILES, set())
        return model
    if isinstance(source, onnx.ModelProto):
        return _from_proto(source, "model", "", upgrade)
    path = Path(source)
    model = _from_proto(_read(path), str(path), str(path.parent), upgrade)
    model.meta[FILES].add(path)
    return model


def name_of(source: Source) -> str:
    """What to call a model in messages: its path, or ``model``."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "model"


def file_bytes(model: ir.Model) -> int | None:
    """The size of the files that a loaded model was read from, external data included; None for one from memory."""
    files = model.meta.get(FILES)
    return sum(Path(file).stat().st_size for file in files) if files else None


def _read(path: Path) -> onnx.ModelProto:
    """Parse a file, or say why it is no model."""
    proto = onnx.ModelProto()
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ModelError(f"{path}: expected an ONNX model, got an empty file")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
                try:
                    proto.ParseFromString(view)
                except google.protobuf.message.DecodeError as error:
                    raise ModelError(f"{path}: {why_not_parsed(view)}") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot read: {error.strerror or error}") from error
    if not proto.HasField("graph"):
        raise ModelError(f"{path}: not an ONNX model: it holds no graph")
    return proto


def _from_proto(proto: onnx.ModelProto, where: str, base_dir: str, upgrade: bool) -> ir.Model:
    """Check a parsed model and hand it to onnx_ir."""
    check_supported(proto, where)
    opset = default_opset(proto, where)
    if upgrade and opset < MIN_OPSET:
        proto = upgraded(proto, where, base_dir, opset)
    try:
        model = ir.from_proto(proto)
    except ir.serde.SerdeError as error:
        raise ModelError(f"{where}: not valid ONNX: {root_cause(error)}") from error
    ir.external_data.set_base_dir(model.graph, base_dir)
    _prepare_tensors(model, where)
    _forget_implied_types(model, proto.graph)
    return model


def _forget_implied_types(model: ir.Model, graph: onnx.GraphProto) -> None:
    """Untype the initializers that have no value_info, so that a model is written as it was read.

    onnx_ir gives every initializer the type and shape of its tensor, and writes a value_info for whatever has a type.
    """
    declared = {info.name for inner in proto_graphs(graph) for info in inner.value_info}
    for owner in model.graphs():
        for value in owner.initializers.values():
            if value.name not in declared and not (value.is_graph_input() or value.is_graph_output()):
                value.type = value.shape = None


def _prepare_tensors(model: ir.Model, where: str) -> None:
    """Check all external data, and make the tensors such that they are written as they were read."""
    files = set()

    def prepared(tensor: ir.TensorProtocol, name: str | None, *, external: bool) -> ir.TensorProtocol:
        if not isinstance(tensor, ir.ExternalTensor):
            return _with_texts_once(tensor)
        check_external(tensor, f"{where}: {name}")
        files.add(Path(tensor.path))
        return tensor if external else inline(tensor)

    for graph in model.graphs():
        for value, tensor in ((value, value.const_value) for value in graph.initializers.values()):
            if tensor is not None:
                value.const_value = prepared(tensor, value.name, external=True)
        for node in graph:
            for attribute in list(node.attributes.values()):
                if attribute.type is ir.AttributeType.TENSOR and not attribute.is_ref():
                    tensor = prepared(attribute.as_tensor(), node.outputs[0].name, external=False)
                    if tensor is not attribute.value:
                        node.attributes.add(ir.AttrTensor(attribute.name, tensor, doc_string=attribute.doc_string))
    model.meta[FILES] = files


def _with_texts_once(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """The tensor, without its metadata_props in the proto behind it: onnx_ir would write them twice."""
    if not isinstance(tensor, ir.TensorProtoTensor) or not tensor.metadata_props:
        return tensor
    proto = onnx.TensorProto()
    proto.CopyFrom(tensor.raw)
    proto.ClearField("metadata_props")
    once = ir.TensorProtoTensor(proto)
    once.metadata_props.update(tensor.metadata_props)
    return once

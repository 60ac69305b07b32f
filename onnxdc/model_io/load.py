"""Read a model from a file or take one from memory, and check it; its external data are read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx_ir as ir

from onnxdc.domain.group import MIN_OPSET
from onnxdc.errors import ModelError
from onnxdc.graph.infos import leave_out_info
from onnxdc.graph.walk import graphs
from onnxdc.model_io.check import check_model, root_cause
from onnxdc.model_io.content import BinaryFile, Bytes, read_memory, read_path
from onnxdc.model_io.data_file import DataFile, DataTensor
from onnxdc.model_io.external import open_data, open_tensor, with_data
from onnxdc.model_io.files import FILES, MEMORY, inline
from onnxdc.model_io.imports import with_one_default_domain
from onnxdc.model_io.notes import add_note
from onnxdc.model_io.parse import parse
from onnxdc.model_io.scopes import graphs_in
from onnxdc.model_io.upgrade import compare, upgraded

Source: TypeAlias = str | os.PathLike[str] | Bytes | BinaryFile | onnx.ModelProto | ir.Model


def load(source: Source, *, upgrade: bool = True) -> ir.Model:
    """Read a model and check what would otherwise fail later without a name; external data are read when needed.

    Args:
        source: A path, or a model in memory, as its bytes, a binary file object that can seek, a ``ModelProto`` or an
            ``ir.Model``, which is left as it is. External data of the first three is looked for in the current
            directory.
        upgrade: Whether to convert a model whose operator set is older than 11, the oldest that a compressed model can
            have. An ``ir.Model`` is taken as it is.

    Raises:
        ModelError: There is no such file, it is empty, truncated or not ONNX, external data is missing or too short,
            the operator set is unknown or cannot be converted, or the model has something that would get lost.
    """
    if isinstance(source, ir.Model):
        return _cloned(source)
    if isinstance(source, onnx.ModelProto):
        return _from_proto(source, "model", None, upgrade)
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        model = _from_proto(parse(read_path(path), path), path, path, upgrade)
        model.meta[FILES].add(Path(path))
        return model
    content = read_memory(source, "model")
    model = _from_proto(parse(content, "model"), "model", None, upgrade)
    model.meta[MEMORY] = content.nbytes
    return model


def name_of(source: Source) -> str:
    """Return what to call a model in messages: its path, or ``model``."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "model"


def file_bytes(model: ir.Model) -> int | None:
    """Return the bytes that a model was read from, external data included; None for one that never was any."""
    files, memory = model.meta.get(FILES), model.meta.get(MEMORY, 0)
    return memory + sum(Path(file).stat().st_size for file in files or ()) if files or memory else None


def _cloned(source: ir.Model) -> ir.Model:
    """Return a copy of a model in memory, its nodes sorted and its external data opened."""
    model = source.clone()
    files: dict[str, DataFile] = {}

    def opened(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
        if isinstance(tensor, ir.ExternalTensor) and not isinstance(tensor, DataTensor):
            return open_tensor(tensor, files)
        return _with_texts_once(tensor)

    _prepare_tensors(model, opened)
    model.meta[FILES] = source.meta.get(FILES, set()) | {Path(file.path) for file in files.values()}
    model.meta[MEMORY] = source.meta.get(MEMORY, 0)
    _sort(model)
    return model


def _sort(model: ir.Model) -> None:
    """Bring the nodes of all graphs into an order in which each comes after those that it needs."""
    try:
        model.graph.sort()
        for function in model.functions.values():
            function.sort()
    except ValueError as error:
        raise ModelError(f"model: not valid ONNX: {root_cause(error)}") from error


def _from_proto(proto: onnx.ModelProto, where: str, path: str | None, upgrade: bool) -> ir.Model:
    """Check a parsed model and hand it to onnx_ir."""
    proto = with_one_default_domain(proto, where)
    checked = check_model(proto, where)
    files = open_data(checked.scopes, where, path)
    after = None
    if upgrade and checked.opset < MIN_OPSET:
        after = upgraded(with_data(proto, files), where, checked.opset)
        proto, files = after.proto, {}
    try:
        model = ir.from_proto(proto)
    except (ir.serde.SerdeError, RecursionError) as error:
        raise ModelError(f"{where}: not valid ONNX: {root_cause(error)}") from error
    if not checked.is_sorted:
        _sort(model)
    _prepare_tensors(model, lambda tensor: _from_file(tensor, files))
    model.meta[FILES] = {Path(file.path) for file in files.values()}
    _forget_implied_types(model, proto.graph)
    reason = compare(after, model, where) if after else None
    if reason:
        add_note(model, f"operator set {checked.opset} was converted to {MIN_OPSET}, not checked: {reason}")
    return model


def _forget_implied_types(model: ir.Model, graph: onnx.GraphProto) -> None:
    """Untype the initializers that have no value_info, so that a model is written as it was read.

    onnx_ir gives every initializer the type and shape of its tensor, and writes a value_info for whatever has a type.
    """
    declared = {info.name for inner in graphs_in(graph) for info in inner.value_info}
    for owner in model.graphs():
        for value in owner.initializers.values():
            if value.name in declared or value.is_graph_input():
                continue
            if value.is_graph_output():
                leave_out_info(value)
            else:
                value.type = value.shape = None


def _from_file(tensor: ir.TensorProtocol, files: Mapping[str, DataFile]) -> ir.TensorProtocol:
    """Return a tensor that reads from its open file if it is external, and is written as it was read."""
    if isinstance(tensor, ir.ExternalTensor):
        return DataTensor(tensor, files[os.fspath(tensor.location)])
    return _with_texts_once(tensor)


def _prepare_tensors(model: ir.Model, prepared: Callable[[ir.TensorProtocol], ir.TensorProtocol]) -> None:
    """Replace every tensor of a model, in whatever graph or attribute."""
    for _, graph in graphs(model):
        for value in graph.initializers.values():
            if value.const_value is not None:
                value.const_value = prepared(value.const_value)
        for node in graph:
            for attribute in list(node.attributes.values()):
                changed = _prepared_attribute(attribute, prepared)
                if changed is not None:
                    node.attributes.add(changed)


def _prepared_attribute(
    attribute: ir.Attr, prepared: Callable[[ir.TensorProtocol], ir.TensorProtocol]
) -> ir.Attr | None:
    """Return an attribute with its tensors prepared, to be written inside the model; None where nothing changes."""
    if attribute.is_ref() or attribute.type not in (ir.AttributeType.TENSOR, ir.AttributeType.TENSORS):
        return None
    many = attribute.type is ir.AttributeType.TENSORS
    before = list(attribute.as_tensors() if many else [attribute.as_tensor()])
    after = [prepared(tensor) for tensor in before]
    if all(new is old for new, old in zip(after, before, strict=True)):
        return None
    values = [inline(tensor) if isinstance(tensor, ir.ExternalTensor) else tensor for tensor in after]
    value = values if many else values[0]
    return ir.Attr(attribute.name, attribute.type, value, doc_string=attribute.doc_string)


def _with_texts_once(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """Return the tensor, without its metadata_props in the proto that it wraps: onnx_ir would write them twice."""
    if not isinstance(tensor, ir.TensorProtoTensor) or not tensor.metadata_props:
        return tensor
    proto = onnx.TensorProto()
    proto.CopyFrom(tensor.raw)
    proto.ClearField("metadata_props")
    once = ir.TensorProtoTensor(proto)
    once.metadata_props.update(tensor.metadata_props)
    return once

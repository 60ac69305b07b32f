"""Models in and out of files: read lazily and checked, written atomically; the input is never touched.

A model is one file wherever it fits. Its tensors go to ``<name>.onnx.data`` beside it only where they must, since
protobuf cannot hold 2 GB, or where the model has tensors in external data already and holds more than 256 MB.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final, TypeAlias

import google.protobuf.message
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_check import check_external, check_supported, default_opset, proto_graphs, root_cause, why_not_parsed
from onnxdc.model_lift import lifted
from onnxdc.model_write import inline, needs_external_data, placed, replacing
from onnxdc.passes.group import MIN_OPSET

Source: TypeAlias = str | os.PathLike[str] | onnx.ModelProto | ir.Model

_FILES: Final = "onnxdc.files"  # where a model's meta says which files it was read from


def load(source: Source, *, lift: bool = True) -> ir.Model:
    """Read a model, its external data memory-mapped, and check what would otherwise fail later without a name.

    Args:
        source: a path, or a model in memory, which is left as it is. The external data of a ``ModelProto`` is looked
            for in the current directory.
        lift: convert a model whose operator set is older than 11, the oldest that a compressed model can have. An
            ``ir.Model`` is taken as it is.

    Raises:
        ModelError: there is no such file, it is empty, truncated or not ONNX, external data is missing or too short,
            the operator set is unknown or cannot be converted, or the model has something that would get lost.
    """
    if isinstance(source, ir.Model):
        model = source.clone()
        _prepare_tensors(model, "model")
        model.meta[_FILES] |= source.meta.get(_FILES, set())
        return model
    if isinstance(source, onnx.ModelProto):
        return _from_proto(source, "model", "", lift)
    path = Path(source)
    model = _from_proto(_read(path), str(path), str(path.parent), lift)
    model.meta[_FILES].add(path)
    return model


def save(model: ir.Model, path: str | os.PathLike[str]) -> int:
    """Write a model to a file, all of it or nothing.

    The model, and its external data if it needs any, are written under temporary names beside ``path`` and renamed when
    both are complete.

    Returns:
        The bytes that were written, those of the external data included.

    Raises:
        ModelError: ``path`` is a file that the model was read from, it cannot be written, or the model without its
            initializers exceeds what protobuf can hold.
    """
    check_output(path, model.meta.get(_FILES, ()))
    target, data = _targets(path)
    try:
        with contextlib.ExitStack() as stack:
            whole = stack.enter_context(replacing(target))
            # Leaving goes backwards: the data is in place before the model that needs it.
            file = stack.enter_context(replacing(data)) if needs_external_data(model) else None
            stack.enter_context(placed(model, file, data.name))
            _write(model, whole, path)
            return whole.tell() + (file.tell() if file else 0)
    except OSError as error:
        raise ModelError(f"{path}: cannot write: {error.strerror or error}") from error


def check_output(path: str | os.PathLike[str], sources: Iterable[Path]) -> None:
    """Refuse a path that ``save`` could not write to, before the work that leads there.

    Args:
        path: where the model is to go.
        sources: the files that it is made from.

    Raises:
        ModelError: ``path`` is one of the sources, is a directory, or lies in none.
    """
    target, data = _targets(path)
    for source in sources:
        if _same_file(source, target) or _same_file(source, data):
            raise ModelError(f"{path}: the output would overwrite {source}, which it is made from")
    if target.is_dir():
        raise ModelError(f"{path}: cannot write: it is a directory")
    try:
        os.stat(os.path.join(target.parent, "."))  # fails where the parent is a file, too
    except OSError as error:
        raise ModelError(f"{path}: cannot write: {error.strerror or error}") from error


def _targets(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The files of a model to be written, and of its external data; a link stays a link."""
    target = Path(os.path.realpath(path))
    return target, target.with_name(target.name + ".data")


def name_of(source: Source) -> str:
    """What to call a model in messages: its path, or ``model``."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "model"


def file_bytes(model: ir.Model) -> int | None:
    """The size of the files that a loaded model was read from, external data included; None for one from memory."""
    files = model.meta.get(_FILES)
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


def _from_proto(proto: onnx.ModelProto, where: str, base_dir: str, lift: bool) -> ir.Model:
    """Check a parsed model and hand it to onnx_ir."""
    check_supported(proto, where)
    opset = default_opset(proto, where)
    if lift and opset < MIN_OPSET:
        proto = lifted(proto, where, base_dir, opset)
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
    model.meta[_FILES] = files


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


def _same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one file, through links of either kind too."""
    return a.exists() and b.exists() and os.path.samefile(a, b)


def _write(model: ir.Model, file: IO[bytes], where: str | os.PathLike[str]) -> None:
    """Write the model as protobuf."""
    try:
        file.write(ir.to_proto(model).SerializeToString())
    except (google.protobuf.message.EncodeError, ValueError) as error:
        raise ModelError(f"{where}: cannot write: the model exceeds the 2 GB of a protobuf message") from error

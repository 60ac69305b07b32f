"""Drop doc_strings, metadata_props and the names of nodes."""

from __future__ import annotations

from typing import TypeAlias

import onnx
import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.graph.walk import graphs
from onnxdc.model_io.data_file import DataTensor
from onnxdc.passes.strip.sizes import props_bytes, text_bytes

_Texts: TypeAlias = ir.Model | ir.Graph | ir.Node | ir.Value | ir.Attr
"""What has a doc_string, and all but models and attributes metadata_props that are an exporter's."""


def drop_texts(model: ir.Model) -> int:
    """Drop the texts of a model, except for its own metadata_props; our own functions have none.

    Returns:
        The bytes that the model is smaller by.
    """
    dropped = _drop_doc(model)
    for function, graph in graphs(model):
        if function is None or function.domain != DOMAIN:
            dropped += _drop_from_graph(graph)
    return dropped


def _drop_from_graph(graph: ir.Graph) -> int:
    values = {*graph.inputs, *graph.outputs, *graph.initializers.values()}
    dropped = _drop(graph) + sum(map(_drop_from_node, graph))
    values.update(value for node in graph for value in node.outputs)
    for value in values:
        dropped += _drop(value)
    for value in graph.initializers.values():
        if value.const_value is not None:
            dropped += texts_of(value.const_value)
            value.const_value = without_texts(value.const_value)
    return dropped


def _drop_from_node(node: ir.Node) -> int:
    """Drop the texts of a node and of its attributes, also the names of tensors there, which nothing refers to."""
    dropped = _drop(node) + text_bytes(node.name)
    node.name = ""
    for attribute in list(node.attributes.values()):
        bare, texts = _bare_attribute(attribute)
        if texts:
            node.attributes.add(bare)
            dropped += texts
    return dropped


def _bare_attribute(attribute: ir.Attr) -> tuple[ir.Attr, int]:
    """Return an attribute without texts, and the bytes of those that it had; a copy, as copies of models share it."""
    texts = text_bytes(attribute.doc_string)
    if attribute.is_ref():
        return ir.RefAttr(attribute.name, attribute.ref_attr_name or "", attribute.type), texts
    value = attribute.value
    if attribute.type is ir.AttributeType.TENSOR:
        texts += texts_of(attribute.as_tensor(), named=True)
        value = without_texts(attribute.as_tensor(), named=True)
    elif attribute.type is ir.AttributeType.TENSORS:
        texts += sum(texts_of(tensor, named=True) for tensor in attribute.as_tensors())
        value = [without_texts(tensor, named=True) for tensor in attribute.as_tensors()]
    return ir.Attr(attribute.name, attribute.type, value), texts


def _drop(holder: ir.Graph | ir.Node | ir.Value) -> int:
    dropped = _drop_doc(holder) + props_bytes(holder.metadata_props)
    holder.metadata_props.clear()
    return dropped


def _drop_doc(holder: _Texts) -> int:
    dropped = text_bytes(holder.doc_string)
    holder.doc_string = None
    return dropped


def texts_of(tensor: ir.TensorProtocol, *, named: bool = False) -> int:
    """Return the bytes of the texts of a tensor, its name being one of them if ``named``."""
    texts = text_bytes(tensor.doc_string) + props_bytes(tensor.metadata_props)
    return texts + (text_bytes(tensor.name) if named else 0)


def without_texts(tensor: ir.TensorProtocol, *, named: bool = False) -> ir.TensorProtocol:
    """Return a tensor with the same data, in the same field, and no texts; the tensor itself where it has none."""
    if not texts_of(tensor, named=named):
        return tensor
    name = None if named else tensor.name
    if isinstance(tensor, ir.TensorProtoTensor):
        proto = onnx.TensorProto()
        proto.CopyFrom(tensor.raw)
        for field in ("doc_string", "metadata_props", "name"):
            proto.ClearField(field)
        bare = ir.TensorProtoTensor(proto)
        bare.name = name
        return bare
    if isinstance(tensor, DataTensor):
        return tensor.without_texts()
    if isinstance(tensor, ir.StringTensor):
        return ir.StringTensor(tensor.raw, shape=tensor.shape, name=name)
    return ir.LazyTensor(lambda: tensor, dtype=tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=name)

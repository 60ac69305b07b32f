"""Measure what stripping would have saved in a model that is encoded."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

import onnx
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.operators import DECODERS, DOMAIN, has_group, is_symbols
from onnxdc.domain.origin import KEY, Fused, Origin, Origins
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.weights import named_constants
from onnxdc.passes.strip.attributes import drop_default_attributes
from onnxdc.passes.strip.equal import merge_equal_constants
from onnxdc.passes.strip.names import shorten_encoded_names, shorten_names
from onnxdc.passes.strip.shapes import drop_implied_shapes, drop_shapes_of_constants
from onnxdc.passes.strip.sizes import text_bytes
from onnxdc.passes.strip.texts import drop_texts

_TEXTS: Final = ("doc", "props", "tensor", "node_name", "node_doc", "node_props", "value_doc")  # of an origin


def strippable_bytes(model: ir.Model, min_elements: int) -> int:
    """Return by how many bytes an encoded model would be smaller if it had been stripped before, within a hundredth.

    Args:
        model: The model, which is not changed.
        min_elements: From how many elements on constants keep their names.
    """
    copy = model.clone()
    entry = text_bytes(copy.metadata_props.get(KEY))
    origins = Origins.take(copy)
    decoders = [node for graph in copy.graphs() for node in graph if node.op_type in DECODERS]
    inputs = {name for name, origin in origins.weights.items() if origin.input >= 0}  # which need their types again
    constants = {constant.value for constant in named_constants(copy)}
    constants.update(node.outputs[0] for node in decoders if node.outputs[0].name not in inputs)
    dropped = drop_texts(copy) + drop_default_attributes(copy) + drop_shapes_of_constants(constants)
    kept = _kept(copy, min_elements)
    dropped += merge_equal_constants(copy, kept) + shorten_names(copy, kept)
    dropped += shorten_encoded_names(copy, origins.fused) + drop_implied_shapes(copy)
    return dropped + entry - _bytes_without_texts(origins, copy)


def _kept(model: ir.Model, min_elements: int) -> set[ir.Value]:
    """Return the values that have their names before encoding: weights, and what encoding made."""
    kept: set[ir.Value] = set()
    for node in (node for graph in model.graphs() for node in graph if node.domain == DOMAIN):
        kept.update(node.outputs if is_symbols(node.op_type) or node.op_type in DECODERS else ())
        kept.update(group.group_of(node) if has_group(node.op_type) else ())
    for constant in named_constants(model):
        tensor = constant_tensor(constant.value)
        if tensor is None or tensor.size >= min_elements:
            kept.add(constant.value)
    return kept


def _bytes_without_texts(origins: Origins, model: ir.Model) -> int:
    """Return the bytes that the metadata entry takes without the texts in it, and put it into the model so."""
    origins.weights = {stem: _bare_origin(origin) for stem, origin in origins.weights.items()}
    origins.fused = _bare_fused(origins.fused)
    origins.store(model)
    return text_bytes(model.metadata_props.get(KEY))


def _bare_origin(origin: Origin) -> Origin:
    usual = {field.name: getattr(Origin(), field.name) for field in fields(Origin) if field.name in _TEXTS}
    return replace(origin, **usual, info=origin.info if origin.input >= 0 else "")


def _bare_fused(fused: Fused) -> Fused:
    if not fused.nodes:
        return fused
    graph = fused.unpack(operators=len(fused.nodes) + len(fused.initializers))
    for node in graph.node:
        _clear(node, "name")
        for attribute in node.attribute:
            _clear(attribute)
    for described in (*graph.initializer, *graph.value_info):
        _clear(described)
    return Fused.of(graph, fused.nodes, fused.products, fused.initializers)


def _clear(
    message: onnx.NodeProto | onnx.AttributeProto | onnx.TensorProto | onnx.ValueInfoProto, *further: str
) -> None:
    """Clear the texts of a message."""
    for field in ("doc_string", "metadata_props", *further):
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)

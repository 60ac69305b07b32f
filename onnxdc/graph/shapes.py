"""The shapes of a model's values, as it says them or as the standard operators imply them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, TypeAlias

import google.protobuf.message
import onnx
import onnx.shape_inference
import onnx_ir as ir

Dimension: TypeAlias = int | str | None
"""A size of 1 or more, the name of one that is not fixed, or None where nothing is known."""

Shapes: TypeAlias = dict[str, tuple[Dimension, ...]]
"""Name of a value of the main graph, or of a graph inside it, -> its shape."""

MAX_DIMENSION: Final = 2**31 - 1  # exporters write -1, 0 or nonsense for what is not fixed; runtimes ignore it
_SMALL: Final = 64  # elements: pads have two for each of 32 axes; what is larger is no shape, and inference needs none


def known_shapes(model: ir.Model) -> Shapes:
    """Return the shapes of the values of the main graph and of those inside it, as far as they are known.

    A name that several inner graphs have for values of other shapes is left out.

    Args:
        model: The model, which is not changed; no large tensor of it is loaded.
    """
    graph = model.graph
    values = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    infos = {value.name: _sensible(ir.serde.serialize_value(value)) for value in values if value.name and value.type}
    small, large = [], []
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if tensor is None:
            continue
        if tensor.size <= _SMALL:
            small.append(ir.serde.serialize_tensor(tensor))
        elif name not in infos:
            large.append(onnx.helper.make_tensor_value_info(name, tensor.dtype.value, tensor.shape.numpy()))
    for node in graph:
        if _is_large_constant(node) and node.outputs[0].name not in infos:
            tensor = node.attributes["value"].as_tensor()
            large.append(
                onnx.helper.make_tensor_value_info(node.outputs[0].name or "", tensor.dtype.value, tensor.shape.numpy())
            )
    skeleton = onnx.GraphProto(
        name="skeleton",
        node=[ir.serde.serialize_node(node) for node in graph if not _is_large_constant(node)],
        initializer=small,
        value_info=[*infos.values(), *large],
    )
    proto = onnx.ModelProto(ir_version=model.ir_version, graph=skeleton)
    proto.opset_import.extend(onnx.helper.make_opsetid(domain, n) for domain, n in model.opset_imports.items())
    proto.functions.extend(ir.serde.serialize_function(function) for function in model.functions.values())
    # What the model says by itself is left.
    with contextlib.suppress(onnx.shape_inference.InferenceError, google.protobuf.message.Error, ValueError):
        proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    shapes = {info.name: _shape(info) for info in proto.graph.value_info}
    for inner in _inner_graphs(proto.graph):
        own = {info.name: _shape(info) for info in (*inner.input, *inner.output, *inner.value_info)}
        shapes |= {name: shape if shapes.get(name, shape) == shape else None for name, shape in own.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _inner_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that nodes of a graph have, and those inside them."""
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield inner
            yield from _inner_graphs(inner)


def _is_large_constant(node: ir.Node) -> bool:
    value = node.attributes.get("value") if node.op_type == "Constant" else None
    return value is not None and value.type is ir.AttributeType.TENSOR and value.as_tensor().size > _SMALL


def _sensible(info: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """Take sizes out of a value's shape that none can have."""
    for dim in info.type.tensor_type.shape.dim if info.type.tensor_type.HasField("shape") else ():
        if dim.HasField("dim_value") and known_size(dim.dim_value) is None:
            dim.ClearField("dim_value")
    return info


def known_size(size: int) -> int | None:
    """Return a declared size, None where it is one that stands for an unknown one: negative, zero or huge."""
    return size if 0 < size <= MAX_DIMENSION else None


def _shape(info: onnx.ValueInfoProto) -> tuple[Dimension, ...] | None:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        known_size(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim
    )

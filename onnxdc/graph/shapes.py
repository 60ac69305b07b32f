"""The shapes of a model's values, as it says them or as the standard operators imply them."""

from __future__ import annotations

import contextlib
from typing import Final, TypeAlias

import google.protobuf.message
import onnx
import onnx.shape_inference
import onnx_ir as ir

Shapes: TypeAlias = dict[str, tuple[int | str, ...]]
"""Name of a value of the main graph -> its shape, with names for dimensions that are not fixed."""

_SMALL: Final = 64  # elements: pads have two for each of 32 axes; what is larger is no shape, and inference needs none


def known_shapes(model: ir.Model) -> Shapes:
    """Return the shapes of the main graph's values of which every dimension is known, if only by name.

    Args:
        model: The model, which is not changed; no large tensor of it is loaded.
    """
    graph = model.graph
    values = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    infos = {value.name: ir.serde.serialize_value(value) for value in values if value.name and value.type}
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
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _is_large_constant(node: ir.Node) -> bool:
    value = node.attributes.get("value") if node.op_type == "Constant" else None
    return value is not None and value.type is ir.AttributeType.TENSOR and value.as_tensor().size > _SMALL


def _shape(info: onnx.ValueInfoProto) -> tuple[int | str, ...] | None:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in tensor.shape.dim)
    return None if "" in dims else dims

"""Bring a model of an old operator set to the oldest one that a compressed model can have."""

from __future__ import annotations

from typing import Final

import onnx
import onnx.external_data_helper
import onnx.shape_inference
import onnx.version_converter

from onnxdc.domain.group import MIN_OPSET
from onnxdc.errors import ModelError
from onnxdc.model_io.check import proto_graphs, root_cause

_ALIGNED_LAST: Final = 7  # the operator set from which on the slopes of PRelu lie along the last axes


def upgraded(proto: onnx.ModelProto, where: str, base_dir: str, opset: int) -> onnx.ModelProto:
    """The model at operator set 11; the original is left as it is.

    Args:
        proto: of operator set ``opset``, an older one.
        where: what to call it.
        base_dir: where its external data lie.
        opset: of the default domain.

    Raises:
        ModelError: it cannot be converted.
    """
    cannot = f"{where}: operator set {opset} cannot be converted to {MIN_OPSET}"
    if proto.functions:  # the converter drops them
        raise ModelError(f"{cannot}: it has a function, {proto.functions[0].name}")
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    try:
        onnx.external_data_helper.load_external_data_for_model(whole, base_dir)
        converted = onnx.version_converter.convert_version(whole, MIN_OPSET)
    except Exception as error:  # the converter raises whatever its C++ side threw
        raise ModelError(f"{cannot}: {root_cause(error)}") from error
    if opset < _ALIGNED_LAST:
        _align_slopes(converted, cannot)
    return converted


def _align_slopes(model: onnx.ModelProto, cannot: str) -> None:
    """Let slopes of PRelu ``[channels]`` lie along axis 1 of its input, as they used to; the converter leaves them."""
    if not any(node.op_type == "PRelu" for graph in proto_graphs(model.graph) for node in graph.node):
        return
    inferred = onnx.shape_inference.infer_shapes(model)
    for graph, typed in zip(proto_graphs(model.graph), proto_graphs(inferred.graph), strict=True):
        shapes = _shapes(typed)
        for place, node in reversed(list(enumerate(graph.node))):
            if node.op_type != "PRelu":
                continue
            x, slope = (shapes.get(name) for name in node.input)
            if x is None or slope is None:
                raise ModelError(f"{cannot}: PRelu {node.name or node.output[0]!r}: its shapes are not known")
            if len(slope) == 1 and slope[0] != 1 and len(x) > 2:
                aligned = f"{node.output[0]}.slope"
                axes = list(range(1, len(x) - 1))
                graph.node.insert(place, onnx.helper.make_node("Unsqueeze", [node.input[1]], [aligned], axes=axes))
                node.input[1] = aligned


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """The shapes that are known in a graph, by name; 0 for a dimension that is not."""
    typed = [
        each for each in (*graph.input, *graph.value_info, *graph.output) if each.type.tensor_type.HasField("shape")
    ]
    shapes = {each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim] for each in typed}
    return shapes | {tensor.name: list(tensor.dims) for tensor in graph.initializer}

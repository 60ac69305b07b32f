"""Compute what a node yields of constants: onnxruntime runs it, as it would when it loads the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import google.protobuf.message
import numpy as np
import onnx
import onnx.shape_inference
import onnx_ir as ir

from onnxdc.model_io.upgrade.running import CannotRunError, Runner
from onnxdc.numeric.arrays import INTEGER_TYPES
from onnxdc.numeric.integers import is_nibble

_SHAPES: Final = 64  # elements: what has more is no shape that shape inference needs the values of
_WIDEST: Final = 16  # bytes of an element: complex128
_FOUR_BITS: Final = {dtype.value: dtype.numpy() for dtype in (ir.DataType.INT4, ir.DataType.UINT4)}


def evaluate(node: ir.Node, inputs: Mapping[str, np.ndarray], opsets: Mapping[str, int], most: int) -> list[np.ndarray]:
    """Return the outputs of a node.

    Args:
        node: The node; it has no graph in it.
        inputs: The values of its inputs by their names.
        opsets: The operator sets of the model.
        most: The bytes that all outputs may take; they are known before anything is computed.

    Raises:
        CannotRunError: The outputs may take more, or onnxruntime does not compute them.
    """
    proto = _model(node, inputs, opsets)
    names = [output.name for output in node.outputs if output.name]
    expected = sum(_bytes(proto, inputs, names))
    if expected > most:
        raise CannotRunError(f"its result would take {expected:,} bytes, expected at most {most:,}")
    small = {tensor.name for tensor in proto.graph.initializer}
    nibbles = _quantised_to(node, inputs)
    if nibbles is not None:
        names = [_widened(proto, names[0], nibbles)]
    outputs = Runner(proto, names).run({name: array for name, array in inputs.items() if name not in small})
    if nibbles is not None:
        return [output.astype(nibbles) for output in outputs]
    if not all(isinstance(output, np.ndarray) and output.dtype.kind in "biuf" for output in outputs):
        raise CannotRunError("its result is no tensor of numbers")
    return outputs


def _quantised_to(node: ir.Node, inputs: Mapping[str, np.ndarray]) -> np.dtype | None:
    """Return the type of four bits that a node quantises to; None for others: of onnxruntime these are no arrays."""
    if node.op_type != "QuantizeLinear":
        return None
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if zero is None:
        return _FOUR_BITS.get(node.attributes.get_int("output_dtype", 0))
    dtype = inputs[zero.name or ""].dtype
    return dtype if is_nibble(dtype) else None


def _widened(proto: onnx.ModelProto, name: str, dtype: np.dtype) -> str:
    """Append a Cast of integers of four bits to a byte; return the name of its output."""
    wide = onnx.helper.np_dtype_to_tensor_dtype(INTEGER_TYPES[dtype])
    output = f"{name}.wide"
    proto.graph.node.append(onnx.helper.make_node("Cast", [name], [output], to=wide))
    return output


def _model(node: ir.Node, inputs: Mapping[str, np.ndarray], opsets: Mapping[str, int]) -> onnx.ModelProto:
    """Return a model of one node; small inputs are initializers, so that shapes follow from their values."""
    small = {name: array for name, array in inputs.items() if array.size <= _SHAPES or is_nibble(array.dtype)}
    graph = onnx.GraphProto(
        name="constant",
        node=[ir.serde.serialize_node(node)],
        initializer=[ir.to_proto(ir.Tensor(array, name=name)) for name, array in small.items()],
        input=[_info(name, array) for name, array in inputs.items() if name not in small],
        output=[],
    )
    proto = onnx.ModelProto(ir_version=8, graph=graph)
    own = {domain: version for domain, version in opsets.items() if domain in ("", "ai.onnx", node.domain)}
    proto.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in own.items())
    return proto


def _info(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _bytes(proto: onnx.ModelProto, inputs: Mapping[str, np.ndarray], names: list[str]) -> list[int]:
    """Return the bytes of each output.

    Raises:
        CannotRunError: They are not known.
    """
    (node,) = proto.graph.node
    if node.op_type == "QuantizeLinear":  # of whatever domain: an integer for each element
        return [inputs[node.input[0]].size]
    try:
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, google.protobuf.message.Error, ValueError) as error:
        raise CannotRunError("the shape of its result is not known") from error
    types = {info.name: info.type.tensor_type for info in [*inferred.value_info, *inferred.output]}
    if not all(name in types and _is_fixed(types[name]) for name in names):
        raise CannotRunError("the shape of its result is not known")
    return [_elements(types[name]) * _width(types[name]) for name in names]


def _is_fixed(tensor: onnx.TypeProto.Tensor) -> bool:
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _elements(tensor: onnx.TypeProto.Tensor) -> int:
    elements = 1
    for dim in tensor.shape.dim:
        elements *= dim.dim_value
    return elements


def _width(tensor: onnx.TypeProto.Tensor) -> int:
    try:
        return onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
    except KeyError:
        return _WIDEST

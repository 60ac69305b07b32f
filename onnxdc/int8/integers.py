"""Put the integers of calibrated weights, and biases that fit them, in place of those of onnxruntime's quantizer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxdc.calibration.weight import Integers
from onnxdc.graph.constants import add_constant, drop_if_unused, read_constant
from onnxdc.graph.names import Names
from onnxdc.graph.walk import described
from onnxdc.int8.biases import bias_scale, rounded_bias

_BIAS: Final = 2  # the number of the input
_LAYERS: Final = frozenset({"Conv", "Gemm", "MatMul"})


def put_integers(
    model: ir.Model, floats: ir.Model, layers: Collection[str], weights: Mapping[str, Integers], names: Names
) -> set[str]:
    """Replace the integers of weights and biases in a model of onnxruntime's quantizer.

    Args:
        model: The model, changed in place.
        floats: The model that it was made of, with the biases of now.
        layers: The names of the nodes that it quantized, with their weights.
        weights: The integers of weights by name; others keep those that they have.
        names: The names of the model.

    Returns:
        The names of the nodes whose biases are out of the range of int32; with one of these the model is none.
    """
    before = {node.name: node for node in floats.graph if node.name in layers}
    placed: dict[str, ir.Value] = {}
    too_large: set[str] = set()
    for node in [node for node in model.graph if node.name in before and node.op_type in _LAYERS]:
        _put_weight(node, _input(before[node.name], 1).name or "", weights, placed, names)
        if len(node.inputs) > _BIAS and node.inputs[_BIAS] is not None:
            bias = _input(before[node.name], _BIAS)
            if not _put_bias(node, read_constant(bias), bias.name or "", names):
                too_large.add(node.name or "")
    return too_large


def _put_weight(
    node: ir.Node, name: str, weights: Mapping[str, Integers], placed: dict[str, ir.Value], names: Names
) -> None:
    """Give a layer the integers of its weight, which take its name, and its steps."""
    dequantize = _dequantized(node, 1)
    assert dequantize is not None, "a layer of the quantizer"
    integers = weights.get(name)
    if integers is None:
        return
    if name not in placed:
        values = [
            add_constant(name, integers.array, node, as_node=False),
            add_constant(names.take(f"{name}_scale"), _scalar_if_one(integers.steps), node, as_node=False),
        ]
        if node.op_type == "Gemm":  # without it onnxruntime does not make a QGemm of it
            zeros = np.zeros(values[1].shape.numpy() if values[1].shape else (), np.int8)
            values.append(add_constant(names.take(f"{name}_zero_point"), zeros, node, as_node=False))
        attributes = {} if integers.steps.size == 1 else {"axis": _axis(node)}
        placed[name] = _replace_node(dequantize, values, attributes)
    elif placed[name] is not node.inputs[1]:
        node.replace_input_with(1, placed[name])


def _put_bias(node: ir.Node, bias: np.ndarray, name: str, names: Names) -> bool:
    """Give a layer a bias of int32, and return whether that can hold it."""
    x, weight, dequantize = (_dequantized(node, index) for index in (0, 1, _BIAS))
    assert x is not None, "a layer of the quantizer"
    assert weight is not None, "a layer of the quantizer"
    x_scale, steps = (read_constant(_input(each, 1)) for each in (x, weight))
    scale = bias_scale(x_scale, steps)
    integers = rounded_bias(bias.reshape(-1), scale)
    if integers is None:
        return False
    values = [
        add_constant(names.take(f"{name}_int32"), integers, node, as_node=False),
        add_constant(names.take(f"{name}_scale"), scale, node, as_node=False),
    ]
    attributes = {} if scale.ndim == 0 else {"axis": 0}
    if dequantize is not None:
        _replace_node(dequantize, values, attributes)
        return True
    made = ir.node("DequantizeLinear", values, attributes)
    made.outputs[0].name = names.take(f"{name}_dequantized")
    model_graph = node.graph
    assert model_graph is not None, "a node of a graph"
    model_graph.insert_before(node, made)
    node.replace_input_with(_BIAS, made.outputs[0])
    return True


def _axis(node: ir.Node) -> int:
    """Return the axis of a layer's weight along which its outputs lie."""
    if node.op_type == "Conv":
        return 0
    return 0 if node.op_type == "Gemm" and bool(node.attributes.get_int("transB", 0)) else 1


def _dequantized(node: ir.Node, index: int) -> ir.Node | None:
    """Return the DequantizeLinear that makes an input of a node; None if none does."""
    value = node.inputs[index] if index < len(node.inputs) else None
    producer = None if value is None else value.producer()
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def _input(node: ir.Node, index: int) -> ir.Value:
    value = node.inputs[index]
    assert value is not None, f"{described(node)} has no input {index}"
    return value


def _scalar_if_one(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    return steps.reshape(()) if steps.size == 1 else steps


def _replace_node(node: ir.Node, inputs: list[ir.Value], attributes: dict[str, int]) -> ir.Value:
    """Put another DequantizeLinear in the place of one, and drop the constants that it had alone."""
    graph, old = node.graph, [*node.inputs]
    assert graph is not None, "a node of a graph"
    made = ir.node("DequantizeLinear", inputs, attributes, name=node.name)
    made.outputs[0].name = node.outputs[0].name
    made.outputs[0].type, made.outputs[0].shape = node.outputs[0].type, node.outputs[0].shape
    graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(node.outputs[0], made.outputs[0])
    graph.remove(node, safe=True)
    for value in old:
        drop_if_unused(value)
    return made.outputs[0]

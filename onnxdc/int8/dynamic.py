"""Dynamic layers: products of integers whose inputs are quantized by the range that they have in each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from onnxdc.calibration.weight import Integers
from onnxdc.graph.constants import add_constant, drop_if_unused
from onnxdc.graph.names import Names
from onnxdc.int8.targets import Target


def make_dynamic(model: ir.Model, targets: Sequence[Target], weights: Mapping[str, Integers], names: Names) -> None:
    """Replace MatMul and Gemm by DynamicQuantizeLinear, MatMulInteger and what makes floats of its sums.

    onnxruntime fuses these to one node. Layers that read the same share its integers.

    Args:
        model: The model, changed in place.
        targets: The layers.
        weights: The integers of their weights by name.
        names: The names of the model.
    """
    quantized: dict[ir.Value, ir.Node] = {}
    for target in targets:
        integers = weights[target.name]
        nodes = target.nodes_in(model)
        old = nodes[0].inputs[1]
        weight: dict[bool, list[ir.Value]] = {}
        for node in nodes:
            is_transposed = node.op_type == "Gemm" and bool(node.attributes.get_int("transB", 0))
            if is_transposed not in weight:
                array = np.ascontiguousarray(integers.array.T) if is_transposed else integers.array
                weight[is_transposed] = _constants(target.name, array, integers, node, names)
            x = node.inputs[0]
            assert x is not None, "a product has two factors"
            if x not in quantized:
                quantized[x] = _quantize(x, node, names)
            _replace(node, quantized[x], weight[is_transposed], names)
        drop_if_unused(old)
        for values in weight.values():
            _take_name(values[0], target.name, model)


def _constants(name: str, array: np.ndarray, integers: Integers, node: ir.Node, names: Names) -> list[ir.Value]:
    """Add the integers, under a name of their own, and their steps."""
    added = [(f"{name}_int8", array), (f"{name}_scale", integers.steps)]
    return [add_constant(names.take(each), values, node, as_node=False) for each, values in added]


def _take_name(value: ir.Value, name: str, model: ir.Model) -> None:
    """Give the integers of a weight its name, which is free."""
    graph = model.graph
    if name not in graph.initializers and value.name is not None:
        del graph.initializers[value.name]
        value.name = name
        graph.initializers.add(value)


def _quantize(x: ir.Value, before: ir.Node, names: Names) -> ir.Node:
    node = ir.node("DynamicQuantizeLinear", [x], num_outputs=3)
    _add(node, before, names, f"{x.name}_quantized", f"{x.name}_scale", f"{x.name}_zero_point")
    return node


def _replace(node: ir.Node, x: ir.Node, weight: Sequence[ir.Value], names: Names) -> None:
    """Replace a product by one of integers, in the order in which onnxruntime looks for it."""
    output, graph = node.outputs[0], node.graph
    assert graph is not None, "a node of a graph"
    integers, scale, zero_point = x.outputs
    name = output.name or node.op_type
    sums = _add(ir.node("MatMulInteger", [integers, weight[0], zero_point]), node, names, f"{name}_sums")
    floats = _add(ir.node("Cast", [sums], {"to": ir.DataType.FLOAT.value}), node, names, f"{name}_floats")
    scales = _add(ir.node("Mul", [scale, weight[1]]), node, names, f"{name}_scales")
    made = _add(ir.node("Mul", [floats, scales]), node, names, f"{name}_product")
    bias = node.inputs[2] if node.op_type == "Gemm" and len(node.inputs) > 2 else None
    if bias is not None:
        made = _add(ir.node("Add", [made, bias]), node, names, f"{name}_sum")
    is_output = output.is_graph_output()
    made.type, made.shape = output.type, output.shape
    ir.convenience.replace_all_uses_with(output, made, replace_graph_outputs=True)
    if is_output:
        made.name, output.name = output.name, made.name
    graph.remove(node, safe=True)


def _add(node: ir.Node, before: ir.Node, names: Names, *outputs: str) -> ir.Value:
    """Add a node before another, with new names near those given; returns its first output."""
    assert before.graph is not None, "a node of a graph"
    for value, name in zip(node.outputs, outputs, strict=True):
        value.name = names.take(name)
    node.name = node.outputs[0].name
    before.graph.insert_before(before, node)
    return node.outputs[0]

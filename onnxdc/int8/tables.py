"""Tables: rows are taken as integers, and only those are dequantized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from onnxdc.calibration.weight import Integers
from onnxdc.graph.constants import add_constant
from onnxdc.graph.names import Names
from onnxdc.int8.targets import Target


def make_tables(model: ir.Model, targets: Sequence[Target], weights: Mapping[str, Integers], names: Names) -> None:
    """Have Gather and Slice take integers from tables, and dequantize what they took.

    Args:
        model: The model, changed in place.
        targets: The tables.
        weights: Their integers by name.
        names: The names of the model.
    """
    for target in targets:
        integers = weights[target.name]
        nodes = target.nodes_in(model)
        value = nodes[0].inputs[0]
        assert value is not None, "a table is an input"
        step = integers.steps.reshape(()) if integers.steps.size == 1 else integers.steps
        scale = add_constant(names.take(f"{target.name}_scale"), step, nodes[0], as_node=False)
        _replace_typed(value, integers)
        for node in nodes:
            _dequantize(node, scale, names)


def _replace_typed(value: ir.Value, integers: Integers) -> None:
    tensor = ir.Tensor(integers.array, name=value.name)
    value.const_value, value.dtype = tensor, tensor.dtype


def _dequantize(node: ir.Node, scale: ir.Value, names: Names) -> None:
    """Have a node hand out integers, and dequantize them."""
    output, graph = node.outputs[0], node.graph
    assert graph is not None, "a node of a graph"
    attributes = {} if scale.shape is None or not len(scale.shape) else {"axis": -1}
    made = ir.node("DequantizeLinear", [output, scale], attributes)
    made.outputs[0].dtype, made.outputs[0].shape = ir.DataType.FLOAT, output.shape
    is_output = output.is_graph_output()
    ir.convenience.replace_all_uses_with(output, made.outputs[0], replace_graph_outputs=True)
    made.replace_input_with(0, output)
    name = output.name or node.op_type
    if is_output:
        output.name, made.outputs[0].name = names.take(f"{name}_integers"), name
    else:
        made.outputs[0].name = names.take(f"{name}_floats")
    output.dtype = ir.DataType.INT8
    graph.insert_after(node, made)

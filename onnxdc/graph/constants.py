"""Read, replace, add and drop the constants of a model: initializers and Constant nodes alike."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.graph.slots import is_affine_slot, statistic_kind, weight_kind
from onnxdc.graph.walk import graphs

_FLOATS: Final = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def constant_tensor(value: ir.Value) -> ir.TensorProtocol | None:
    """Return the tensor of an initializer or of a Constant node's output; None for any other or a malformed value.

    onnx_ir's own ``get_const_tensor`` gives the tensor of a Constant node the value's name: a change of the model.
    """
    node = value.producer()
    if value.const_value is None and node is not None and node.op_type == "Constant" and "value" in node.attributes:
        attribute = node.attributes["value"]
        return None if attribute.is_ref() else attribute.as_tensor()
    try:
        return ir.convenience.get_const_tensor(value)
    except ValueError:  # a Constant node with no attribute, or with several
        return None


def read_constant(value: ir.Value, name: str = "") -> np.ndarray:
    """Return the values of a constant: of numpy's types, or bfloat16 of ml_dtypes. May be a read-only view of a file.

    Args:
        value: An initializer or the output of a Constant node.
        name: What to call it in messages, instead of the value's own name.

    Raises:
        ModelError: The data is missing, or is not as long as the shape says.
    """
    tensor = constant_tensor(value)
    assert tensor is not None, f"{value} is no constant"
    expected = tuple(tensor.shape.numpy())
    try:
        array = tensor.numpy()
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{name or value.name}: cannot read its data: {' '.join(str(error).split())}") from error
    if array.shape != expected:
        raise ModelError(f"{name or value.name}: expected data of shape {expected}, got {array.shape}")
    return array


def constant_with_nan(model: ir.Model) -> str | None:
    """Return the name of a float constant in which a value is NaN; None if there is none.

    Raises:
        ModelError: The data of a constant is missing, or is not as long as its shape says.
    """
    for _, graph in graphs(model):
        nodes = (value for node in graph if node.op_type == "Constant" for value in node.outputs)
        for value in (*graph.initializers.values(), *nodes):
            tensor = constant_tensor(value)
            if tensor is not None and tensor.dtype in _FLOATS and np.isnan(read_constant(value)).any():
                return value.name
    return None


def replace_constant(value: ir.Value, array: np.ndarray) -> None:
    """Replace the values of a constant by others of the same shape and type; its names and texts stay."""
    old = constant_tensor(value)
    assert old is not None, f"{value} is no constant"
    assert array.shape == tuple(old.shape.numpy()), f"{value.name}: expected shape {old.shape}, got {array.shape}"
    texts = dict(old.metadata_props)
    tensor = ir.Tensor(array, old.dtype, name=old.name, doc_string=old.doc_string, metadata_props=texts)
    producer = value.producer()
    if producer is None:
        value.const_value = tensor
    else:
        doc_string = next(iter(producer.attributes.values())).doc_string
        producer.attributes.clear()
        producer.attributes.add(ir.AttrTensor("value", tensor, doc_string=doc_string))


def must_be_node(model: ir.Model, function: ir.Function | None) -> bool:
    """Tell whether a new constant must be a Constant node.

    Functions have no initializers, and before IR version 4 each initializer is an input of the graph.
    """
    return function is not None or model.ir_version < 4


def add_constant(name: str, array: np.ndarray, before: ir.Node, *, as_node: bool) -> ir.Value:
    """Add a constant to the graph of the node ``before``.

    Args:
        name: What to call it; no other value of the model has this name.
        array: The values of the constant.
        before: The node that will use it.
        as_node: Whether to make it a Constant node, not an initializer; see ``must_be_node``.
    """
    graph = before.graph
    assert graph is not None, f"node {before.name} is in no graph"
    tensor = ir.Tensor(array, name=name)
    if as_node:
        node = ir.node("Constant", [], {"value": tensor}, name=name)
        node.outputs[0].name = name
        graph.insert_before(before, node)
        return node.outputs[0]
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
    graph.initializers.add(value)
    return value


def lift_constants(model: ir.Model) -> None:
    """Make plain initializers of the float constants of the main graph, so that they can become others.

    1. Initializers that are inputs, too, are none any more if they are nothing but weights and biases of layers; before
       IR version 4 all of them are both, and the model gets that version.
    2. Constant nodes that hold float32 tensors become initializers, but for outputs of the graph.
    """
    is_old = must_be_node(model, None)
    for value in model.graph.initializers.values():
        if value.is_graph_input() and (is_old or all(_is_parameter(node, index) for node, index in value.uses())):
            model.graph.inputs.remove(value)
    model.ir_version = max(model.ir_version, 4)
    for node in list(model.graph):
        tensor = constant_tensor(node.outputs[0]) if node.op_type == "Constant" and node.domain == "" else None
        if tensor is None or tensor.dtype is not ir.DataType.FLOAT or node.outputs[0].is_graph_output():
            continue
        old = node.outputs[0]
        name = old.name or ""
        value = ir.Value(
            name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(tensor.shape.numpy()), const_value=tensor
        )
        old.replace_all_uses_with(value)
        model.graph.remove(node, safe=True)
        model.graph.initializers.add(value)


def _is_parameter(node: ir.Node, index: int) -> bool:
    """Tell whether an input takes a weight, or what goes with one; Add and Mul take anything."""
    if node.op_type in ("Add", "Mul"):
        return False
    kinds = weight_kind(node, index), statistic_kind(node, index)
    return kinds != (None, None) or is_affine_slot(node, index)


def drop_if_unused(value: ir.Value | None) -> None:
    """Take a constant out of its graph when no node uses it and it is no output of a graph.

    An initializer that is a graph input too goes from both: nothing would come of a value given for it.
    """
    if value is None or value.uses() or value.is_graph_output() or value.graph is None:
        return
    graph, producer = value.graph, value.producer()
    if producer is not None and producer.op_type == "Constant" and producer.domain == "":
        graph.remove(producer)
    elif value.is_initializer() and value.name is not None:
        if value.is_graph_input():
            graph.inputs.remove(value)
        del graph.initializers[value.name]

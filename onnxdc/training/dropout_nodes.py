"""Dropout in a graph: put it before fully connected layers, and say which layers come after it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from onnxdc.graph.names import Names
from onnxdc.graph.weights import Weight


def insert_dropout(model: ir.Model, weights: list[Weight], rate: float) -> int:
    """Put a Dropout node on the input of each fully connected layer but the first of them, in place.

    Layers that come after a Dropout node already keep that one.

    Args:
        model: A copy of the model for training.
        weights: Its weights, in its order.
        rate: The share of the inputs that is dropped.

    Returns:
        The number of nodes that were inserted.
    """
    names, inserted = Names(model), 0
    served = {name for layers in layers_after_dropout(model, weights).values() for name in layers}
    layers = [weight for weight in weights if weight.kind == "fc" and weight.graph is model.graph]
    for weight in layers[1:]:
        for use in weight.uses if weight.name not in served else ():
            value = use.node.inputs[1 - use.index]
            if use.kind == "fc" and value is not None and use.node.graph is model.graph:
                use.node.replace_input_with(1 - use.index, _dropped(model, use.node, value, rate, names))
                inserted += 1
    return inserted


def layers_after_dropout(model: ir.Model, weights: list[Weight]) -> dict[str, tuple[str, ...]]:
    """Return the output of each Dropout node -> the fully connected weights after it, with no other weight between.

    Args:
        model: The model; it is not changed.
        weights: Its weights.
    """
    users = {use.node: weight for weight in weights for use in weight.uses}
    nodes = [node for node in model.graph if node.op_type == "Dropout" and node.domain == ""]
    return {node.outputs[0].name or "": tuple(_reached(node.outputs[0], users)) for node in nodes}


def _dropped(model: ir.Model, before: ir.Node, value: ir.Value, rate: float, names: Names) -> ir.Value:
    """Return ``value`` after a new Dropout node, which stands before the node that is going to use it."""
    if model.opset_imports.get("", 1) < 12:
        node = ir.Node("", "Dropout", [value], [ir.AttrFloat32("ratio", rate)])
    else:
        ratio = ir.Value(name=names.take("ratio"), const_value=ir.Tensor(np.float32(rate)))
        model.graph.register_initializer(ratio)
        node = ir.Node("", "Dropout", [value, ratio])
    output = node.outputs[0]
    output.name, output.type, output.shape = names.take("dropped"), value.type, value.shape
    model.graph.insert_before(before, node)
    return output


def _reached(value: ir.Value, users: dict[ir.Node, Weight]) -> dict[str, None]:
    """Return the names of the fully connected weights after a value."""
    names: dict[str, None] = {}
    waiting, seen = [value], set()
    while waiting:
        for node, _ in waiting.pop().uses():
            if node in seen:
                continue
            seen.add(node)
            if node not in users:
                waiting += node.outputs
            elif users[node].kind == "fc":
                names[users[node].name] = None
    return names

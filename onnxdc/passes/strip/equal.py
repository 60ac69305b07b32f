"""Store equal small constants once: scales and zero points of quantised models are the same many times."""

from __future__ import annotations

from collections.abc import Container, Hashable

import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.graph.walk import graphs
from onnxdc.passes.strip.sizes import field_bytes


def merge_equal_constants(model: ir.Model, kept: Container[ir.Value]) -> int:
    """Let nodes read the first of the initializers of a graph that are equal bit for bit, and drop the others.

    Biases of integers and their scales stay as they are: encoding stores each such pair in fewer bytes.

    Args:
        model: The model, which is changed in place.
        kept: Values that stay.

    Returns:
        The bytes that the model is smaller by.
    """
    dropped = 0
    for _, graph in graphs(model):
        first: dict[Hashable, ir.Value] = {}
        initializers = graph.initializers if isinstance(graph, ir.Graph) else {}
        for name, value in list(initializers.items()):
            tensor = value.const_value
            if tensor is None or value in kept or not _may_go(value):
                continue
            one = first.setdefault((tensor.dtype, tuple(tensor.shape.numpy()), tensor.tobytes()), value)
            if one is not value:
                value.replace_all_uses_with(one)
                del initializers[name]
                dropped += field_bytes(ir.serde.serialize_tensor(tensor).ByteSize())
    return dropped


def _may_go(value: ir.Value) -> bool:
    is_string = value.const_value is not None and value.const_value.dtype is ir.DataType.STRING
    is_seen = value.is_graph_input() or value.is_graph_output() or bool(value.meta) or is_string
    return not is_seen and not any(_is_of_a_bias(use.node, use.idx) for use in value.uses())


def _is_of_a_bias(node: ir.Node, index: int) -> bool:
    """Tell whether an input of a node is a bias of integers, or the scale of one; or of a node of our domain."""
    integers = node.inputs[0] if node.op_type == "DequantizeLinear" and index < 2 else None
    tensor = None if integers is None else integers.const_value
    return node.domain == DOMAIN or (tensor is not None and tensor.dtype is ir.DataType.INT32)

"""Remove Identity, and Dropout as inference runs it, which is the identity."""

from __future__ import annotations

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor, drop_if_unused
from onnxdc.passes.fold.site import FoldSite


def try_remove(site: FoldSite) -> str | None:
    """Remove the node and let its consumers read its input, or say why not.

    1. An output that is no output of a graph: its consumers read the input.
    2. An output of the graph: the input takes over its name, if it is made by a node of the same graph and is not an
       output itself.
    """
    node = site.node
    reason = _why_trains(site) if node.op_type == "Dropout" else None
    source, result = node.inputs[0], node.outputs[0]
    if reason is not None:
        return reason
    if source is None:
        return "it has no input"
    if result.is_graph_output():
        producer = source.producer()
        if producer is None or producer.graph is not node.graph:
            return "it links an input, a constant or an outer value to an output of the graph"
        if source.is_graph_output():
            return "its input and its output are both outputs of the graph"
    _remove(site, source, result)
    return None


def _remove(site: FoldSite, source: ir.Value, result: ir.Value) -> None:
    node, name = site.node, result.name
    renames = result.is_graph_output()
    if source.shape is None:
        source.shape = result.shape
    if source.type is None:
        source.type = result.type
    result.replace_all_uses_with(source, replace_graph_outputs=True)
    others = node.inputs[1:]
    site.graph.remove(node, safe=True)
    if renames:
        source.name = name
    for value in others:
        drop_if_unused(value)


def _why_trains(site: FoldSite) -> str | None:
    """Say why a Dropout is not the identity."""
    node = site.node
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        return "its mask is used"
    if site.opset < 7:
        is_test = node.attributes.get("is_test")
        return None if is_test is not None and is_test.value else "training mode"
    mode = node.inputs[2] if len(node.inputs) > 2 else None
    if mode is None:
        return None
    tensor = constant_tensor(mode)
    if tensor is None or mode.is_graph_input():
        return "whether it trains is not constant"
    return "training mode" if tensor.numpy().any() else None

"""How many products make an element of what the node of a weight puts out."""

from __future__ import annotations

from onnxdc.graph.weights import Weight


def products_of_element(weight: Weight) -> int:
    """Return how many products make an element of what the nodes of a weight put out; 0 where that is not known.

    Args:
        weight: The weight in a decoded model.
    """
    operators = weight.op_types
    if not weight.size or len(weight.shape) < 2:
        return 0
    if weight.kind == "conv":
        return 0 if any("Transpose" in operator for operator in operators) else weight.size // weight.shape[0]
    if weight.kind != "fc" or len(weight.shape) != 2:
        return 0
    axis = weight.channel_axis
    if axis is None:
        node = weight.readers[0].node if weight.readers else None
        axis = 0 if node is not None and node.attributes.get_int("transB", False) else 1
    return weight.size // weight.shape[axis]

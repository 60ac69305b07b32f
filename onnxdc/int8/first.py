"""Which first convolutions stay float: to round the inputs of a model to bytes can cost more than all that follows."""

from __future__ import annotations

from math import prod
from typing import Final

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.first import comes_first
from onnxdc.graph.shapes import Shapes, known_shapes

# Of the products of all convolutions, a choice: with floats the layer takes two to three times as long. The inputs of
# ResNet-56 as bytes cost half of the f that all of its activations do, and its first layer is 0.4 % of it.
_LIGHT: Final = 0.02


def light_first_convolutions(model: ir.Model) -> set[str]:
    """Return the names of convolutions that no other weight lies in front of, and that take hardly any time.

    There are none where the shapes of a model are not known.

    Args:
        model: The model, whose nodes have names.
    """
    nodes = [node for node in model.graph if node.op_type == "Conv" and node.domain == ""]
    first = [node for node in nodes if comes_first([node])]
    shapes = known_shapes(model) if first else {}
    products = {node: _products(node, shapes) for node in nodes}
    if not all(products.values()):
        return set()
    most = _LIGHT * sum(products.values())
    return {node.name or "" for node in first if products[node] <= most}


def _products(node: ir.Node, shapes: Shapes) -> int:
    """Return how many products a convolution takes an image; 0 if that is not known."""
    weight = constant_tensor(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else None
    sizes = [size for size in shapes.get(node.outputs[0].name or "", (None,) * 3)[2:] if isinstance(size, int)]
    is_known = weight is not None and len(sizes) == len(weight.shape) - 2
    return weight.size * prod(sizes) if weight is not None and is_known else 0

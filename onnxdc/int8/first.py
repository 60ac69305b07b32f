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
    weight, output = node.inputs[1], node.outputs[0]
    tensor = None if weight is None else constant_tensor(weight)
    shape = _sizes(weight, shapes) if tensor is None else tensor.shape.numpy()  # of integers, dequantized
    plane = _sizes(output, shapes, first=2)
    return prod(shape) * prod(plane) if len(shape) == len(plane) + 2 else 0


def _sizes(value: ir.Value | None, shapes: Shapes, first: int = 0) -> tuple[int, ...]:
    """Return the sizes of a value from an axis on; none if one is not known."""
    sizes = shapes.get(value.name or "", ())[first:] if value is not None else ()
    known = tuple(size for size in sizes if isinstance(size, int))
    return known if len(known) == len(sizes) else ()

"""How a compressed weight is executed: by an operator that works on it as it is, or decoded for the standard one.

This is the only place where that is decided; ``cost.py`` says which of the two should be faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final

import onnx_ir as ir

from onnxdc.domain.operators import SPARSE
from onnxdc.graph.shapes import Shapes
from onnxdc.graph.weights import Weight
from onnxdc.passes import cost

MAX_OUTPUTS: Final = 1 << 22  # of custom_ops/ops/weight_input.cc
_TRANSPOSES: Final = ("transA", "transB")
_RANKS: Final = {"Gemm": (2,), "MatMul": (2,), "Conv": (3, 4, 5)}


@dataclass(frozen=True)
class Execution:
    """The decision for one weight.

    Attributes:
        sparse: whether the consumers become sparse operators; else one DecodeWeight node feeds them as they are.
        reason: why, for people.
    """

    sparse: bool
    reason: str


def choose(weight: Weight, density: float, shapes: Shapes, wish: str = "auto") -> Execution:
    """Decide for a weight.

    Args:
        weight: still in its graph, as ``find_weights`` found it.
        density: its nnz over its elements.
        shapes: of the model's values, as far as they are known.
        wish: ``"sparse"`` wherever there is an operator for it, ``"dense"`` always, ``"auto"`` what should be faster.
    """
    obstacle = _obstacle(weight)
    if obstacle:
        return Execution(False, obstacle)
    if wish != "auto":
        return Execution(wish == "sparse", "as the recipe says")
    if weight.op_type == "Gather":
        return Execution(True, "only the rows asked for are decoded")
    expected = cost.gain(_layer(weight, shapes), density)
    return Execution(expected * cost.MARGIN > 1, f"density {density:.2f}, about {expected:.1f} times as fast as dense")


def _layer(weight: Weight, shapes: Shapes) -> cost.Layer:
    """The shape of the layer that uses a weight, which a sparse operator can take."""
    node, shape = weight.uses[0].node, weight.shape
    if weight.op_type == "Conv":
        groups = node.attributes.get_int("group", 1)
        shape_out = shapes.get(node.outputs[0].name or "")
        images = _product(shape_out, slice(0, 1)) or 1  # the kernels count pixels through all of them
        positions = images * _product(shape_out, slice(2, None))
        return cost.Layer(shape[0], prod(shape[1:]), groups, prod(shape[2:]), positions)
    transposed = {name: weight.op_type == "Gemm" and node.attributes.get_int(name, False) for name in _TRANSPOSES}
    inputs, outputs = shape[::-1] if transposed["transB"] else shape
    x = node.inputs[0].name if node.inputs[0] else None
    rows = _product(shapes.get(x or ""), slice(1, None) if transposed["transA"] else slice(0, -1))
    return cost.Layer(outputs, inputs, positions=rows)


def _product(shape: tuple[int | str, ...] | None, axes: slice) -> int:
    """Of some dimensions; 0 if not all of them are known."""
    dims = [dim for dim in shape[axes] if isinstance(dim, int)] if shape is not None else []
    return prod(dims) if shape is not None and len(dims) == len(shape[axes]) else 0


def _obstacle(weight: Weight) -> str:
    """Why no sparse operator can take the weight, "" if one can."""
    op_types = sorted({use.node.op_type for use in weight.uses} | set(weight.other_uses))
    if len(op_types) > 1:
        return f"feeds {', '.join(op_types)}"
    for use in weight.uses:
        operator = SPARSE.get(use.node.op_type)
        if operator is None or use.node.domain != "":
            return f"no sparse operator for {use.node.op_type}"
        if use.path:
            return f"passes through {', '.join(node.op_type for node in use.path)}"
        if use.index != operator.first or [*use.node.inputs].count(weight.value) > 1:
            return f"is input {use.index} of {use.node.op_type}"
        if use.node.graph is not weight.graph:
            return "is used in a subgraph"
        if use.node.inputs[-1] is None:  # decode takes it for one that encode has written, and drops it
            return f"the last input of {use.node.op_type} is there but empty"
    if weight.tensor.dtype is not ir.DataType.FLOAT:
        return f"no sparse operator for {weight.tensor.dtype.name.lower()}"
    rank = len(weight.shape)
    if rank not in _RANKS.get(weight.op_type, (rank,)):
        return f"no sparse {weight.op_type} for a weight of rank {rank}"
    if weight.op_type in _RANKS and max(weight.shape) > MAX_OUTPUTS:
        return f"a dimension of {max(weight.shape)} is above {MAX_OUTPUTS}"
    return ""

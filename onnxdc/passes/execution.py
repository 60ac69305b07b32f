"""How a compressed weight is executed: by an operator that works on it as it is, or decoded for the standard one.

This is the only place where that is decided. The limits of density are where the sparse kernels stop being faster than
onnxruntime's dense ones, with a margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final

import onnx_ir as ir

from onnxdc.passes.operators import SPARSE
from onnxdc.passes.weights import Weight

MAX_DENSITY: Final = {"Conv": 0.65, "Gemm": 0.3, "MatMul": 0.3, "Gather": 1.0}
MIN_PRODUCTS: Final = 32  # per output of a convolution: depthwise ones have too few for a sparse kernel to skip any
MAX_OUTPUTS: Final = 1 << 22  # of custom_ops/ops/weight_input.cc
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


def choose(weight: Weight, density: float, wish: str = "auto") -> Execution:
    """Decide for a weight.

    Args:
        weight: still in its graph, as ``find_weights`` found it.
        density: its nnz over its elements.
        wish: ``"sparse"`` wherever there is an operator for it, ``"dense"`` always, ``"auto"`` what should be faster.
    """
    obstacle = _obstacle(weight)
    if obstacle:
        return Execution(False, obstacle)
    if wish != "auto":
        return Execution(wish == "sparse", "as the recipe says")
    op_type = weight.op_type
    if density > MAX_DENSITY[op_type]:
        return Execution(False, f"density {density:.2f} is above {MAX_DENSITY[op_type]} for {op_type}")
    if op_type == "Conv" and prod(weight.shape[1:]) < MIN_PRODUCTS:
        return Execution(False, f"{prod(weight.shape[1:])} products an output are fewer than {MIN_PRODUCTS}")
    return Execution(True, f"density {density:.2f}")


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

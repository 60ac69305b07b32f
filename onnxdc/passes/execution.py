"""How a compressed weight is executed: by an operator that works on it as it is, or decoded for the standard one.

This is the only place where that is decided; ``cost.py`` says which of the two should be faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.domain.operators import DYNAMIC, SPARSE
from onnxdc.graph.shapes import Dimension, Shapes
from onnxdc.graph.slots import Role
from onnxdc.graph.weights import Weight
from onnxdc.passes import cost

MOST_INPUTS: Final = (2**31 - 1) // (255 * 127)  # whose products with integers of 8 bits 32 bits hold in any case
MAX_OUTPUTS: Final = 1 << 22  # as custom_ops/ops/weight_input.cc has it
_TRANSPOSES: Final = ("transA", "transB")
_PASSED: Final = 8  # nodes that a reason names
_RANKS: Final = {"Gemm": (2,), "MatMul": (2,), "Conv": (3, 4, 5)}


class ExecutionCode(Enum):
    """What decided how a weight is executed."""

    NO_OPERATOR = "no sparse operator"
    INTEGERS = "integers"
    RECIPE = "recipe"
    ROWS = "rows are looked up"
    GAIN = "gain"


@dataclass(frozen=True)
class Execution:
    """How a compressed weight is executed, and why.

    Attributes:
        sparse: Whether its consumers are sparse operators; else one DecodeWeight node feeds them as they are.
        code: What decided that.
        obstacle: Why no sparse operator takes it, for ``NO_OPERATOR``.
        dynamic: Whether the sparse operators compute with integers, by the range of their inputs in each run.
        floats: Why they do not though that was asked for; empty if it was not.
        density: Its nnz over its elements, for ``GAIN``.
        gain: How many times as fast the sparse operator should be as the dense one, for ``GAIN`` and ``ROWS``.
        best_gain: The same if no nonzero were left, for ``GAIN``.
    """

    sparse: bool
    code: ExecutionCode
    obstacle: str = ""
    dynamic: bool = False
    floats: str = ""
    density: float = 0.0
    gain: float = 0.0
    best_gain: float = 0.0

    @property
    def reason(self) -> str:
        """The reason in words; empty for integers, which run as they did."""
        if self.code in (ExecutionCode.NO_OPERATOR, ExecutionCode.INTEGERS):
            return self.obstacle
        if self.code is ExecutionCode.RECIPE:
            return "as the recipe says"
        if self.code is ExecutionCode.ROWS:
            slower = _slower(self.gain)
            return f"rows are looked up in a quarter of the dense memory{slower and f', about {slower} slower'}"
        at = f"density {self.density:.2f}"
        if self.sparse:
            return f"{at}, about {_times(self.gain)} as fast as dense{', on integers' if self.dynamic else ''}"
        if self.best_gain * cost.MARGIN <= 1:
            return "too small to gain"
        slower = _slower(self.gain)
        return f"{at}, {f'about {slower} slower sparse' if slower else 'no faster sparse'}"

    @property
    def common_reason(self) -> str:
        """The reason as other weights may have it, too, without numbers."""
        if self.code is not ExecutionCode.GAIN or self.sparse or self.best_gain * cost.MARGIN <= 1:
            return self.reason
        return "too dense to gain"


def _slower(gain: float) -> str:
    """Say how many times slower a gain below 1 is, "" if by too little to tell."""
    return _times(1 / gain) if gain * 1.05 <= 1 else ""


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 9.95 else f"{ratio:.1f} times"


def choose(
    weight: Weight, density: float, shapes: Shapes, wish: str = "auto", *, integers: bool = False, unfit: str = ""
) -> Execution:
    """Decide for a weight.

    Args:
        weight: A weight that is still in its graph, as ``find_weights`` found it.
        density: Its nnz over its elements.
        shapes: The shapes of the model's values, as far as they are known.
        wish: ``"sparse"`` wherever there is an operator for it, ``"dense"`` always, ``"auto"`` what should be faster.
        integers: Whether operators on integers were asked for; those on floats are taken where these are faster.
        unfit: Why its values fit no integers, as ``why_no_integers`` says.
    """
    if weight.role is Role.INTEGERS:
        return Execution(False, ExecutionCode.INTEGERS)
    obstacle = _obstacle(weight)
    if obstacle:
        return Execution(False, ExecutionCode.NO_OPERATOR, obstacle)
    integers = integers and weight.op_type in DYNAMIC
    dynamic, floats = integers and not unfit, unfit if integers else ""
    if wish == "sparse":
        return Execution(True, ExecutionCode.RECIPE, dynamic=dynamic, floats=floats)
    if wish == "dense":
        return Execution(False, ExecutionCode.RECIPE)
    if weight.op_type == "Gather":
        looked_up = _product(shapes.get(weight.uses[0].node.outputs[0].name or ""), slice(None))
        return Execution(True, ExecutionCode.ROWS, gain=cost.gain_of_rows(looked_up))
    # The branches of an If may use one weight for other numbers of rows: it must not be slower in any.
    layers = [layer_of(weight, use.node, shapes) for use in weight.uses]
    gain = min(cost.gain(layer, density) for layer in layers)
    best = min(cost.gain(layer, 0.0) for layer in layers)
    if dynamic:
        on_integers = min(cost.dynamic_gain(layer, density) for layer in layers)
        pays = all(cost.integers_pay(layer, density) for layer in layers)
        if pays and on_integers * cost.MARGIN > min(gain, 1.0):
            gain, best = on_integers, min(cost.dynamic_gain(layer, 0.0) for layer in layers)
        else:
            dynamic, floats = False, "not faster on integers on every processor"
    sparse = gain * cost.MARGIN > 1
    return Execution(
        sparse,
        ExecutionCode.GAIN,
        dynamic=dynamic and sparse,
        floats=floats if sparse else "",
        density=density,
        gain=gain,
        best_gain=best,
    )


def why_no_integers(weight: Weight, codebook: np.ndarray, activation: str | None = "dynamic") -> str:
    """Say why the values of a weight are not taken for integers of 8 bits, "" if they can be.

    Args:
        weight: A weight that a sparse operator can take.
        codebook: The values that it has, or the integers of its grid.
        activation: How the inputs of its layer were asked for.
    """
    if activation == "static":
        return "static ranges are for quantize alone"
    if not np.isfinite(codebook.astype(np.float64)).all():
        return "holds an infinity or a NaN"
    for use in weight.uses:
        if weight.op_type not in DYNAMIC or layer_of(weight, use.node, {}).columns <= MOST_INPUTS:
            continue
        matrix = weight.array()
        turned = weight.op_type == "Gemm" and use.node.attributes.get_int("transB", False)
        matrix = matrix if weight.op_type == "Conv" or turned else matrix.T
        if np.count_nonzero(matrix.reshape(len(matrix), -1), axis=1).max() > MOST_INPUTS:
            return f"has more than {MOST_INPUTS:,} nonzeros for an output, whose sum 32 bits may not hold"
    return ""


def layer_of(weight: Weight, node: ir.Node, shapes: Shapes) -> cost.Layer:
    """Return the shape of the layer that a node makes of a weight, which a sparse operator can take."""
    shape = weight.shape
    if weight.op_type == "Conv":
        groups = node.attributes.get_int("group", 1)
        shape_out = shapes.get(node.outputs[0].name or "")
        images = _product(shape_out, slice(0, 1)) or 1  # the kernels count pixels through all of them
        positions = images * _product(shape_out, slice(2, None))
        met = _share_met(node, shape[2:], shapes)
        return cost.Layer(shape[0], prod(shape[1:]), groups, prod(shape[2:]), positions, met)
    transposed = {name: weight.op_type == "Gemm" and node.attributes.get_int(name, False) for name in _TRANSPOSES}
    inputs, outputs = shape[::-1] if transposed["transB"] else shape
    x = node.inputs[0].name if node.inputs[0] else None
    rows = _product(shapes.get(x or ""), slice(1, None) if transposed["transA"] else slice(0, -1))
    return cost.Layer(outputs, inputs, positions=rows)


def _share_met(node: ir.Node, kernel: Sequence[int], shapes: Shapes) -> float:
    """Return how often a tap of a dilated convolution meets an input, not padding, on the axis where that is rarest.

    1 where it is not known.
    """
    x, y = (shapes.get(value.name or "") if value else None for value in (node.inputs[0], node.outputs[0]))
    if not x or not y or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return 1.0
    rank, met = len(kernel), 1.0
    pads = node.attributes.get_ints("pads", [0] * 2 * rank)
    strides, dilations = (node.attributes.get_ints(name, [1] * rank) for name in ("strides", "dilations"))
    if {len(x) - 2, len(y) - 2, len(pads) // 2, len(strides), len(dilations)} != {rank}:
        return 1.0  # onnxruntime refuses the node
    if max(dilations) == 1:
        return 1.0
    for axis, (inputs, outputs) in enumerate(zip(x[2:], y[2:], strict=True)):
        if not isinstance(inputs, int) or not isinstance(outputs, int):
            return 1.0
        meets = np.arange(outputs) * strides[axis] + np.arange(kernel[axis])[:, None] * dilations[axis] - pads[axis]
        met = min(met, float(((meets >= 0) & (meets < inputs)).mean()) if meets.size else 1.0)
    return met


def _product(shape: tuple[Dimension, ...] | None, axes: slice) -> int:
    """Return the product of some dimensions; 0 if not all of them are known."""
    dims = [dim for dim in shape[axes] if isinstance(dim, int)] if shape is not None else []
    return prod(dims) if shape is not None and len(dims) == len(shape[axes]) else 0


def _obstacle(weight: Weight) -> str:
    """Say why no sparse operator can take the weight, "" if one can."""
    op_types = sorted({use.node.op_type for use in weight.uses} | set(weight.other_uses))
    if len(op_types) > 1 or weight.role is Role.CONSTANT:
        return f"feeds {', '.join(op_types)}"
    for use in weight.uses:
        operator = SPARSE.get(use.node.op_type)
        if operator is None or use.node.domain != "":
            return f"no sparse operator for {use.node.op_type}"
        if use.way is not None:
            passed = [node.op_type for node in use.path]
            more = f" and {len(passed) - _PASSED} more" if len(passed) > _PASSED else ""
            return f"passes through {', '.join(passed[:_PASSED])}{more}"
        if use.index != operator.first or [*use.node.inputs].count(weight.value) > 1:
            return f"is input {use.index} of {use.node.op_type}"
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

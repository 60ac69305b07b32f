"""What each operator multiplies its weight with: the weight as matrices, and where the inputs of these are read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import onnx_ir as ir

from onnxdc.calibration.matrices import Matrices
from onnxdc.calibration.readings import Pixels, Reading, States, Vectors, Windows

LARGEST_BLOCK: Final = 8192  # columns whose second moments are known together: 512 MB in float64

View: TypeAlias = tuple[Matrices, Reading]
"""A weight as matrices, and where their inputs are read."""


def view(node: ir.Node, index: int, weight: Matrices) -> View | str:
    """Return how a node sees the weight that arrives at its input ``index``, or why nothing is known of that.

    Args:
        node: The node, in the main graph.
        index: The number of the input that takes the weight.
        weight: How the weight arrives.
    """
    known = _OPERATORS.get(node.op_type) if node.domain == "" else None
    if known is None:
        return f"what {node.op_type} multiplies it with is not known"
    try:
        seen = known(node, index, weight)
    except (IndexError, ValueError, TypeError):  # attributes or shapes that do not fit: onnxruntime will say so
        return f"{node.op_type} has attributes or a shape that do not fit"
    if not isinstance(seen, str) and seen[0].last[::2] != (seen[1].groups, seen[1].columns):
        return f"{node.op_type} has {seen[1].columns} inputs in {seen[1].groups} groups, the weight {seen[0].last}"
    return seen


def _conv(node: ir.Node, index: int, weight: Matrices) -> View | str:
    outputs, _, *kernel = weight.last
    groups = node.attributes.get_int("group", 1)
    inputs = math.prod(weight.last[1:])
    ones = [1] * len(kernel)
    automatic = node.attributes.get_string("auto_pad", "NOTSET")
    pads = node.attributes.get_ints("pads", [0, 0] * len(kernel))
    if automatic == "VALID":
        pads = [0, 0] * len(kernel)
    reading = Windows(
        tensor=_name(node, 0),
        kernel=tuple(kernel),
        strides=tuple(node.attributes.get_ints("strides", ones)),
        dilations=tuple(node.attributes.get_ints("dilations", ones)),
        pads=automatic if automatic.startswith("SAME") else tuple(pads),
        groups=groups,
        columns=inputs,
    )
    return weight.reshape(groups, outputs // groups, inputs), reading


def _conv_transpose(node: ir.Node, index: int, weight: Matrices) -> View | str:
    groups = node.attributes.get_int("group", 1)
    inputs = weight.last[0] // groups
    matrices = weight.reshape(groups, inputs, math.prod(weight.last[1:])).transpose(0, 2, 1)
    return matrices, Pixels(_name(node, 0), groups, inputs)


def _gemm(node: ir.Node, index: int, weight: Matrices) -> View | str:
    is_transposed = bool(node.attributes.get_int("transB" if index else "transA", 0))
    other = bool(node.attributes.get_int("transA" if index else "transB", 0))
    # Inputs are the rows of A for a constant B, and the columns of B for a constant A.
    return _product(
        weight, _name(node, 1 - index), inputs_last=is_transposed == bool(index), transposed=other == bool(index)
    )


def _matmul(node: ir.Node, index: int, weight: Matrices) -> View | str:
    return _product(weight, _name(node, 1 - index), inputs_last=index == 0, transposed=index == 0)


def _product(weight: Matrices, tensor: str, *, inputs_last: bool, transposed: bool) -> View | str:
    """Return the view of a constant in a product.

    Args:
        weight: How the constant arrives.
        tensor: The other factor.
        inputs_last: Whether the inputs of an output lie along the constant's last axis.
        transposed: Whether they lie along the other factor's last axis but one.
    """
    *batch, height, width = weight.last
    rows, inputs = (height, width) if inputs_last else (width, height)
    matrices = weight.reshape(math.prod(batch), height, width)
    matrices = matrices if inputs_last else matrices.transpose(0, 2, 1)
    blocks = 1 if batch else _blocks(inputs)
    if blocks is None or inputs > blocks * LARGEST_BLOCK:
        return f"{inputs} inputs are too many to know their second moments"
    if blocks > 1:
        matrices = matrices.reshape(rows, blocks, inputs // blocks).transpose(1, 0, 2)
    return matrices, Vectors(tensor, inputs // blocks, blocks, transposed, tuple(batch))


def _blocks(inputs: int) -> int | None:
    """Return the fewest blocks of equal size that are small enough; None if they would be tiny."""
    fewest = -(-inputs // LARGEST_BLOCK)
    return next((blocks for blocks in range(fewest, 2 * fewest + 1) if inputs % blocks == 0), None)


def _recurrent(node: ir.Node, index: int, weight: Matrices) -> View | str:
    directions, gates, inputs = weight.last
    items_first = node.attributes.get_int("layout", 0) == 1
    if len(node.inputs) > 4 and node.inputs[4] is not None:
        return f"{node.op_type} is told the lengths of its sequences"
    if index == 1:  # both directions read the same
        return weight.reshape(1, directions * gates, inputs), Vectors(_name(node, 0), inputs)
    if not node.outputs or not node.outputs[0].name:
        return f"{node.op_type} does not yield its states"
    initial = node.inputs[5] if len(node.inputs) > 5 else None
    direction = node.attributes.get_string("direction", "forward")
    # A GRU without linear_before_reset multiplies its last gate with the state times the reset gate: nearly the state.
    states = States(node.outputs[0].name, (initial.name or "") if initial else "", direction, items_first, inputs)
    return weight, states


def _name(node: ir.Node, index: int) -> str:
    value = node.inputs[index]
    if value is None or not value.name:
        raise ValueError
    return value.name


_OPERATORS: Final[dict[str, Callable[[ir.Node, int, Matrices], View | str]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
}

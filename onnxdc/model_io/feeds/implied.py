"""The sizes of an open dimension that a model's weights imply: what a product or a bias can be applied to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor

Sizes: TypeAlias = dict[int, int]
"""Axis -> its size."""

_MOST: Final = 1000  # values that are looked at: weights meet an input within its first few operators

_BROADCASTING: Final = frozenset({"Add", "Sub", "Mul", "Div"})
_UNARY: Final = frozenset({"Identity", "Cast", "Dropout", "Relu", "Sqrt", "Log", "Exp", "Abs", "Neg", "Clip", "Pow"})


def implied_sizes(value: ir.Value) -> Sizes:
    """Return the sizes that the operators which take a value ask for, the first that does for each axis.

    Args:
        value: An input of a model, of known rank.
    """
    rank = 0 if value.shape is None else len(value.shape)
    sizes: Sizes = {}
    reached = {value}
    found = [(value, tuple(range(rank)))]  # a value, and which axis of the input each of its axes is
    for current, axes in found:  # which grows
        for node, index in current.uses():
            if node.domain != "":
                continue
            for axis, size in _asked(node, index, rank).items():
                if -rank <= axis < rank and size > 0:
                    sizes.setdefault(axes[axis], size)
            for output, order in _same_elements(node, index, rank):
                if output not in reached and len(reached) < _MOST:
                    reached.add(output)
                    found.append((output, tuple(axes[axis] for axis in order)))
    return sizes


def _same_elements(node: ir.Node, index: int, rank: int) -> Iterator[tuple[ir.Value, tuple[int, ...]]]:
    """Yield outputs of the input's sizes, with the axis of the input that each of their axes is."""
    if node.op_type in _UNARY and index == 0:
        yield node.outputs[0], tuple(range(rank))
    elif node.op_type in _BROADCASTING:
        other = _shape(node, 1 - index)
        if other is not None and len(other) <= rank:
            yield node.outputs[0], tuple(range(rank))
    elif node.op_type == "Transpose":
        order = tuple(node.attributes.get_ints("perm", range(rank)[::-1]))
        if sorted(order) == list(range(rank)):
            yield node.outputs[0], order


def _asked(node: ir.Node, index: int, rank: int) -> Sizes:
    """Return the sizes that a node asks of its input; axes from the end are negative."""
    asked = _ASKED.get(node.op_type)
    try:
        return asked(node, index, rank) if asked is not None else {}
    except (IndexError, ValueError):  # a weight that does not fit its operator: onnxruntime will say so
        return {}


def _shape(node: ir.Node, index: int) -> tuple[int, ...] | None:
    """Return the shape of a constant input of the node."""
    value = node.inputs[index] if index < len(node.inputs) else None
    tensor = constant_tensor(value) if value is not None else None
    return None if tensor is None else tuple(map(int, tensor.shape.numpy()))


def _matmul(node: ir.Node, index: int, _rank: int) -> Sizes:
    other = _shape(node, 1 - index)
    if not other:
        return {}
    if index == 0:
        return {-1: other[-2] if len(other) > 1 else other[0]}
    return {-2: other[-1]}


def _gemm(node: ir.Node, index: int, _rank: int) -> Sizes:
    weight = _shape(node, 1)
    if index or weight is None:
        return {}
    return {0 if node.attributes.get_int("transA", 0) else 1: weight[1 if node.attributes.get_int("transB", 0) else 0]}


def _conv(node: ir.Node, index: int, _rank: int) -> Sizes:
    weight = _shape(node, 1)
    return {1: weight[1] * node.attributes.get_int("group", 1)} if index == 0 and weight else {}


def _conv_transpose(node: ir.Node, index: int, _rank: int) -> Sizes:
    weight = _shape(node, 1)
    return {1: weight[0]} if index == 0 and weight else {}


def _recurrent(node: ir.Node, index: int, _rank: int) -> Sizes:
    inputs, states = _shape(node, 1), _shape(node, 2)
    if index == 0 and inputs:
        return {2: inputs[2]}
    return {0: states[0], 2: states[2]} if index in (5, 6) and states else {}


def _channels(node: ir.Node, index: int, _rank: int) -> Sizes:
    scale = _shape(node, 1)
    return {1: scale[0]} if index == 0 and scale else {}


def _last_axis(node: ir.Node, index: int, _rank: int) -> Sizes:
    scale = _shape(node, 1)
    return {-1: scale[-1]} if index == 0 and scale else {}


def _broadcast(node: ir.Node, index: int, rank: int) -> Sizes:
    other = _shape(node, 1 - index) or ()
    return {axis - len(other): size for axis, size in enumerate(other) if size > 1 and len(other) <= rank}


_ASKED: Final[Mapping[str, Callable[[ir.Node, int, int], Sizes]]] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "BatchNormalization": _channels,
    "InstanceNormalization": _channels,
    "LayerNormalization": _last_axis,
} | dict.fromkeys(_BROADCASTING, _broadcast)

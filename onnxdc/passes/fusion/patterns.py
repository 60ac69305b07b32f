"""Patterns of standard nodes after a value: the forms in which exporters write the activations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor, read_constant

_TOLERANCE: Final = 1e-6  # relative, of constants: exporters write sqrt(2) with more digits or fewer


@dataclass(frozen=True)
class _Any:
    """What a pattern has instead of a node: the value itself, or a scalar constant that may be left out."""

    name: str


X: Final = _Any("x")
SCALAR: Final = _Any("scalar")


class Op:
    """The pattern of a node: its type, the patterns of its inputs, and attributes that it must have."""

    def __init__(self, op_type: str, *inputs: Pattern, **attributes: float | str) -> None:
        self.op_type, self.inputs, self.attributes = op_type, inputs, attributes


Pattern: TypeAlias = Op | _Any | float

_COMMUTATIVE: Final = frozenset({"Add", "Mul"})
# What the specifications of operators say of attributes that a node does not have.
_DEFAULTS: Final[Mapping[str, Mapping[str, float | str]]] = {
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "Gelu": {"approximate": "none"},
    "Swish": {"alpha": 1.0},
}


def _gelu(scaled: Pattern) -> tuple[Op, ...]:
    gate = Op("Add", Op("Erf", scaled), 1.0)
    return (
        Op("Mul", Op("Mul", X, gate), 0.5),
        Op("Mul", Op("Mul", X, 0.5), gate),
        Op("Mul", X, Op("Mul", gate, 0.5)),
    )


_SIX: Final = Op("Clip", Op("Add", X, 3.0), 0.0, 6.0)

# Activations of operators.ACTIVATIONS, each with a form of it.
_FORMS: Final[tuple[tuple[str, Op], ...]] = (
    ("Relu", Op("Relu", X)),
    ("Clip", Op("Clip", X, SCALAR, SCALAR)),
    ("LeakyRelu", Op("LeakyRelu", X)),
    ("Silu", Op("Mul", X, Op("Sigmoid", X))),
    ("Silu", Op("Swish", X, alpha=1.0)),
    ("HardSwish", Op("HardSwish", X)),
    ("HardSwish", Op("Mul", X, Op("HardSigmoid", X, alpha=1 / 6, beta=0.5))),
    ("HardSwish", Op("Div", Op("Mul", X, _SIX), 6.0)),
    ("HardSwish", Op("Mul", Op("Mul", X, _SIX), 1 / 6)),
    ("HardSwish", Op("Mul", X, Op("Div", _SIX, 6.0))),
    ("HardSwish", Op("Mul", X, Op("Mul", _SIX, 1 / 6))),
    ("Gelu", Op("Gelu", X, approximate="none")),
    ("GeluTanh", Op("Gelu", X, approximate="tanh")),
    *(("Gelu", form) for form in _gelu(Op("Div", X, math.sqrt(2)))),
    *(("Gelu", form) for form in _gelu(Op("Mul", X, math.sqrt(0.5)))),
)
_DEPTH: Final = 5  # nodes one after the other in the longest form: Gelu's Div, Erf, Add, Mul and Mul
_MAX_CONSUMERS: Final = 2  # of any value inside a form: all of these multiply something with what is made of it


@dataclass(frozen=True)
class Match:
    """Nodes that compute an activation.

    Attributes:
        activation: The name of the activation.
        nodes: The nodes, the last one first.
    """

    activation: str
    nodes: tuple[ir.Node, ...]


def find_activation(x: ir.Value) -> Match | None:
    """Find the longest form of an activation of ``x`` of whose values nothing else uses any but the last, if any."""
    matches = [
        Match(activation, nodes)
        for output in _downstream(x)
        for activation, form in _FORMS
        if (nodes := _match(form, output, x)) is not None and is_closed(x, nodes)
    ]
    return max(matches, key=lambda match: len(match.nodes), default=None)


def is_closed(x: ir.Value, nodes: tuple[ir.Node, ...]) -> bool:
    """Tell whether ``x`` and all that the nodes yield, the first one's output apart, is used by them only."""
    inner = [x, *(node.outputs[0] for node in nodes[1:])]
    return not any(
        value.is_graph_output() or set(value.consumers()) - set(nodes) or "quant_parameter_tensor_names" in value.meta
        for value in inner
    )


def scalar(value: ir.Value | None) -> float | None:
    """Return the number in a float32 constant of one element and at most one axis; None for anything else.

    An initializer that is a graph input too is no constant: a caller may override it.
    """
    tensor = None if value is None or value.is_graph_input() else constant_tensor(value)
    if value is None or tensor is None or tensor.dtype is not ir.DataType.FLOAT:
        return None
    if tensor.size != 1 or len(tensor.shape) > 1:
        return None
    return float(read_constant(value).item())


def _downstream(x: ir.Value) -> Iterator[ir.Value]:
    """Yield the outputs of the nodes after ``x`` that a form can end with."""
    seen: dict[ir.Value, None] = {}
    front = [x]
    for _ in range(_DEPTH):
        near = [value for value in front if len(value.uses()) <= _MAX_CONSUMERS]
        front = [node.outputs[0] for value in near for node in value.consumers() if len(node.outputs) == 1]
        seen.update(dict.fromkeys(front))
    yield from seen


def _match(pattern: Pattern, value: ir.Value | None, x: ir.Value) -> tuple[ir.Node, ...] | None:
    """Return the nodes that yield ``value`` as the pattern says, the last one first; None if it was made otherwise."""
    if pattern is X:
        return () if value is x else None
    if pattern is SCALAR:
        return () if value is None or scalar(value) is not None else None
    if isinstance(pattern, Op):
        return _match_node(pattern, value, x)
    assert isinstance(pattern, float)
    number = scalar(value)
    return () if number is not None and math.isclose(number, pattern, rel_tol=_TOLERANCE) else None


def _match_node(pattern: Op, value: ir.Value | None, x: ir.Value) -> tuple[ir.Node, ...] | None:
    node = None if value is None else value.producer()
    if node is None or (node.domain, node.op_type) != ("", pattern.op_type) or node.graph is not x.graph:
        return None
    if len(node.outputs) != 1 or len(node.inputs) > len(pattern.inputs) or not _has(node, pattern.attributes):
        return None
    inputs = [*node.inputs, *[None] * (len(pattern.inputs) - len(node.inputs))]
    for order in (inputs, inputs[::-1]) if node.op_type in _COMMUTATIVE else (inputs,):
        parts = [_match(part, given, x) for part, given in zip(pattern.inputs, order, strict=True)]
        if None not in parts:
            return tuple(dict.fromkeys((node, *(inner for part in parts if part for inner in part))))
    return None


def _has(node: ir.Node, attributes: Mapping[str, float | str]) -> bool:
    """Tell whether the node has these attributes, given or by default."""
    for name, expected in attributes.items():
        attribute = node.attributes.get(name)
        if attribute is not None and attribute.is_ref():
            return False
        actual = _DEFAULTS[node.op_type][name] if attribute is None else attribute.value
        if isinstance(expected, str) or isinstance(actual, str):
            if actual != expected:
                return False
        elif not math.isclose(actual, expected, rel_tol=_TOLERANCE):
            return False
    return True

"""Find the weights of a model: the constant tensors that are worth compressing, and who uses them.

A weight is a constant of a floating-point type (an initializer of any graph, or the output of a Constant node) that
reaches a weight slot (``slots.py``) of some operator, directly or through operators that only reshape, transpose, cast,
cut or join it, in its own graph, in a subgraph or in a model-local function. No tensor is loaded to find it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from onnxdc.graph import slots
from onnxdc.graph.constants import constant_tensor, read_constant, replace_constant
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Kind
from onnxdc.graph.trace import Trace, Use, joins_of_constants, source_axis, trace
from onnxdc.graph.walk import described, graphs


class NamedConstant(NamedTuple):
    """A constant of a model.

    Attributes:
        name: Its name, unique in the model: that of the value, with ``#2``, ``#3``, ... if graphs repeat it.
        value: An initializer, or the output of a Constant node.
        graph: The graph that holds it; the graph inside the function for a constant of a model-local function.
        function: The model-local function that holds it, None outside of functions.
    """

    name: str
    value: ir.Value
    graph: ir.Graph
    function: ir.Function | None


@dataclass(frozen=True)
class WeightInfo:
    """Everything that work on the values of a weight may want to know of it; it can go to another process.

    Attributes:
        name: The name of the weight, unique in the model.
        kind: The kind of its first use.
        shape: Its shape.
        channel_axis: The axis along which the output channels of the first use lie, None if unknown.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    channel_axis: int | None


@dataclass(eq=False)
class Weight:
    """A constant tensor that can be compressed.

    Attributes:
        name, value, graph, function: As in ``NamedConstant``.
        uses: The weight slots that it feeds, strongest kind first.
        kind: The kind of its first use.
        channel_axis: The axis of this tensor along which the output channels of the first use lie, None if unknown.
        other_uses: What else uses it, in words: such as ``"Add"`` or ``"graph output"``.
    """

    name: str
    value: ir.Value
    graph: ir.Graph
    function: ir.Function | None
    uses: tuple[Use, ...]
    kind: Kind
    channel_axis: int | None
    other_uses: tuple[str, ...] = ()

    @property
    def tensor(self) -> ir.TensorProtocol:
        """The tensor as the model holds it: maybe memory-mapped, maybe not loaded yet."""
        tensor = constant_tensor(self.value)
        assert tensor is not None, f"{self.name} is no constant"
        return tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.tensor.shape.numpy())

    @property
    def size(self) -> int:
        """Its number of elements."""
        return self.tensor.size

    @property
    def op_type(self) -> str:
        """The operator of the first use."""
        return self.uses[0].node.op_type

    @property
    def node(self) -> str:
        """The node of the first use: such as ``"Conv conv1"``."""
        return described(self.uses[0].node)

    @property
    def info(self) -> WeightInfo:
        """What can be known of it without its model."""
        return WeightInfo(self.name, self.kind, self.shape, self.channel_axis)

    @property
    def is_graph_input(self) -> bool:
        """Whether the initializer is a graph input too: from IR version 4 on, a caller may override its value."""
        return self.value.is_graph_input()

    def array(self) -> np.ndarray:
        """Return the values, float16, bfloat16 (ml_dtypes), float32 or float64. May be a read-only view of the file.

        Raises:
            ModelError: The data is missing, or is not as long as the shape says.
        """
        return read_constant(self.value, self.name)

    def replace(self, array: np.ndarray) -> None:
        """Replace the values by others of the same shape and type; names and texts stay."""
        replace_constant(self.value, array)


def find_weights(model: ir.Model, min_elements: int) -> tuple[list[Weight], list[Skip]]:
    """Find the weights of a model in the order of its graphs, and the constants that are none, each with the reason.

    Integer constants are mentioned only if they are quantized weights.

    Args:
        model: The model, which is not changed; none of its tensors is loaded.
        min_elements: The number of elements that a weight has at least; smaller tensors are skipped.
    """
    weights: list[Weight] = []
    skips: list[Skip] = []
    joins = joins_of_constants(model)
    for constant in named_constants(model):
        traced = trace(constant.value, model, joins)
        skip = _why_not(constant, traced, min_elements)
        if skip is not None:
            skips.append(_completed(skip, constant, traced))
        elif _is_float(constant):
            weights.append(_weight(constant, traced))
    return weights, skips


def named_constants(model: ir.Model) -> Iterator[NamedConstant]:
    """Yield every constant of a model, in the order of its graphs."""
    repeats: Counter[str] = Counter()
    for function, graph in graphs(model):
        for value in _constants(graph):
            base = value.name or "unnamed"
            repeats[base] += 1
            name = base if repeats[base] == 1 else f"{base}#{repeats[base]}"
            yield NamedConstant(name, value, graph, function)


def _weight(constant: NamedConstant, traced: Trace) -> Weight:
    weight = Weight(*constant, tuple(traced.uses), traced.uses[0].kind, None, tuple(traced.others))
    weight.channel_axis = source_axis(traced.uses[0], weight.shape)
    return weight


def _completed(skip: Skip, constant: NamedConstant, traced: Trace) -> Skip:
    """Return a skip with what is known of any constant."""
    users = [use.node for use in traced.uses] or list(constant.value.consumers())
    tensor = constant_tensor(constant.value)
    node = described(users[0]) if users else ""
    return replace(skip, node=node, size=0 if tensor is None else tensor.size)


def _why_not(constant: NamedConstant, traced: Trace, min_elements: int) -> Skip | None:
    """Say why a constant that one might take for a weight is none; None for a weight and for all other constants."""
    name, tensor = constant.name, constant_tensor(constant.value)
    if tensor is None:
        attribute = Skip(name, SkipCode.FUNCTION_ATTRIBUTE, "its value is an attribute of the function")
        return attribute if traced.uses else None
    if traced.quantized and tensor.size >= min_elements:
        reason = f"already quantized ({tensor.dtype.name.lower()}, feeds {traced.quantized[0]})"
        return Skip(name, SkipCode.QUANTIZED, reason)
    if tensor.dtype not in slots.WEIGHT_TYPES:
        return None
    if tensor.size < min_elements:
        limit = f"fewer than {min_elements}"
        return Skip(name, SkipCode.TOO_SMALL, f"{tensor.size} elements, {limit}", f"{limit} elements")
    if not traced.uses:
        users = ", ".join(dict.fromkeys(traced.others))
        feeds = Skip(name, SkipCode.NOT_A_WEIGHT, f"not a weight, feeds {users}")
        return feeds if users else Skip(name, SkipCode.UNUSED, "not used")
    if len(tensor.shape) < 2:
        return Skip(name, SkipCode.VECTOR, f"rank {len(tensor.shape)}: biases and scales stay as they are")
    return None


def _is_float(constant: NamedConstant) -> bool:
    tensor = constant_tensor(constant.value)
    return tensor is not None and tensor.dtype in slots.WEIGHT_TYPES


def _constants(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from (value for value in graph.initializers.values() if value.const_value is not None)
    yield from (node.outputs[0] for node in graph if node.op_type == "Constant" and node.domain == "")

"""Find the weights of a model: the constant tensors that are worth compressing, and who uses them.

A weight is a constant of a floating-point type (an initializer of any graph, or the output of a Constant node) that
reaches a weight slot (``slots.py``) of some operator, directly or through operators that only reshape, transpose, cast,
cut or join it, in its own graph, in a subgraph or in a model-local function. Its role says which stages may change it.
Constants that reach no such slot, and integers of a byte or less, have a role too: they can be encoded, which changes
no value. No tensor is loaded to find any of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from onnxdc.graph import slots
from onnxdc.graph.constants import constant_tensor, read_constant, replace_constant
from onnxdc.graph.readers import Reader, readers_of
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Kind, Role
from onnxdc.graph.trace import Trace, Use, joins_of_constants, source_axis, trace
from onnxdc.graph.walk import described, graphs, operator_name


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
        role: What it is to the operators that read it.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    channel_axis: int | None
    role: Role = Role.WEIGHT


@dataclass(eq=False)
class Weight:
    """A constant tensor that can be compressed.

    Attributes:
        name, value, graph, function: As in ``NamedConstant``.
        uses: The weight slots that it feeds, strongest role and kind first.
        kind: The kind of its first use, or of the first reader of integers; ``"other"`` in the role of a constant.
        channel_axis: The axis of this tensor along which the output channels of the first use lie, None if unknown.
        other_uses: What else uses it, in words: such as ``"Add"`` or ``"graph output"``.
        role: What it is to the operators that read it.
        readers: Who reads it in the role of integers.
    """

    name: str
    value: ir.Value
    graph: ir.Graph
    function: ir.Function | None
    uses: tuple[Use, ...]
    kind: Kind
    channel_axis: int | None
    other_uses: tuple[str, ...] = ()
    role: Role = Role.WEIGHT
    readers: tuple[Reader, ...] = ()

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
        """The operator of the first use; empty without one."""
        return self.uses[0].node.op_type if self.uses else ""

    @property
    def op_types(self) -> set[str]:
        """The operators of its uses, or those that read it in the role of integers."""
        return {use.node.op_type for use in self.uses} | {reader.node.op_type for reader in self.readers}

    @property
    def node(self) -> str:
        """The node of the first use, or the first that reads it: such as ``"Conv conv1"``; empty if none does."""
        readers = [use.node for use in self.uses] + [reader.node for reader in self.readers]
        users = readers or list(self.value.consumers())
        return described(users[0]) if users else ""

    @property
    def feeds(self) -> str:
        """What it feeds, in words."""
        return ", ".join(dict.fromkeys([operator_name(use.node) for use in self.uses] + list(self.other_uses)))

    @property
    def info(self) -> WeightInfo:
        """What can be known of it without its model."""
        return WeightInfo(self.name, self.kind, self.shape, self.channel_axis, self.role)

    @property
    def is_graph_input(self) -> bool:
        """Whether the initializer is a graph input too: from IR version 4 on, a caller may override its value."""
        return self.value.is_graph_input()

    def array(self) -> np.ndarray:
        """Return the values, of one of the types of the format. May be a read-only view of the file.

        Four-bit integers take a byte each, of a type of ml_dtypes, as bfloat16 does.

        Raises:
            ModelError: The data is missing, or is not as long as the shape says.
        """
        return read_constant(self.value, self.name)

    def replace(self, array: np.ndarray) -> None:
        """Replace the values by others of the same shape and type; names and texts stay."""
        replace_constant(self.value, array)


def find_weights(
    model: ir.Model, min_elements: int, roles: Collection[Role] = (Role.WEIGHT,)
) -> tuple[list[Weight], list[Skip]]:
    """Find the weights of a model in the order of its graphs, and the constants that are none, each with the reason.

    Of other integer constants only those are mentioned that are quantized weights.

    Args:
        model: The model, which is not changed; none of its tensors is loaded.
        min_elements: The number of elements that a weight has at least; smaller tensors are skipped.
        roles: The roles of what counts as a weight.
    """
    weights: list[Weight] = []
    skips: list[Skip] = []
    joins = joins_of_constants(model)
    for constant in named_constants(model):
        traced = trace(constant.value, model, joins)
        found = _weight_or_skip(constant, traced, model, min_elements, roles)
        if isinstance(found, Skip):
            skips.append(_completed(found, constant, traced))
        elif found is not None:
            weights.append(found)
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


def constant_bytes(model: ir.Model) -> int:
    """Return the bytes of all constants of a model."""
    tensors = (constant_tensor(constant.value) for constant in named_constants(model))
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)


def _weight_or_skip(
    constant: NamedConstant, traced: Trace, model: ir.Model, min_elements: int, roles: Collection[Role]
) -> Weight | Skip | None:
    """Return the weight that a constant is, or why one might take it for a weight that it is not."""
    name, tensor = constant.name, constant_tensor(constant.value)
    if tensor is None:
        attribute = Skip(name, SkipCode.FUNCTION_ATTRIBUTE, "its value is an attribute of the function")
        return attribute if traced.uses else None
    if tensor.dtype not in slots.WEIGHT_TYPES:
        if traced.quantized and tensor.size < min_elements:
            return _too_small(name, tensor.size, min_elements)
        is_weight = tensor.dtype in slots.INTEGER_TYPES and tensor.size >= min_elements
        if not is_weight or Role.INTEGERS not in roles or not _can_be_computed(constant, model):
            return _already_integers(constant, tensor, traced) if is_weight or traced.quantized else None
        return _integers(constant, traced)
    if tensor.size < min_elements:
        return _too_small(name, tensor.size, min_elements)
    weight = _weight(constant, traced)
    is_fixed = weight.role is Role.CONSTANT and not _can_be_computed(constant, model)
    return why_no_weight(weight) if weight.role not in roles or is_fixed else weight


def _too_small(name: str, size: int, min_elements: int) -> Skip:
    limit = f"fewer than {min_elements}"
    return Skip(name, SkipCode.TOO_SMALL, f"{size} elements, {limit}", f"{limit} elements")


def _can_be_computed(constant: NamedConstant, model: ir.Model) -> bool:
    """Tell whether a node may yield what the constant holds: its graph has nodes, and no caller may give another value.

    Before IR version 4 every initializer is an input of its graph, and no caller gives one.
    """
    is_input = constant.value.is_graph_input() and model.ir_version >= 4
    return bool(constant.value.uses()) and len(constant.graph) > 0 and not is_input


def why_no_weight(weight: Weight) -> Skip:
    """Say why stages that change values leave a constant as it is."""
    users = dict.fromkeys(weight.other_uses)
    if weight.role is Role.INTEGERS:
        skip = Skip(weight.name, SkipCode.QUANTIZED, _already(weight.tensor.dtype, weight.feeds))
    elif weight.uses and len(weight.shape) < 2:
        skip = Skip(weight.name, SkipCode.VECTOR, f"rank {len(weight.shape)}: biases and scales stay as they are")
    elif weight.uses:
        skip = Skip(weight.name, SkipCode.TABLE, f"not a layer's weight, feeds {weight.feeds}")
    elif users:
        skip = Skip(weight.name, SkipCode.NOT_A_WEIGHT, f"not a weight, feeds {', '.join(users)}")
    else:
        skip = Skip(weight.name, SkipCode.UNUSED, "not used")
    return replace(skip, node=weight.node, size=weight.size)


def _already_integers(constant: NamedConstant, tensor: ir.TensorProtocol, traced: Trace) -> Skip:
    """Say why nobody works on a constant that is no floats: it is none, or it is not fixed."""
    feeds = _feeds(traced)
    reason = _already(tensor.dtype, ", ".join(dict.fromkeys(feeds)))
    if constant.value.is_graph_input():
        reason += ", and is an input of the graph: a caller may give another value"
    return Skip(constant.name, SkipCode.QUANTIZED if feeds else SkipCode.UNUSED, reason)


def _already(dtype: ir.DataType, feeds: str) -> str:
    return f"already {dtype.name.lower()}, {f'feeds {feeds}' if feeds else 'not used'}"


def _feeds(traced: Trace) -> list[str]:
    return [*(operator_name(use.node) for use in traced.uses), *traced.quantized, *traced.others]


def _integers(constant: NamedConstant, traced: Trace) -> Weight:
    readers = readers_of(constant.value)
    kind = readers[0].kind if readers else "other"
    return Weight(*constant, (), kind, None, tuple(_feeds(traced)), Role.INTEGERS, readers)


def _weight(constant: NamedConstant, traced: Trace) -> Weight:
    weight = Weight(*constant, tuple(traced.uses), "other", None, (*traced.others, *traced.quantized), Role.CONSTANT)
    if traced.uses and not traced.quantized and len(weight.shape) >= 2:
        first = traced.uses[0]
        weight.role, weight.kind, weight.channel_axis = first.role, first.kind, source_axis(first, weight.shape)
    return weight


def _completed(skip: Skip, constant: NamedConstant, traced: Trace) -> Skip:
    """Return a skip with what is known of any constant."""
    users = [use.node for use in traced.uses] or list(constant.value.consumers())
    tensor = constant_tensor(constant.value)
    node = described(users[0]) if users else ""
    return replace(skip, node=node, size=0 if tensor is None else tensor.size)


def _constants(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from (value for value in graph.initializers.values() if value.const_value is not None)
    yield from (node.outputs[0] for node in graph if node.op_type == "Constant" and node.domain == "")

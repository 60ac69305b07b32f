"""Follow a constant to the operators that consume it, and an axis of it back from there.

Between the two may lie nodes that only reshape, transpose, cast or cut (``is_passing``), nodes that put constants
together, calls of model-local functions, in whose bodies the search goes on, and inputs of Scan and Loop, whose bodies
have other names for them. Other subgraphs need no care: they see the values of the graphs around them.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, field

import onnx_ir as ir

from onnxdc.graph import slots
from onnxdc.graph.passing import CUTTING, RESHAPING, inside, is_passing, takes_from_table
from onnxdc.graph.slots import KINDS, ROLES, Kind, Role
from onnxdc.graph.walk import graphs, operator_name


@dataclass(frozen=True)
class Step:
    """The last node of a way from a constant, with the way before it: ways that begin alike share their beginning.

    Attributes:
        node: The last node.
        before: The way before it.
        length: The number of nodes of the way.
        repeats: Whether the way enters the body of a Scan or Loop.
    """

    node: ir.Node
    before: Step | None
    length: int
    repeats: bool


@dataclass(frozen=True)
class Use:
    """One weight slot that a constant feeds.

    Attributes:
        node: The node that consumes the constant.
        index: The number of the input of that node that takes it.
        way: The nodes between the constant and the consumer, the last one first; None when it feeds it directly.
    """

    node: ir.Node
    index: int
    way: Step | None = None

    @property
    def path(self) -> tuple[ir.Node, ...]:
        """The nodes between the constant and the consumer, the constant's side first.

        A call of a model-local function counts as a node of the path.
        """
        nodes, step = [], self.way
        while step is not None:
            nodes.append(step.node)
            step = step.before
        return tuple(reversed(nodes))

    @property
    def distance(self) -> int:
        """The number of nodes between the constant and the consumer."""
        return 0 if self.way is None else self.way.length

    @property
    def role(self) -> Role:
        """What the constant is to the consumer; in the body of a Scan or Loop it has no stronger role than a table."""
        role = slots.slot_role(self.node, self.index)
        return Role.TABLE if role is Role.WEIGHT and self.way is not None and self.way.repeats else role

    @property
    def kind(self) -> Kind:
        """The kind of weight that the slot takes."""
        kind = slots.weight_kind(self.node, self.index)
        assert kind is not None, f"input {self.index} of {self.node.op_type} takes no weight"
        return kind


@dataclass
class Trace:
    """All that a constant feeds.

    Attributes:
        uses: The weight slots that it feeds.
        quantized: The names of the operators that use it as a quantized weight.
        others: What else uses it: the names of operators, or ``"graph output"``.
    """

    uses: list[Use] = field(default_factory=list)
    quantized: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def joins_of_constants(model: ir.Model) -> set[ir.Node]:
    """Find each Concat of nothing but constants, or of what passing nodes and other such Concats make of constants."""
    joins: set[ir.Node] = set()
    constants: set[ir.Value] = set()
    for _, graph in graphs(model):
        constants.update(graph.initializers.values())
        for node in graph:
            if node.domain != "":
                continue
            is_join = node.op_type == "Concat" and constants.issuperset(value for value in node.inputs if value)
            if is_join:
                joins.add(node)
            if (
                is_join
                or node.op_type == "Constant"
                or (is_passing(node, 0) and node.inputs and node.inputs[0] in constants)
            ):
                constants.update(node.outputs)
    return joins


def trace(value: ir.Value, model: ir.Model, joins: Set[ir.Node]) -> Trace:
    """Find everything that ``value`` feeds, directly or through passing nodes; uses come strongest role and kind first.

    Args:
        value: The constant to follow.
        model: The model of the constant.
        joins: The ``joins_of_constants`` of the model.
    """
    traced = Trace()
    seen: set[int] = set()
    pending: list[tuple[ir.Value, Step | None]] = [(value, None)]
    while pending:
        current, way = pending.pop()
        if id(current) in seen:  # the input of a function that is called twice, or that calls itself
            continue
        seen.add(id(current))
        if current.is_graph_output():
            traced.others.append("graph output")
        for node, index in current.uses():
            function = model.functions.get(node.op_identifier())
            own = inside(node, index)
            further = _further(node, way, repeats=own is not None)
            if function is not None and index < len(function.inputs):
                pending.append((function.inputs[index], further))
            elif own is not None:
                pending.append((own, further))
            elif is_passing(node, index) or node in joins:
                if takes_from_table(node, index):
                    traced.uses.append(Use(node, index, way))
                pending += [(output, further) for output in node.outputs]
            elif slots.weight_kind(node, index) is not None:
                traced.uses.append(Use(node, index, way))
            elif slots.is_quantized_slot(node, index):
                traced.quantized.append(operator_name(node))
            else:
                traced.others.append(operator_name(node))
    traced.uses.sort(key=lambda use: (ROLES.index(use.role), KINDS.index(use.kind), use.distance))
    return traced


def _further(node: ir.Node, way: Step | None, *, repeats: bool) -> Step:
    return Step(node, way, 1, repeats) if way is None else Step(node, way, way.length + 1, way.repeats or repeats)


def source_axis(use: Use, shape: tuple[int, ...]) -> int | None:
    """Return the axis of the constant, of shape ``shape``, that arrives at the consumer as its axis of output channels.

    It is None if the consumer has no such axis, if a reshape splits it, if the constant arrives in parts or together
    with others, or if a shape on the way is unknown.
    """
    shapes = [shape]
    for node in use.path:
        after = _shape_after(node, shapes[-1])
        if after is None:
            return None
        shapes.append(after)
    axis = slots.channel_axis(use.node, use.index, len(shapes[-1]))
    for node, before, after in zip(reversed(use.path), shapes[-2::-1], shapes[:0:-1], strict=True):
        if axis is None:
            return None
        axis = _axis_before(node, before, after, axis)
    return axis


def _shape_after(node: ir.Node, before: tuple[int, ...]) -> tuple[int, ...] | None:
    if node.op_type == "Transpose":
        permutation = _permutation(node, len(before))
        return None if permutation is None else tuple(before[axis] for axis in permutation)
    if node.op_type in CUTTING | {"Concat", "Scan"}:
        return None
    if node.op_type not in RESHAPING:
        return before
    shape = node.outputs[0].shape
    after = tuple(shape.numpy()) if shape is not None and shape.is_static() else None
    # What the model declares may not be so.
    return after if after is not None and math.prod(after) == math.prod(before) and min(after, default=1) > 0 else None


def _axis_before(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...], axis: int) -> int | None:
    if node.op_type == "Transpose":
        permutation = _permutation(node, len(before))
        return None if permutation is None else permutation[axis]
    if before == after:
        return axis
    # A reshape keeps an axis when as many elements lie on either side of it as before.
    kept = (math.prod(after[:axis]), after[axis])
    axes_before = [(math.prod(before[:i]), dim) for i, dim in enumerate(before)]
    return axes_before.index(kept) if kept in axes_before else None


def _permutation(node: ir.Node, rank: int) -> tuple[int, ...] | None:
    attribute = node.attributes.get("perm")
    if attribute is None:
        return tuple(reversed(range(rank)))
    if attribute.is_ref() or sorted(attribute.as_ints()) != list(range(rank)):
        return None
    return tuple(attribute.as_ints())

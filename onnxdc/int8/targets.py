"""Which weights of a plan become int8, in which form, and why the others stay float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import onnx_ir as ir

from onnxdc.calibration.bias import bias_of
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.names import Names
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Role
from onnxdc.graph.trace import Use
from onnxdc.graph.walk import described, graphs, operator_name
from onnxdc.graph.weights import Weight
from onnxdc.numeric.calibrated.int8 import Form
from onnxdc.passes.plan import Plan, PlannedWeight

# What onnxruntime runs faster on integers. Of its time for floats it took, with one thread of a Zen 4 core:
#   static Conv   0.3, with 16 channels 0.5, in groups of 16 channels 1.2, of 4 channels 3.1; depthwise 1.4, but less
#                 than a depthwise Conv of floats between two conversions
#   static Gemm   0.2 to 0.5; static MatMul 1.2 to 3.0
#   dynamic Gemm or MatMul   0.2 to 0.5; of 64 x 64 1.2, with one row or eight
# ConvInteger is slower than a Conv of floats, too.
_STATIC: Final = frozenset({"Conv", "Gemm"})
_DYNAMIC: Final = frozenset({"Gemm", "MatMul"})
_AXIS_OPSET: Final = 13  # the operator set that brought the axis of DequantizeLinear
_LEAST: Final = 64 * 64 + 1  # elements of a dynamic layer


class Way(StrEnum):
    """How a layer gets its inputs as integers."""

    STATIC = "static"  # by ranges that data tell
    DYNAMIC = "dynamic"  # by the range that they have in each run
    TABLE = "table"  # it has none but indices


@dataclass(frozen=True)
class Target:
    """A weight that becomes int8.

    Attributes:
        name: Its name.
        way: How its inputs become integers.
        form: The form of its integers.
        nodes: The names of the nodes that use it.
    """

    name: str
    way: Way
    form: Form
    nodes: tuple[str, ...]

    def nodes_in(self, model: ir.Model) -> list[ir.Node]:
        """Return the nodes that use it in the model, or in a copy."""
        return [node for node in model.graph if node.name in self.nodes]


@dataclass(frozen=True)
class Targets:
    """The weights of a plan that become int8.

    Attributes:
        targets: By name, in the order of the plan.
        skips: Why other weights stay float.
        needs_data: The names of those that only stay float because there are no data.
    """

    targets: Mapping[str, Target]
    skips: Sequence[Skip]
    needs_data: Sequence[str] = ()

    @property
    def forms(self) -> dict[str, Form]:
        """The forms by name."""
        return {name: target.form for name, target in self.targets.items()}

    def of(self, way: Way) -> list[Target]:
        """Return the targets of one way."""
        return [target for target in self.targets.values() if target.way is way]


def targets_of(plan: Plan, *, has_data: bool) -> Targets:
    """Return which weights of a plan become int8.

    Args:
        plan: The weights; the nodes of their model have names, see ``name_nodes``.
        has_data: Whether there are data to tell the ranges of activations.
    """
    targets: dict[str, Target] = {}
    skips, needs_data = [], []
    usual = Way.STATIC if _has_convolutions(plan.model) else Way.DYNAMIC
    for planned in plan.having(Role.WEIGHT, Role.TABLE):
        weight = planned.weight
        found = _target(planned, plan.model, usual)
        if isinstance(found, Target) and found.way is Way.STATIC and not has_data:
            needs_data.append(weight.name)
            found = "static activations need data"
        if isinstance(found, Target):
            targets[weight.name] = found
        else:
            skips.append(Skip(weight.name, SkipCode.STAYS_FLOAT, found, node=weight.node, size=weight.size))
    return Targets(targets, skips, needs_data)


def small_layers(plan: Plan) -> list[str]:
    """Return the names of the nodes whose weights are too small to be in the plan, but can be static."""
    small = {skip.name for skip in plan.skips if skip.code is SkipCode.TOO_SMALL}
    return [
        node.name or ""
        for node in plan.model.graph
        if node.domain == "" and node.op_type == "Conv" and node.inputs[1] is not None
        if node.inputs[1].name in small and node.inputs[1].dtype is ir.DataType.FLOAT and not _has_odd_bias(node)
    ]


def name_nodes(model: ir.Model) -> None:
    """Give nodes of the main graph that have no name, or that of another, one of their own."""
    names, taken = Names(model), set()
    for node in model.graph:
        if not node.name or node.name in taken:
            node.name = names.take(node.name or node.op_type)
        taken.add(node.name)


def _has_convolutions(model: ir.Model) -> bool:
    return any(node.op_type == "Conv" for _, graph in graphs(model) for node in graph)


def _target(planned: PlannedWeight, model: ir.Model, usual: Way) -> Target | str:
    """Return what becomes of a weight, or why it stays float."""
    weight, settings = planned.weight, planned.settings
    if settings.skip:
        return "left alone by the recipe"
    if settings.activation == "float":
        return "activation is float"
    if settings.sharing != "grid":
        return "its values are shared by k-means"
    reason = _why_float(weight, model)
    if reason is not None:
        return reason
    way = usual if settings.activation is None else Way(settings.activation)
    if settings.activation is None and {use.node.op_type for use in weight.uses} == {"MatMul"}:
        way = Way.DYNAMIC
    reasons = [reason for use in weight.uses if (reason := _why_not(use, weight, way)) is not None]
    if reasons:
        return reasons[0]
    nodes = tuple(use.node.name or "" for use in weight.uses)
    has_axis = model.opset_imports.get("", 0) >= _AXIS_OPSET
    if _is_table(weight.uses[0]):
        is_cut = any(use.node.op_type == "Slice" for use in weight.uses)  # maybe along the axis of the steps
        form = Form(by_row=not is_cut and has_axis, pairs=False, axis=len(weight.shape) - 1)
        return Target(weight.name, Way.TABLE, form, nodes)
    axis = weight.channel_axis
    assert axis is not None, "the operators that are taken have outputs"
    by_row = weight.uses[0].node.op_type != "Conv" and len(weight.shape) == 2 and (way is Way.DYNAMIC or has_axis)
    return Target(weight.name, way, Form(by_row=by_row, pairs=True, axis=axis), nodes)


def _why_float(weight: Weight, model: ir.Model) -> str | None:
    """Return why a weight cannot become int8 whatever its operators are."""
    if weight.tensor.dtype is not ir.DataType.FLOAT:
        return f"its type is {weight.tensor.dtype.name.lower()}, expected float32"
    if weight.graph is not model.graph:
        return "it is in a subgraph or a function"
    if weight.is_graph_input:
        return "it is an input of the graph"
    own = {(use.node, use.index) for use in weight.uses}
    others = [node for node, index in weight.value.uses() if (node, index) not in own]
    if others or weight.value.is_graph_output():
        return f"used by {', '.join(dict.fromkeys(map(operator_name, others))) or 'the graph as an output'}, too"
    if len({_is_table(use) for use in weight.uses}) > 1:
        return f"used by {weight.feeds}"
    return None


def _why_not(use: Use, weight: Weight, way: Way) -> str | None:
    """Return why one use of a weight cannot take integers."""
    node = use.node
    if node.graph is not weight.graph:
        return f"{described(node)} is in a subgraph or a function"
    if _is_table(use):
        is_rows = node.op_type == "Slice" or (node.attributes.get_int("axis", 0) == 0 and len(weight.shape) == 2)
        return None if is_rows else f"{described(node)} takes no rows from it"
    known = _STATIC if way is Way.STATIC else _DYNAMIC
    if node.domain != "" or node.op_type not in _STATIC | _DYNAMIC:
        return f"{operator_name(node)} is not quantized"
    if use.index != 1:
        return f"{node.op_type} is not quantized with a constant on the left"
    if node.op_type not in known:
        return f"{node.op_type} is not faster on integers with {way} activations"
    if way is Way.DYNAMIC and weight.size < _LEAST:
        return f"fewer than {_LEAST:,} elements are not faster as integers with dynamic activations"
    if node.op_type == "Gemm":
        return _why_not_gemm(node, weight)
    if node.op_type == "MatMul" and len(weight.shape) != 2:
        return f"rank {len(weight.shape)}, expected 2"
    return _why_not_conv(node, weight) if node.op_type == "Conv" else None


def _why_not_conv(node: ir.Node, weight: Weight) -> str | None:
    groups = node.attributes.get_int("group", 1)
    if groups > 1 and weight.shape[1] > 1:
        return "Conv in groups is not faster on integers"
    return f"the bias of {described(node)} is no constant" if _has_odd_bias(node) else None


def _why_not_gemm(node: ir.Node, weight: Weight) -> str | None:
    if node.attributes.get_float("alpha", 1.0) != 1 or node.attributes.get_float("beta", 1.0) != 1:
        return f"{described(node)} has an alpha or a beta"
    if node.attributes.get_int("transA", 0):
        return f"{described(node)} transposes its input"
    outputs = weight.shape[0 if node.attributes.get_int("transB", 0) else 1]
    if _has_odd_bias(node) or (len(node.inputs) > 2 and bias_of(node, 1, outputs) is None):
        return f"the bias of {described(node)} is no constant of a number for each output"
    return None


def _has_odd_bias(node: ir.Node) -> bool:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return bias is not None and (constant_tensor(bias) is None or bias.is_graph_input())


def _is_table(use: Use) -> bool:
    return use.kind == "embedding" and use.node.op_type in ("Gather", "Slice")

"""The layers of a plan: which weights are matrices whose inputs can be read, and why others are none."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from onnxdc.calibration.bias import Bias, bias_of
from onnxdc.calibration.matrices import Matrices, arriving
from onnxdc.calibration.operators import View, view
from onnxdc.calibration.readings import Reading, Vectors
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Role
from onnxdc.graph.trace import Use
from onnxdc.graph.walk import described
from onnxdc.graph.weights import Weight
from onnxdc.passes.plan import Plan


@dataclass(frozen=True)
class Layer:
    """A weight as matrices, and where their inputs are read; it can go to another process.

    Attributes:
        name: The name of the weight.
        matrices: How the weight is matrices ``[g, rows, n]``.
        readings: Where the inputs are read, one for each use of the weight.
    """

    name: str
    matrices: Matrices
    readings: tuple[Reading, ...]

    @property
    def columns(self) -> int:
        """The number ``n`` of inputs of each matrix."""
        return self.matrices.last[2]

    @property
    def is_sum(self) -> bool:
        """Whether the outputs of the matrices are added up, as of blocks of one; else they lie one after the other."""
        reading = self.readings[0]
        return isinstance(reading, Vectors) and reading.blocks > 1


@dataclass(frozen=True)
class Layers:
    """The layers of a plan.

    Attributes:
        layers: The layers by the names of their weights, in the order of the plan.
        biases: The biases of those that have one.
        skips: The weights that are no layer, though not left alone by the recipe, with the reason.
    """

    layers: dict[str, Layer]
    biases: dict[str, Bias]
    skips: dict[str, Skip]


def layers_of(plan: Plan) -> Layers:
    """Find the layers of a plan; tables that rows are taken from are among the skips."""
    found = Layers({}, {}, {})
    for planned in plan.having(Role.WEIGHT, Role.TABLE):
        weight = planned.weight
        if planned.settings.skip:
            continue
        layer = _layer(weight, plan.model)
        if isinstance(layer, str):
            found.skips[weight.name] = Skip(
                weight.name, SkipCode.NOT_CALIBRATED, layer, node=weight.node, size=weight.size
            )
            continue
        found.layers[weight.name] = layer
        bias = bias_of(weight.uses[0].node, weight.uses[0].index, _outputs(layer)) if len(weight.uses) == 1 else None
        if bias is not None:
            found.biases[weight.name] = bias
    return found


def _layer(weight: Weight, model: ir.Model) -> Layer | str:
    """Return the layer that a weight is, or why it is none."""
    if weight.function is not None:
        return "it is in a function"
    views = [_view(use, weight, model) for use in weight.uses]
    reasons = [found for found in views if isinstance(found, str)]
    if reasons:
        return reasons[0] if len(views) == 1 else f"one of its uses: {reasons[0]}"
    if weight.other_uses:
        return f"used by {', '.join(dict.fromkeys(weight.other_uses))}, too"
    matrices, readings = zip(*(found for found in views if not isinstance(found, str)), strict=True)
    if len(set(matrices)) > 1:
        return "its uses see it as different matrices"
    return Layer(weight.name, matrices[0], readings)


def _view(use: Use, weight: Weight, model: ir.Model) -> View | str:
    node = use.node
    if node.graph is not model.graph or any(step.graph is not model.graph for step in use.path):
        return f"{described(node)} is in a subgraph"
    if use.role is Role.TABLE or use.kind == "embedding":
        return f"a table to {node.op_type}"
    arrives = arriving(use, weight.shape)
    if arrives is None:
        return f"it arrives changed at {described(node)}"
    return view(node, use.index, arrives)


def _outputs(layer: Layer) -> int:
    """Return the number of outputs of a layer."""
    groups, rows, _ = layer.matrices.last
    return rows if layer.is_sum else groups * rows

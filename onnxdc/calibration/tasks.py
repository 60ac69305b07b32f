"""The work that there is on a plan: a task for each weight, with what statistics know of it."""

from __future__ import annotations

from collections.abc import Iterator

from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.statistics import Statistics
from onnxdc.calibration.weight import BiasValues, Known, WeightTask
from onnxdc.graph.slots import Role
from onnxdc.passes.plan import Plan, PlannedWeight


def calibrated_weights(plan: Plan) -> list[PlannedWeight]:
    """Return the weights that calibration works on: weights and tables that the recipe puts on a grid."""
    return [
        planned
        for planned in plan.having(Role.WEIGHT, Role.TABLE)
        if not planned.settings.skip and planned.settings.sharing == "grid"
    ]


def tasks_of(plan: Plan, statistics: Statistics) -> Iterator[tuple[str, WeightTask]]:
    """Yield the name and the task of each weight, one after the other so that few are in memory.

    Raises:
        ModelError: The data of a weight cannot be read.
    """
    for planned, known in known_weights(plan, statistics):
        yield planned.weight.name, WeightTask.of(planned.weight.array(), known)


def known_weights(plan: Plan, statistics: Statistics) -> Iterator[tuple[PlannedWeight, Known]]:
    """Yield each weight with what is known of it, one after the other so that little is in memory.

    Args:
        plan: The weights, with their values from before.
        statistics: What is known of them, from the same model.
    """
    biases = layers_of(plan).biases
    for planned in calibrated_weights(plan):
        name = planned.weight.name
        layer = statistics.layers.get(name)
        if layer is None:
            yield planned, Known()
            continue
        bias = biases.get(name)
        values = BiasValues(bias.array(), bias.scale) if bias is not None else None
        yield planned, Known(layer=layer, inputs=statistics.inputs(name), bias=values)

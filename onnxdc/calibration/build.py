"""Round all weights of a plan by what is known of their inputs: one lambda says how finely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.statistics import Statistics
from onnxdc.calibration.tasks import calibrated_weights, known_weights, tasks_of
from onnxdc.calibration.weight import CalibratedWeight, Known, WeightTask
from onnxdc.errors import WeightError
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.numeric.calibrated.int8 import Form
from onnxdc.numeric.calibrated.steps import steps_of
from onnxdc.numeric.calibrated.zeros import shared_densities
from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Progress
from onnxdc.workers.mapper import Call


@dataclass(frozen=True)
class Build:
    """The weights of a plan on grids.

    Attributes:
        weights: The rounded weights by name.
        skips: Why something is not as it could be: weights that could not be rounded (``UNFIT``), and those that were
            rounded one by one as nothing is known of their inputs (``NOT_CALIBRATED``).
        steps: The step that each was to have, maybe infinite: its range may have made it smaller or larger.
    """

    weights: dict[str, CalibratedWeight]
    skips: list[Skip]
    steps: dict[str, float] = field(default_factory=dict)


def calibrate(
    plan: Plan,
    statistics: Statistics,
    importance: Mapping[str, float],
    lambda_: float,
    *,
    given: Mapping[str, float] | None = None,
    densities: Mapping[str, float] | None = None,
    forms: Mapping[str, Form] | None = None,
    progress: Progress | None = None,
) -> Build:
    """Round all weights, with steps by one lambda; the model is not changed.

    Args:
        plan: The weights, with their values from before.
        statistics: What is known of them.
        importance: What each matters, from ``sensitivity.importances``.
        lambda_: How coarsely: steps grow with its square root.
        given: The steps of those that have one of their own.
        densities: The share of nonzeros of those that are to be pruned, too.
        forms: The forms of those that are to be int8.
        progress: Called after each weight.

    Raises:
        ModelError: The data of a weight cannot be read.
        OptionError: A density is out of range.
        WorkersError: Those who do the work are gone, or cannot do it.
    """

    def calls() -> Iterator[Call]:
        for planned, known in known_weights(plan, statistics):
            name = planned.weight.name
            step = (given or {}).get(name)
            if step is None:
                step = float(steps_of(lambda_, np.array([importance.get(name, 0.0)]), np.array([known.pivot]))[0])
            build.steps[name] = step
            most = (1 << planned.settings.bits) - 1
            yield planned.weight, known, step, (densities or {}).get(name), most, (forms or {}).get(name)

    build = Build({}, list(statistics.skips.values()))
    weights = [planned.weight for planned in calibrated_weights(plan)]
    for done, (weight, rounded) in enumerate(zip(weights, plan.mapper(_round, calls()), strict=True), start=1):
        if isinstance(rounded, WeightError):
            build.skips.append(Skip(weight.name, SkipCode.UNFIT, str(rounded), size=weight.size))
        else:
            build.weights[weight.name] = rounded
        if progress is not None:
            progress(weight.name, done, len(weights))
    return build


def _round(
    array: np.ndarray, known: Known, step: float, density: float | None, most: int, form: Form | None
) -> CalibratedWeight | WeightError:
    """Return a weight on its grid, or why it cannot be."""
    task = WeightTask.of(array, known)
    try:
        return task.round(step, density, most) if form is None else task.round_to_int8(step, form, density, most)
    except WeightError as error:
        return error


def densities_of(
    plan: Plan, statistics: Statistics, importance: Mapping[str, float], density: float, least: float
) -> dict[str, float]:
    """Return the density of each layer if one threshold of what a zero costs the outputs holds for all.

    Args:
        plan: The weights, with their values from before.
        statistics: What is known of them.
        importance: What each matters, from ``sensitivity.importances``.
        density: The density of all layers together, 0..1.
        least: The density that each has at least.

    Raises:
        ModelError: The data of a weight cannot be read.
    """
    salient = {
        name: task.saliency() * np.float32(importance.get(name, 0.0))
        for name, task in tasks_of(plan, statistics)
        if task.inputs is not None
    }
    return dict(zip(salient, shared_densities(list(salient.values()), density, least), strict=True))


def put(plan: Plan, build: Build) -> None:
    """Put rounded weights and their biases into the model of a plan: the one that they come from, or a copy of it."""
    biases = layers_of(plan).biases
    for planned in calibrated_weights(plan):
        rounded = build.weights.get(planned.weight.name)
        if rounded is None:
            continue
        planned.weight.replace(rounded.values)
        if rounded.bias is not None:
            biases[planned.weight.name].put(rounded.bias, plan.model)

"""Prune and round all weights of a plan by what is known of their inputs: one lambda says how finely."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.statistics import Statistics
from onnxdc.calibration.tasks import calibrated_weights, known_weights, tasks_of
from onnxdc.calibration.weight import CalibratedWeight, Known, WeightTask
from onnxdc.errors import WeightError
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.weights import Weight
from onnxdc.numeric.calibrated.int8 import Form
from onnxdc.numeric.calibrated.steps import steps_of
from onnxdc.numeric.calibrated.zeros import shared_densities
from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Progress
from onnxdc.workers.mapper import Call


@dataclass(frozen=True)
class Build:
    """The weights of a plan on grids, or with zeros.

    Attributes:
        weights: The new weights by name.
        skips: Why something is not as it could be: weights that could not be worked on (``UNFIT``), and those that were
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
    pruned: Collection[str] = (),
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
        pruned: The names of those that were pruned by ``prune``.
        forms: The forms of those that are to be int8; None in a model of floats. Beside weights of int8, others stay as
            they are if they are on grids already, as those do.
        progress: Called after each weight.

    Raises:
        ModelError: The data of a weight cannot be read.
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
            yield planned.weight, known, step, most, name in pruned, (forms or {}).get(name), forms is not None

    build = Build({}, list(statistics.skips.values()))
    weights = [planned.weight for planned in calibrated_weights(plan)]
    _collect(build, weights, plan.mapper(_round, calls()), progress)
    return build


def prune(
    plan: Plan, statistics: Statistics, densities: Mapping[str, float], *, progress: Progress | None = None
) -> Build:
    """Prune weights, the others of each layer making up for its zeros; the model is not changed.

    Args:
        plan: The weights, with their values from before.
        statistics: What is known of them.
        densities: The share of nonzeros of those that are to be pruned; of others, and where nothing is known of a
            weight's inputs, nothing is made.
        progress: Called after each weight.

    Raises:
        ModelError: The data of a weight cannot be read.
        OptionError: A density is out of range.
        WorkersError: Those who do the work are gone, or cannot do it.
    """
    names = [name for name in densities if name in statistics.layers]
    planned = tuple(planned for planned in plan.weights if planned.weight.name in names)
    calls = (
        (planned.weight, known, densities[planned.weight.name])
        for planned, known in known_weights(replace(plan, weights=planned), statistics)
    )
    build = Build({}, [])
    _collect(build, [each.weight for each in planned], plan.mapper(_prune, calls), progress)
    return build


def _collect(
    build: Build,
    weights: Sequence[Weight],
    made: Iterable[CalibratedWeight | WeightError],
    progress: Progress | None,
) -> None:
    """Put what came of weights into a build, one after the other."""
    for done, (weight, calibrated) in enumerate(zip(weights, made, strict=True), start=1):
        if isinstance(calibrated, WeightError):
            build.skips.append(Skip(weight.name, SkipCode.UNFIT, str(calibrated), size=weight.size))
        else:
            build.weights[weight.name] = calibrated
        if progress is not None:
            progress(weight.name, done, len(weights))


def _round(
    array: np.ndarray, known: Known, step: float, most: int, pruned: bool, form: Form | None, stays: bool
) -> CalibratedWeight | WeightError:
    """Return a weight on its grid, which may be the one that it has, or why it cannot be."""
    task = WeightTask.of(array, known)
    try:
        if form is not None:
            return task.round_to_int8(step, form, most, pruned=pruned)
        kept = task.kept() if stays else None
        return kept or task.round(step, most, pruned=pruned)
    except WeightError as error:
        return error


def _prune(array: np.ndarray, known: Known, density: float) -> CalibratedWeight | WeightError:
    """Return a pruned weight, or why it cannot be."""
    try:
        return WeightTask.of(array, known).prune(density)
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
    """Put new weights and their biases into the model of a plan: the one that they come from, or a copy of it."""
    biases = layers_of(plan).biases
    for planned in calibrated_weights(plan):
        rounded = build.weights.get(planned.weight.name)
        if rounded is None:
            continue
        planned.weight.replace(rounded.values)
        if rounded.bias is not None:
            biases[planned.weight.name].put(rounded.bias, plan.model)

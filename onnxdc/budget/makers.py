"""How builds are made: by what the weights alone tell, or by what their inputs in data tell, too."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from onnxdc.budget.builds import Build
from onnxdc.calibration.build import Build as Rounded
from onnxdc.calibration.build import calibrate, densities_of, put
from onnxdc.calibration.build import prune as prune_by_moments
from onnxdc.calibration.gather import gather
from onnxdc.calibration.sensitivity import Sensitivity, has_convolutions, importances, measure
from onnxdc.calibration.statistics import Statistics, nothing_known
from onnxdc.calibration.tasks import calibrated_weights, tasks_of
from onnxdc.graph.skips import Skip
from onnxdc.graph.slots import Role
from onnxdc.model_io.feeds import Feed
from onnxdc.numeric.calibrated.int8 import Form
from onnxdc.numeric.energy import energy_lost
from onnxdc.numeric.grid_rounding import root_mean_square, rounded_step
from onnxdc.passes.plan import Plan, PlannedWeight
from onnxdc.passes.prune import prune
from onnxdc.passes.result import Figures, Shared
from onnxdc.passes.share import share
from onnxdc.request import StageProgress, stage_progress

_USUAL: Final = 0.6  # standard deviations: where to begin, about a ninth of the bytes
# Of the density of all layers together, what each has at least, with and without convolutions in the model: at density
# 0.5 the f of ResNet-56 is 0.094, 0.066 and 0.076 at 0.1, 0.7 and 0.9, that of MiniLM 0.072, 0.069 and 0.069 at 0.3,
# 0.8 and 0.9, for the same bytes.
_LEAST_DENSITY: Final = {True: 0.7, False: 0.9}


class DataFree:
    """Builds without data: all steps grow together from those that the recipe says.

    Args:
        plan: The weights, pruned if they are to be.
        progress: Called after each weight of each build.
    """

    start = 0.0
    """The strength at which the steps are those of the recipe."""

    skips: Sequence[Skip] = ()
    """The weights that were not calibrated: none was to be."""

    prunes = False
    """Whether builds have zeros that were chosen by what they cost."""

    def __init__(self, plan: Plan, progress: StageProgress | None = None) -> None:
        self._plan, self._progress = plan, progress

    def __call__(self, strength: float) -> Build:
        """Return the build at a strength."""
        factor = 2 ** (strength / 2)
        plan = self._plan.copy()
        plan = dataclasses.replace(plan, weights=tuple(_coarser(planned, factor) for planned in plan.weights))
        return Build(plan, share(plan, progress=stage_progress("share", self._progress)), _planned_steps(plan))

    def rounded(self, strength: float, forms: Mapping[str, Form] | None = None) -> Rounded:
        """Return the rounded weights at a strength, some of them as int8."""
        weights = calibrated_weights(self._plan)
        given = {planned.weight.name: _own_step(planned, 2 ** (strength / 2)) for planned in weights}
        progress = stage_progress("round", self._progress)
        return calibrate(self._plan, nothing_known(), {}, 1.0, given=given, forms=forms, progress=progress)

    def built(self, made: Rounded) -> Build:
        """Return the build of rounded weights."""
        return _built(self._plan, made, {})


class Calibrated:
    """Builds by the moments of each layer's inputs, see ``calibration/``.

    Args:
        plan: The weights. Those that are pruned by a threshold or a quality, or without anything being known of their
            inputs, are pruned by magnitude here.
        feeds: The data.
        memory: The bytes to get by with; without, a quarter of the machine's.
        mask_input: The input that is zero at padded positions, see ``gather``.
        scores: Whether the first output is known to hold the scores of classes.
        sensitivities: What ``measure`` found of each weight before; without, it is found, if anything depends on it.
        custom_ops: Libraries of somebody's own operators that the model needs.
        progress: Called as the work goes on.

    Raises:
        ModelError: The model cannot be run on these feeds, or the data of a weight cannot be read.
        OptionError: There is no such mask.
    """

    def __init__(
        self,
        plan: Plan,
        feeds: Sequence[Feed],
        *,
        memory: int | None = None,
        mask_input: str | None = None,
        scores: bool = False,
        sensitivities: Mapping[str, Sensitivity] | None = None,
        custom_ops: Sequence[str | os.PathLike[str]] = (),
        progress: StageProgress | None = None,
    ) -> None:
        self._plan, self._progress = plan, progress
        self._statistics = gather(
            *(plan, feeds),
            memory=memory,
            mask_input=mask_input,
            custom_ops=custom_ops,
            progress=stage_progress("calibrate", progress),
        )
        _prune_by_magnitude(plan, self._statistics)
        is_settled = says_all_steps(plan)
        if sensitivities is None and is_settled and plan.recipe.global_density is None:
            sensitivities = {}
        elif sensitivities is None:
            sensitivities = measure(
                *(plan, self._statistics, feeds),
                scores=scores,
                custom_ops=custom_ops,
                progress=stage_progress("measure", progress),
            )
        self.sensitivities = sensitivities
        convolutions = has_convolutions(plan)
        self.importances = importances(self.sensitivities, measured=not convolutions)
        self._given = _given_steps(plan)
        self._densities = _densities(plan, self._statistics, self.importances, _LEAST_DENSITY[convolutions])
        self._pruned = self._prune()
        self.start = 0.0 if is_settled else self._usual_strength()

    @property
    def prunes(self) -> bool:
        """Whether builds have zeros that were chosen by what they cost."""
        return bool(self._densities)

    @property
    def skips(self) -> Sequence[Skip]:
        """The weights that were not calibrated, with the reason."""
        return list(self._statistics.skips.values())

    def __call__(self, strength: float) -> Build:
        """Return the build at a strength, which is the logarithm of lambda."""
        return self.built(self.rounded(strength))

    def rounded(self, strength: float, forms: Mapping[str, Form] | None = None) -> Rounded:
        """Return the rounded weights at a strength, some of them as int8."""
        return calibrate(
            *(self._pruned, self._statistics, self.importances, 2.0**strength),
            given=self._given,
            pruned=self._densities,
            forms=forms,
            progress=stage_progress("round", self._progress),
        )

    def built(self, made: Rounded) -> Build:
        """Return the build of rounded weights."""
        is_ranked = self._plan.recipe.global_density is not None
        return _built(self._plan, made, self._densities if is_ranked else {})

    def _prune(self) -> Plan:
        """Return a plan with pruned weights where there is something to prune: all builds have the same zeros."""
        if not self._densities:
            return self._plan
        plan = self._plan.copy()
        progress = stage_progress("prune", self._progress)
        put(plan, prune_by_moments(plan, self._statistics, self._densities, progress=progress))
        return plan

    def _usual_strength(self) -> float:
        """Return the strength at which weights have as many bits as steps of 0.6 standard deviations would give."""
        octaves, elements = 0.0, 0
        for name, task in tasks_of(self._plan, self._statistics):
            cost = self.importances.get(name, 0.0) * task.pivot
            deviation = float(np.std(task.array, dtype=np.float64))
            if cost > 0 and deviation > 0:
                octaves += task.array.size * (2 * math.log2(_USUAL * deviation) + math.log2(cost))
                elements += task.array.size
        return octaves / elements if elements else 0.0


def _built(plan: Plan, made: Rounded, densities: Mapping[str, float]) -> Build:
    """Return the build of rounded weights; the plan is that of the weights before."""
    before = {planned.weight.name: planned.weight for planned in plan.weights}
    plan = plan.copy()
    put(plan, made)
    result = share(plan)  # what is not on a grid yet: the rest has few values already
    result.skips = [skip for skip in result.skips if skip.name not in made.weights]
    for planned in plan.weights:
        name = planned.weight.name
        if name in made.weights:
            result.changes.append(_shared(planned, before[name].array(), made.weights[name].step))
    steps = _planned_steps(plan)
    for name, rounded in made.weights.items():
        # Beyond the largest magnitude steps are all the same, and what was rounded once is rounded so again.
        step = min(made.steps[name], rounded.step or math.inf)
        steps[name] = rounded_step(step) / root_mean_square(before[name].array())
    return Build(plan, result, steps, densities)


def says_all_steps(plan: Plan) -> bool:
    """Tell whether rules say the step of each weight on a grid, so that there is one build only."""
    return all(planned.has_own_step for planned in calibrated_weights(plan))


def _planned_steps(plan: Plan) -> dict[str, float]:
    """Return the steps that are planned, by name."""
    weights = ((planned.weight.name, planned.settings.step) for planned in calibrated_weights(plan))
    return {name: step for name, step in weights if step is not None}


def _own_step(planned: PlannedWeight, factor: float) -> float:
    """Return the step of a weight, times a factor unless a rule gives it."""
    step = _coarser(planned, factor).settings.step
    assert step is not None, "weights on a grid have a step"
    return step * root_mean_square(planned.weight.array())


def _coarser(planned: PlannedWeight, factor: float) -> PlannedWeight:
    """Return a weight of a plan with its step times a factor, unless it has none or a rule gives it."""
    step = planned.settings.step
    if step is None or planned.has_own_step:
        return planned
    return dataclasses.replace(planned, settings=dataclasses.replace(planned.settings, step=step * factor))


def _prune_by_magnitude(plan: Plan, statistics: Statistics) -> None:
    """Prune the weights that second moments do not prune."""
    weights = tuple(
        planned
        for planned in plan.having(Role.WEIGHT)
        if planned.settings.prunes
        and (planned.settings.density is None or planned.weight.name not in statistics.layers)
    )
    if weights:
        recipe = dataclasses.replace(plan.recipe, global_density=None)
        prune(dataclasses.replace(plan, weights=weights, recipe=recipe))


def _given_steps(plan: Plan) -> dict[str, float]:
    """Return the steps that rules give, by name."""
    return {
        planned.weight.name: planned.settings.step * root_mean_square(planned.weight.array())
        for planned in calibrated_weights(plan)
        if planned.settings.step is not None and planned.has_own_step
    }


def _densities(plan: Plan, statistics: Statistics, importance: Mapping[str, float], least: float) -> dict[str, float]:
    """Return the density of each weight that is to be pruned by what its zeros cost."""
    own = {
        planned.weight.name: planned.settings.density
        for planned in plan.having(Role.WEIGHT)
        if planned.settings.density is not None
    }
    if plan.recipe.global_density is None:
        return own
    density = plan.recipe.global_density
    return densities_of(plan, statistics, importance, density, least * density) | own


def _shared(planned: PlannedWeight, before: np.ndarray, step: float | None) -> Shared:
    after = planned.weight.array()
    steps = None if step is None else (step,)
    lost = energy_lost(before, after)
    return Shared(planned.weight.info, Figures.of(before), Figures.of(after), lost, steps)

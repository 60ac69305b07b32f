"""Prune: set the small elements of each weight to zero (Han et al. 2016, section 2)."""

from __future__ import annotations

import dataclasses

import numpy as np

from onnxdc.errors import WeightError
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Role
from onnxdc.graph.weights import Weight, WeightInfo
from onnxdc.numeric import pruning
from onnxdc.numeric.arrays import require_finite
from onnxdc.numeric.energy import energy_lost
from onnxdc.passes.plan import Outcome, Plan, PlannedWeight, only, replace_values, work_on_each
from onnxdc.passes.result import Figures, Progress, Pruned, Result
from onnxdc.recipe import Settings


def prune(plan: Plan, *, progress: Progress | None = None) -> Result[Pruned]:
    """Prune each weight in that role by the density, the threshold or the quality factor that the plan has for it.

    Weights stay dense tensors of the same name, type and shape, with zeros in them. With the recipe's
    ``global_density`` the weights that have no number of their own are ranked together, and share one threshold.

    Args:
        plan: The weights; their model is changed in place.
        progress: Called after each weight.

    Raises:
        ModelError: The data of a weight cannot be read.
    """
    if plan.recipe.global_density is not None:
        plan = _rank_together(plan, plan.recipe.global_density)
    return work_on_each(plan, prune_weight, replace_values, progress, only(Role.WEIGHT))


def prune_weight(array: np.ndarray, settings: Settings, weight: WeightInfo) -> Outcome[Pruned, np.ndarray] | Skip:
    """Prune the values of one weight.

    Raises:
        WeightError: The values cannot be pruned: one is NaN or infinite.
    """
    criterion = settings.pruning_key
    if criterion is None:
        return Skip(weight.name, SkipCode.NOTHING_ASKED, "nothing says how to prune it")
    value = getattr(settings, criterion)
    before = Figures.of(array)
    pruned = pruning.prune(array, **{criterion: value})
    after = Figures.of(pruned)
    if after == before:
        reason = f"{criterion} {value:.4g} removes nothing, density is {before.density:.4g} already"
        return Skip(weight.name, SkipCode.NOTHING_TO_DO, reason)
    return Outcome(Pruned(weight, before, after, criterion, value, energy_lost(array, pruned)), pruned)


def _rank_together(plan: Plan, density: float) -> Plan:
    """Give the weights without a number of their own the threshold that leaves ``density`` of them all."""
    ranked = {
        planned.weight
        for planned in plan.having(Role.WEIGHT)
        if planned.settings.pruning_key is None and not planned.settings.skip
    }
    # A weight with NaN has no rank. It gets the threshold nevertheless, and is skipped for the NaN in its turn.
    arrays = [
        planned.weight.array() for planned in plan.weights if planned.weight in ranked and _is_finite(planned.weight)
    ]
    threshold = pruning.global_threshold(arrays, density)
    weights = tuple(
        _with_threshold(planned, threshold) if planned.weight in ranked else planned for planned in plan.weights
    )
    return dataclasses.replace(plan, weights=weights)


def _with_threshold(planned: PlannedWeight, threshold: float) -> PlannedWeight:
    return dataclasses.replace(planned, settings=dataclasses.replace(planned.settings, threshold=threshold))


def _is_finite(weight: Weight) -> bool:
    try:
        require_finite(weight.array())
    except WeightError:
        return False
    return True

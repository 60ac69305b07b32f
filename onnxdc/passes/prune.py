"""Prune: set the small elements of each weight to zero (Han et al. 2016, section 2)."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx_ir as ir

from onnxdc.errors import WeightError
from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight
from onnxdc.numeric import pruning
from onnxdc.numeric.arrays import require_finite
from onnxdc.passes.plan import Plan, change_each, plan_weights
from onnxdc.passes.result import Change, Figures, PassResult, Progress
from onnxdc.recipe import PRUNING, Recipe, Settings


def prune(model: ir.Model, recipe: Recipe | None = None, *, progress: Progress | None = None) -> PassResult:
    """Prune each weight by the density, the threshold or the quality factor that the recipe gives for it.

    Weights stay dense tensors of the same name, type and shape, with zeros in them. With ``recipe.global_density`` the
    weights that have no number of their own are ranked together, and share one threshold.

    Args:
        model: changed in place.
        recipe: without one nothing is pruned.
        progress: called after each weight.

    Raises:
        ModelError: the model is compressed already, or the data of a weight cannot be read.
        RecipeError: a rule matches no weight.
    """
    recipe = recipe or Recipe()
    plan, skips = plan_weights(model, recipe)
    if recipe.global_density is not None:
        plan = _rank_together(plan, recipe.global_density)
    return change_each(model, plan, skips, _prune_one, progress)


def _prune_one(weight: Weight, settings: Settings, array: np.ndarray) -> Change | Skip:
    criteria = {name: getattr(settings, name) for name in PRUNING if getattr(settings, name) is not None}
    if not criteria:
        return Skip(weight.name, "nothing says how to prune it")
    before = Figures.of(array)
    pruned = pruning.prune(array, **criteria)
    after = Figures.of(pruned)
    how = ", ".join(f"{name} {value:.4g}" for name, value in criteria.items())
    if after == before:
        return Skip(weight.name, f"{how} removes nothing, density is {before.density:.4g} already")
    weight.replace(pruned)
    return Change(weight.name, "pruned", how, weight.kind, weight.shape, before, after)


def _rank_together(plan: Plan, density: float) -> Plan:
    """Give the weights without a number of their own the threshold that leaves ``density`` of them all."""
    ranked = {weight.name for weight, settings in plan if not settings.prunes and not settings.skip}
    # A weight with NaN has no rank. It gets the threshold nevertheless, and is skipped for the NaN in its turn.
    arrays = [weight.array() for weight, _ in plan if weight.name in ranked and _is_finite(weight)]
    threshold = pruning.global_threshold(arrays, density)
    return [
        (weight, dataclasses.replace(settings, threshold=threshold) if weight.name in ranked else settings)
        for weight, settings in plan
    ]


def _is_finite(weight: Weight) -> bool:
    try:
        require_finite(weight.array())
    except WeightError:
        return False
    return True

"""Share: give the nonzeros of each weight a few common values (Han et al. 2016, section 3)."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx_ir as ir

from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight
from onnxdc.numeric.arrays import bit_patterns, distinct_nonzero
from onnxdc.numeric.codebook import share as share_array
from onnxdc.passes.plan import change_each, plan_weights
from onnxdc.passes.result import Change, Figures, PassResult, Progress
from onnxdc.recipe import Recipe, Settings


def share(model: ir.Model, recipe: Recipe | None = None, *, progress: Progress | None = None) -> PassResult:
    """Replace the nonzeros of each weight by at most ``2^bits - 1`` values, found by k-means; zeros stay zero.

    Weights stay dense tensors of the same name, type and shape. One that has few values already is left as it is.

    Args:
        model: changed in place.
        recipe: ``bits``, ``init`` and ``groups`` of each weight, and the seed.
        progress: called after each weight.

    Raises:
        ModelError: the model is compressed already, or the data of a weight cannot be read.
        RecipeError: a rule matches no weight.
    """
    recipe = recipe or Recipe()
    plan, skips = plan_weights(model, recipe)
    return change_each(model, plan, skips, partial(_share_one, recipe.seed), progress)


def _share_one(seed: int, weight: Weight, settings: Settings, array: np.ndarray) -> Change | Skip:
    if settings.groups > 1 and weight.channel_axis is None:
        return Skip(weight.name, f"{settings.groups} groups, but which axis holds its output channels is not known")
    shared = share_array(
        array,
        bits=settings.bits,
        init=settings.init,
        seed=seed,
        groups=settings.groups,
        group_axis=weight.channel_axis or 0,
    )
    values = distinct_nonzero(bit_patterns(shared), settings.groups << settings.bits)
    assert values is not None, f"{weight.name} has more values than its codebooks"
    if np.array_equal(bit_patterns(shared), bit_patterns(array)):
        return Skip(weight.name, f"shared already: {values.size} values besides zero fit {settings.bits} bits")
    weight.replace(shared)
    before, after = Figures.of(array), Figures.of(shared, distinct=values.size)
    how = f"{settings.init} initialisation" + (f", {settings.groups} groups" if settings.groups > 1 else "")
    return Change(weight.name, "shared", how, weight.kind, weight.shape, before, after, bits=settings.bits)

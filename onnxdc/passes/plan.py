"""Do something to each weight of a model that the recipe does not leave alone, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from onnxdc.domain.compressed import refuse_compressed
from onnxdc.errors import WeightError
from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight, find_weights
from onnxdc.passes.result import Change, PassResult, Progress
from onnxdc.recipe import Recipe, Settings

Plan = list[tuple[Weight, Settings]]
Work = Callable[[Weight, Settings, np.ndarray], Change | Skip]


def plan_weights(model: ir.Model, recipe: Recipe) -> tuple[Plan, list[Skip]]:
    """The weights of the model with what the recipe says about each, and the constants that are no weights.

    Raises:
        ModelError: the model is compressed already.
        RecipeError: a rule matches no weight.
    """
    refuse_compressed(model)
    weights, skips = find_weights(model, recipe.min_elements)
    settings = recipe.resolve(weights, skips)
    return [(weight, settings[weight.name]) for weight in weights], skips


def change_each(
    model: ir.Model, plan: Plan, skips: list[Skip], work: Work, progress: Progress | None = None
) -> PassResult:
    """Call ``work`` for each weight with its values; only one weight is read at a time.

    What numeric code refuses (``WeightError``: NaN, groups that do not fit the shape) becomes a skip with that reason.
    """
    result = PassResult(model, skips=list(skips))
    for done, (weight, settings) in enumerate(plan, start=1):
        found = _try(work, weight, settings)
        if isinstance(found, Change):
            result.changes.append(found)
        else:
            result.skips.append(found)
        if progress is not None:
            progress(weight.name, done, len(plan))
    return result


def _try(work: Work, weight: Weight, settings: Settings) -> Change | Skip:
    if settings.skip:
        return Skip(weight.name, "left alone by the recipe")
    try:
        return work(weight, settings, weight.array())
    except WeightError as error:
        return Skip(weight.name, str(error))

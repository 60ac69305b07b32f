"""How dense which weights are to become: what a recipe says about the weights of a model, in numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxdc.errors import RecipeError
from onnxdc.graph.weights import Weight
from onnxdc.numeric import pruning
from onnxdc.passes.plan import Plan, plan_weights
from onnxdc.recipe import PRUNING, Recipe, Settings


@dataclass(frozen=True)
class Ranking:
    """Weights whose elements are ranked together by magnitude, so that the largest stay.

    Attributes:
        names: of the weights.
        start: their density before training, nnz over elements of them all.
        target: their density in the end, not above ``start``.
    """

    names: tuple[str, ...]
    start: float
    target: float


def rankings(model: ir.Model, recipe: Recipe, shared: Collection[str], *, regrow: bool) -> list[Ranking]:
    """The rankings that a recipe asks for: a weight with a number of its own alone, those of ``global_density`` as one.

    A threshold or a quality factor becomes the density that it leaves of the weight as it is now.

    Args:
        model: not changed.
        recipe: what to prune.
        shared: the weights with shared values, which cannot be pruned any more.
        regrow: whether weights that are pruned already, and that the recipe leaves alone, are ranked as well, so that
            they change places at the density that they have.

    Raises:
        RecipeError: a rule matches no weight, or asks for a shared one to be pruned.
    """
    plan, _ = plan_weights(model, recipe)
    together = [weight for weight, settings in plan if _ranks_together(settings, recipe)]
    alone = [(weight, settings) for weight, settings in plan if settings.prunes and not settings.skip]
    for weight in (*together, *(weight for weight, _ in alone)):
        if weight.name in shared:
            raise RecipeError(f"{weight.name}: shared already, expected a weight that is not, to prune it")
    found = [_ranking([weight], _target(weight, settings)) for weight, settings in alone]
    if together:
        assert recipe.global_density is not None
        found.append(_ranking(together, recipe.global_density))
    if regrow:
        found += _unchanged(plan, {name for ranking in found for name in ranking.names} | set(shared))
    return found


def _ranks_together(settings: Settings, recipe: Recipe) -> bool:
    return recipe.global_density is not None and not settings.prunes and not settings.skip


def _target(weight: Weight, settings: Settings) -> float:
    """The density that the settings leave of a weight."""
    criteria = {name: getattr(settings, name) for name in PRUNING if getattr(settings, name) is not None}
    return _density([pruning.prune(weight.array(), **criteria)])


def _ranking(weights: list[Weight], target: float) -> Ranking:
    start = _density([weight.array() for weight in weights])
    return Ranking(tuple(weight.name for weight in weights), start, min(start, target))


def _unchanged(plan: Plan, others: Collection[str]) -> list[Ranking]:
    """Rankings of the weights that have zeros, at the density that they have."""
    found = [_ranking([weight], 1.0) for weight, settings in plan if weight.name not in others and not settings.skip]
    return [ranking for ranking in found if ranking.start < 1]


def _density(arrays: list[np.ndarray]) -> float:
    return sum(int(np.count_nonzero(array)) for array in arrays) / max(1, sum(array.size for array in arrays))

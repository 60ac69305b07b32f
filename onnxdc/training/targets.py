"""How dense which weights are to become: what a recipe says about the weights of a model, in numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.errors import RecipeError, WeightError
from onnxdc.graph.slots import Role
from onnxdc.graph.weights import Weight
from onnxdc.hooks.weight import LEAST_PRUNED
from onnxdc.numeric import pruning
from onnxdc.numeric.calibrated.int8 import PAIR
from onnxdc.numeric.weight import MAX_CODES
from onnxdc.passes.plan import PlannedWeight, plan_weights
from onnxdc.recipe import Recipe, Settings
from onnxdc.torch.grid import GridStart

_INT8_VALUES: Final = PAIR - 1  # besides zero: then any two integers of one sign add up to less than that


@dataclass(frozen=True)
class Ranking:
    """Weights whose elements are ranked together by magnitude, so that the largest stay.

    Attributes:
        names: The names of the weights.
        start: Their density before training, nnz over elements of them all.
        target: Their density in the end, not above ``start``.
    """

    names: tuple[str, ...]
    start: float
    target: float


def rankings(model: ir.Model, recipe: Recipe, shared: Collection[str], *, regrow: bool) -> list[Ranking]:
    """Return the rankings that a recipe asks for.

    A weight with a number of its own has a ranking of its own, those of ``global_density`` have one together. From a
    threshold or a quality factor comes the density that it leaves of the weight as it is now.

    Args:
        model: The model; it is not changed.
        recipe: What to prune.
        shared: The names of the weights with shared values, which cannot be pruned any more.
        regrow: Whether weights that are pruned already, and that the recipe leaves alone, are ranked as well, so that
            they change places at the density that they have.

    Raises:
        RecipeError: A rule matches no weight, or a weight cannot be pruned as is said: it is shared already, or its
            threshold would be infinite.
    """
    plan = plan_weights(model, recipe).having(Role.WEIGHT)
    together = [planned.weight for planned in plan if _ranks_together(planned.settings, recipe)]
    alone = [planned for planned in plan if planned.settings.prunes and not planned.settings.skip]
    for weight in (*together, *(planned.weight for planned in alone)):
        if weight.name in shared:
            raise RecipeError(f"{weight.name}: shared already, expected a weight that is not, to prune it")
    ranked = [_ranking([planned.weight], _target(planned)) for planned in alone]
    if together:
        assert recipe.global_density is not None
        ranked.append(_ranking(together, recipe.global_density))
    if regrow:
        ranked += _unchanged(plan, {name for ranking in ranked for name in ranking.names} | set(shared))
    return ranked


def grid_starts(model: ir.Model, recipe: Recipe, step: float, *, int8: bool = False) -> dict[str, GridStart]:
    """Return the grids that weights and tables begin on, by name; there is none for what is skipped or for k-means.

    Args:
        model: The model; it is not changed.
        recipe: Which weights to leave alone, the steps of others, and how many values they may have.
        step: The first step of a weight of which the recipe says none, in root mean squares of its nonzeros.
        int8: Whether the integers are to be such as an int8 model takes.

    Raises:
        RecipeError: A rule matches no weight.
    """
    return {
        planned.weight.name: GridStart(
            planned.settings.step if planned.has_own_step and planned.settings.step else step,
            min(2**planned.settings.bits - 1, _INT8_VALUES if int8 else MAX_CODES - 1),
            int8,
        )
        for planned in plan_weights(model, recipe).having(Role.WEIGHT, Role.TABLE)
        if not planned.settings.skip and planned.settings.sharing == "grid"
    }


def _ranks_together(settings: Settings, recipe: Recipe) -> bool:
    return recipe.global_density is not None and not settings.prunes and not settings.skip


def _target(planned: PlannedWeight) -> float:
    """Return the density that its settings leave of a weight."""
    key = planned.settings.pruning_key
    assert key is not None
    try:
        return _density([pruning.prune(planned.weight.array(), **{key: getattr(planned.settings, key)})])
    except WeightError as error:
        raise RecipeError(f"{planned.weight.name}: {error}") from error


def _ranking(weights: list[Weight], target: float) -> Ranking:
    start = _density([weight.array() for weight in weights])
    return Ranking(tuple(weight.name for weight in weights), start, min(start, target))


def _unchanged(plan: Sequence[PlannedWeight], others: Collection[str]) -> list[Ranking]:
    """Return rankings of the weights that are pruned, at the density that they have."""
    left = [planned.weight for planned in plan if planned.weight.name not in others and not planned.settings.skip]
    return [ranking for ranking in (_ranking([weight], 1.0) for weight in left) if ranking.start <= 1 - LEAST_PRUNED]


def _density(arrays: list[np.ndarray]) -> float:
    return sum(int(np.count_nonzero(array)) for array in arrays) / max(1, sum(array.size for array in arrays))

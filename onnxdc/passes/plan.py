"""The plan that passes work by: the weights of a model with what is to be done to each.

What a pass does to one weight is work: a function of its values, its settings and what else is known of it. It can be
pickled, so that another process or machine may do it: the plan's mapper says where. Only ``work_on_each`` gives weights
to it, and has outcomes put into a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import onnx_ir as ir

from onnxdc.domain.compressed import refuse_compressed
from onnxdc.errors import WeightError
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import FIXED, ROLES, Role
from onnxdc.graph.weights import Weight, WeightInfo, find_weights, why_no_weight
from onnxdc.passes.result import Progress, Record, Result
from onnxdc.recipe import Recipe, Settings
from onnxdc.workers import Mapper, here

Value = TypeVar("Value")


@dataclass(frozen=True)
class PlannedWeight:
    """A weight of the model, with what the recipe says about it.

    Attributes:
        weight: The weight in its model.
        settings: What is to be done to it.
        names: What rules call it: its name, and those of equal weights that became one with it.
        has_own_step: Whether a rule says which step it has.
    """

    weight: Weight
    settings: Settings
    names: tuple[str, ...] = ()
    has_own_step: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done to which weight of a model.

    It stays true while passes replace the values of weights; a pass that changes nodes, such as ``fold``, goes first.

    Attributes:
        model: The model, which passes change in place.
        recipe: The recipe that the plan follows.
        weights: The weights in the order of the model, tables and constants that can only be encoded among them.
        skips: The other constants that one might take for weights, with the reason.
        mapper: Where the work on the weights is done.
    """

    model: ir.Model
    recipe: Recipe
    weights: tuple[PlannedWeight, ...]
    skips: tuple[Skip, ...]
    mapper: Mapper = here

    def having(self, *roles: Role) -> tuple[PlannedWeight, ...]:
        """Return the weights of some roles."""
        return tuple(planned for planned in self.weights if planned.weight.role in roles)

    @property
    def constants(self) -> tuple[Skip, ...]:
        """Why the weights that can only be encoded are no weights to other stages."""
        return tuple(why_no_weight(planned.weight) for planned in self.having(*FIXED))

    def copy(self) -> Plan:
        """Return the plan of a copy of the model, which shares the data of its tensors until they are replaced."""
        model = self.model.clone()
        weights, _ = find_weights(model, self.recipe.min_elements, ROLES)
        known = {planned.weight.name: planned for planned in self.weights}
        own = tuple(replace(known[weight.name], weight=weight) for weight in weights)
        return replace(self, model=model, weights=own)


@dataclass(frozen=True)
class Outcome(Generic[Record, Value]):
    """What came of the work on one weight.

    Attributes:
        record: What is told of it.
        value: What replaces its values.
    """

    record: Record
    value: Value


Work: TypeAlias = Callable[[np.ndarray, Settings, WeightInfo], Outcome[Record, Value] | Skip]


def plan_weights(model: ir.Model, recipe: Recipe | None = None) -> Plan:
    """Find the weights of a model, and what the recipe says about each.

    Raises:
        ModelError: The model is compressed already.
        RecipeError: A rule matches no weight.
    """
    recipe = recipe or Recipe()
    refuse_compressed(model)
    weights, skips = find_weights(model, recipe.min_elements, ROLES)
    settings = recipe.resolve(weights, skips)
    planned = (
        PlannedWeight(weight, settings[weight.name], (weight.name,), recipe.gives_step(weight)) for weight in weights
    )
    return Plan(model, recipe, tuple(planned), tuple(skips))


def only(*roles: Role) -> Callable[[Weight], Skip | None]:
    """Return the obstacle of a stage that works on weights of these roles."""

    def obstacle(weight: Weight) -> Skip | None:
        return None if weight.role in roles else why_no_weight(weight)

    return obstacle


def work_on_each(
    plan: Plan,
    work: Work[Record, Value],
    put: Callable[[PlannedWeight, Outcome[Record, Value]], None],
    progress: Progress | None = None,
    obstacle: Callable[[Weight], Skip | None] = lambda weight: None,
) -> Result[Record]:
    """Do the work on each weight that the recipe does not leave alone; only as many are read as are worked on at once.

    Args:
        plan: The weights.
        work: What is done to the values of one. A ``WeightError`` becomes a skip with its text for a reason.
        put: Puts an outcome into the model, or keeps it.
        progress: Called after each weight.
        obstacle: Says why a weight cannot be worked on for where it is in the model.

    Raises:
        ModelError: The data of a weight cannot be read.
        WorkersError: Those who do the work are gone, or cannot do it.
    """
    result: Result[Record] = Result(plan.model, skips=list(plan.skips))
    alone = [_why_left_alone(planned, obstacle) for planned in plan.weights]
    worked_on = (planned for planned, skip in zip(plan.weights, alone, strict=True) if skip is None)
    calls = ((planned.weight, planned.settings, planned.weight.info) for planned in worked_on)
    outcomes = plan.mapper(partial(_try, work), calls)
    for done, (planned, skip) in enumerate(zip(plan.weights, alone, strict=True), start=1):
        outcome = skip or next(outcomes)
        if isinstance(outcome, Skip):
            result.skips.append(outcome)
        else:
            put(planned, outcome)
            result.changes.append(outcome.record)
        if progress is not None:
            progress(planned.weight.name, done, len(plan.weights))
    return result


def _why_left_alone(planned: PlannedWeight, obstacle: Callable[[Weight], Skip | None]) -> Skip | None:
    if planned.settings.skip:
        return Skip(planned.weight.name, SkipCode.RECIPE, "left alone by the recipe")
    return obstacle(planned.weight)


def _try(
    work: Work[Record, Value], array: np.ndarray, settings: Settings, weight: WeightInfo
) -> Outcome[Record, Value] | Skip:
    try:
        return work(array, settings, weight)
    except WeightError as error:
        return Skip(weight.name, SkipCode.UNFIT, str(error))


def replace_values(planned: PlannedWeight, outcome: Outcome[Record, np.ndarray]) -> None:
    """Replace the values of a weight by new ones of the same shape and type."""
    planned.weight.replace(outcome.value)

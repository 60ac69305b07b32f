"""What a caller of a verb asks for, as passes take it: a model of our own, a recipe, a plan, a progress."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.errors import ModelError
from onnxdc.graph.slots import Role
from onnxdc.model_io import Source
from onnxdc.passes.plan import Plan, plan_weights
from onnxdc.passes.result import Progress
from onnxdc.recipe import Recipe
from onnxdc.recipe.keys import Stage, keys_of
from onnxdc.report.nothing import no_weight

StageProgress: TypeAlias = Callable[[str, str, int, int], None]
"""Called as ``progress(stage, weight, done, total)`` after each weight of each stage."""


def recipe_of(recipe: Recipe | None, options: Mapping[str, Any], *stages: Stage) -> Recipe:
    """Return the recipe of a verb, with the keywords of its stages.

    Raises:
        TypeError: Another keyword was given, which a function refuses likewise.
    """
    known = {key.name for key in keys_of(*stages) if key.command_line}
    for name in options:
        if name not in known:
            raise TypeError(f"got an unexpected keyword argument {name!r}, expected one of {', '.join(sorted(known))}")
    return (recipe or Recipe()).with_options(**options)


def load(model: Source, *, upgrade: bool = True) -> tuple[ir.Model, int | None]:
    """Return a model of our own, and the bytes of its files."""
    loaded = model_io.load(model, upgrade=upgrade)
    return loaded, model_io.file_bytes(loaded)


def load_and_plan(
    model: Source, recipe: Recipe | None, options: Mapping[str, Any], roles: Collection[Role], *stages: Stage
) -> tuple[Plan, int | None]:
    """Return the plan of a verb for a model that it loads, and the bytes of the model's files."""
    recipe = recipe_of(recipe, options, *stages)
    loaded, before = load(model)
    return plan_for(loaded, recipe, model, roles), before


def plan_for(loaded: ir.Model, recipe: Recipe, source: Source, roles: Collection[Role]) -> Plan:
    """Return the plan for a model that is not compressed yet and has at least one weight of some roles."""
    refuse_compressed(loaded, source)
    plan = plan_weights(loaded, recipe)
    require(plan, source, roles)
    return plan


def refuse_compressed(loaded: ir.Model, source: Source) -> None:
    """Refuse a model that is compressed already."""
    if is_compressed(loaded):
        raise ModelError(f"{model_io.name_of(source)}: already compressed, expected a model that is not")


def require(plan: Plan, source: Source, roles: Collection[Role]) -> None:
    """Refuse a model that has no weight of some roles."""
    if not plan.having(*roles):
        raise ModelError(f"{model_io.name_of(source)}: {no_weight(plan)}")


def stage_progress(name: str, progress: StageProgress | None) -> Progress | None:
    """Return what a pass calls after each weight, which tells the stage as well; None if nobody listens."""
    return (lambda weight, done, total: progress(name, weight, done, total)) if progress else None

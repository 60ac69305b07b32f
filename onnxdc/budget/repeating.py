"""The recipe that makes a build again, bit for bit, without measuring or searching anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from onnxdc.budget.builds import Build
from onnxdc.graph.slots import Role
from onnxdc.passes.plan import PlannedWeight
from onnxdc.recipe import Options, Recipe, Rule, Settings
from onnxdc.recipe.writing import exactly


def repeating(build: Build) -> Recipe:
    """Return the recipe of a build with a rule for each weight, before those that it has; see ``Build.steps``.

    Equal weights that became one have a rule each, as they are told apart when a model is read again.

    Raises:
        RecipeError: A name or a step is none that a recipe can say.
    """
    recipe = build.plan.recipe
    if build.densities:
        recipe = dataclasses.replace(recipe, global_density=None)
    rules = [
        Rule(pattern=exactly(name), **said)
        for planned in build.plan.having(Role.WEIGHT, Role.TABLE)
        if (said := _said(planned, recipe, build))
        for name in planned.names
    ]
    return dataclasses.replace(recipe, rules=(*rules, *recipe.rules))


def _said(planned: PlannedWeight, recipe: Recipe, build: Build) -> Mapping[str, Any]:
    """Return what the rule of a weight has to say: what it would not be without one."""
    name, usual = planned.weight.name, recipe.without_rules(planned.weight)
    settings = {field.name: getattr(planned.settings, field.name) for field in dataclasses.fields(Settings)}
    said = {key: value for key, value in settings.items() if value is not None and value != getattr(usual, key)}
    if name in build.densities and not planned.settings.skip:
        said["density"] = build.densities[name]
    if name in build.steps:
        said["step"] = build.steps[name]
    else:
        said.pop("step", None)
    return Options(**said).said()

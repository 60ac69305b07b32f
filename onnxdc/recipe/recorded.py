"""What a recipe says, for the record in a compressed model: everything that is not a default, as plain values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from onnxdc.recipe.keys import CONDITIONS, DEFAULTS, Key, Stage, keys_of
from onnxdc.recipe.recipe import Recipe
from onnxdc.recipe.rule import Options, Rule


def recorded(recipe: Recipe, *stages: Stage) -> dict[str, Any]:
    """Return what some stages are told beyond their defaults.

    Args:
        recipe: The recipe.
        stages: The stages that run; what is said to others is left out.

    Returns:
        For each stage its keys, for ``"every"`` those that all of them heed, and ``"rules"``; the latter two only if
        there is anything to say.
    """
    keys = keys_of(*stages)
    values = {key.name: _said(recipe, key) for key in keys}
    said = {name: value for name, value in values.items() if value is not None and value != DEFAULTS[name]}
    content: dict[str, Any] = {
        stage: {key.name: said[key.name] for key in keys if _home(key, stages) == stage and key.name in said}
        for stage in (*stages, "every")
    }
    content["rules"] = _rules(recipe.rules, {key.name for key in keys})
    return {name: value for name, value in content.items() if value or name in stages}


def _home(key: Key, stages: Collection[Stage]) -> Stage:
    """Return the stage whose key it is among those that run."""
    return key.also if key.also is not None and key.stage not in stages else key.stage


def _said(recipe: Recipe, key: Key) -> Any:
    return getattr(recipe.defaults if key.of_weight else recipe, key.name)


def _rules(rules: Collection[Rule], names: Collection[str]) -> list[dict[str, Any]]:
    """Return the conditions and options of each rule; an empty list if none has an option of these names."""
    options = [{name: value for name, value in Options.said(rule).items() if name in names} for rule in rules]
    conditions = [
        {name: getattr(rule, name) for name in CONDITIONS if getattr(rule, name) is not None} for rule in rules
    ]
    return [before | after for before, after in zip(conditions, options, strict=True)] if any(options) else []

"""Write a recipe as the TOML text that ``Recipe.from_toml`` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onnxdc.recipe.keys import CONDITIONS, DEFAULTS, RECIPE_KEYS
from onnxdc.recipe.recipe import Recipe


def to_toml(recipe: Recipe, heading: str = "") -> str:
    """Return the text of a recipe, without what is a default; numbers come back bit for bit.

    Args:
        recipe: The recipe.
        heading: Lines to put first, as comments.
    """
    whole = {key: getattr(recipe, key) for key in RECIPE_KEYS}
    said = {key: value for key, value in whole.items() if value is not None and value != DEFAULTS[key]}
    tables = [_lines(said)]
    if recipe.defaults.said():
        tables.append(["[defaults]", *_lines(recipe.defaults.said())])
    for rule in recipe.rules:
        conditions = {name: getattr(rule, name) for name in CONDITIONS if getattr(rule, name) is not None}
        tables.append(["[[rule]]", *_lines(conditions | rule.said())])
    comments = [f"# {line}".rstrip() for line in heading.splitlines()]
    return "\n\n".join("\n".join(lines) for lines in [comments, *tables] if lines) + "\n"


def exactly(name: str) -> str:
    """Return the pattern that matches this name and no other."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(int(value)) if isinstance(value, int) else repr(float(value))

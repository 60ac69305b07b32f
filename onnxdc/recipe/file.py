"""Read a recipe from a TOML file; every error names the file and the line."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from onnxdc.errors import OptionError, RecipeError
from onnxdc.recipe.checks import told
from onnxdc.recipe.keys import KEYS, RECIPE_KEYS, check_value
from onnxdc.recipe.recipe import Recipe
from onnxdc.recipe.rule import Options, Rule
from onnxdc.recipe.toml_file import TomlFile
from onnxdc.shown import shown

_OF_WEIGHTS: Final = frozenset(key.name for key in KEYS if key.of_weight)


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe file; see ``Recipe.from_toml``."""
    file = TomlFile(path)
    defaults = file.data.get("defaults", {})
    rules = file.data.get("rule", [])
    if not isinstance(defaults, dict):
        raise RecipeError(f"{file.where(key='defaults')}: defaults: expected a table, got {told(defaults)}")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise RecipeError(f"{file.where(key='rule')}: rule: expected tables, each headed [[rule]]")
    _check_table(file, file.data, (*RECIPE_KEYS, "defaults", "rule"))
    fields: dict[str, Any] = {key: value for key, value in file.data.items() if key in RECIPE_KEYS}
    fields["rules"] = tuple(_read_options(file, Rule, rule, "rule", number) for number, rule in enumerate(rules))
    fields["defaults"] = _read_options(file, Options, defaults, "defaults")
    try:
        return Recipe(**fields)
    except OptionError as error:
        raise RecipeError(f"{file.name}: {error}") from error
    except RecipeError as error:
        raise RecipeError(f"{file.where(key='global_density')}: {error}") from error


_AnyOptions = TypeVar("_AnyOptions", bound=Options)


def _read_options(
    file: TomlFile, cls: type[_AnyOptions], table: dict[str, Any], header: str, number: int = 0
) -> _AnyOptions:
    """Return the options of one table of a recipe file, with file and line in front of every error."""
    known = [option.name for option in dataclasses.fields(cls) if option.name != "where"]
    _check_table(file, table, known, header, number)
    where = file.where(header, number)
    origin: dict[str, Any] = {"where": where} if cls is Rule else {}
    try:
        return cls(**table, **origin)
    except RecipeError as error:
        raise RecipeError(f"{where}: {header}: {error}") from error


def _check_table(
    file: TomlFile, table: dict[str, Any], known: Sequence[str], header: str = "", number: int = 0
) -> None:
    """Refuse unknown keys and bad values; the values of nested tables have their own turn."""
    for key, value in table.items():
        where = file.where(header, number, key)
        if key not in known:
            if not header and key in _OF_WEIGHTS:
                raise RecipeError(
                    f"{where}: {told(key)} is a key of weights, expected under [defaults] or in a [[rule]]"
                )
            nearest = difflib.get_close_matches(shown(key), known, n=3) or sorted(known)
            raise RecipeError(f"{where}: unknown key {told(key)}, expected {' or '.join(nearest)}")
        if key in ("defaults", "rule"):
            continue
        try:
            check_value(key, value)
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}") from error

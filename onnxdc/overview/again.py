"""What to run to get a compressed file again, by what it says of how it was made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from onnxdc.domain.provenance import Provenance
from onnxdc.errors import OptionError, RecipeError
from onnxdc.recipe import Options, Recipe, Rule
from onnxdc.recipe.keys import KEYS
from onnxdc.recipe.writing import to_toml
from onnxdc.report.overview import Again

_COMPRESS: Final = ("prune", "share", "encode")
_STAGES: Final = ("prune", "share", "quantize", "encode", "every")
_DATA: Final = "The data are not in the file: it takes the same again, calib.npz to calibrate on, val.npz to judge by."
_OTHER: Final = "What was encoded, model.onnx, has other weights than {original}; `{decode}` gives it back."
_KEYS: Final = {key.name: key for key in KEYS}


def again_of(made: Provenance, original: str, name: str, *, same: bool) -> Again | None:
    """Return what to run; None if the file says something that no command line does.

    Args:
        made: What the file says.
        original: The name of the original; empty if it is not known.
        name: The name of the file.
        same: Whether the weights of the file are those of the original, bit for bit: ``encode`` leaves them so.
    """
    options = made.options
    verb = "compress" if all(stage in options for stage in _COMPRESS) else "encode"
    is_of_another = verb == "encode" and bool(original) and not same
    words = ["onnxdc", verb, "model.onnx" if is_of_another or not original else _path(original), "-o", _path(name)]
    said = _said(options)
    if "quantize" in options:
        words.append("--int8")
    recipe = ""
    try:
        if options.get("rules"):
            recipe = to_toml(_recipe(said, options["rules"]))
            words += ["--recipe", "recipe.toml"]
        else:
            words += [word for key, value in said.items() for word in _words(key, value)]
    except (RecipeError, TypeError, KeyError, ValueError):
        return None
    wished, remark = _wished(_settings(options.get("budget")))
    if is_of_another:
        remark = _OTHER.format(
            original=original, decode=shlex.join(["onnxdc", "decode", _path(name), "-o", "model.onnx"])
        )
    return Again(shlex.join([*words, *wished]), recipe, remark)


def recipe_of(made: Provenance | None) -> Recipe:
    """Return the recipe that a file was made by, an empty one if it does not say which."""
    if made is None:
        return Recipe()
    try:
        return _recipe(_said(made.options), made.options.get("rules") or ())
    except (OptionError, RecipeError, TypeError, KeyError, ValueError):
        return Recipe()


def _path(name: str) -> str:
    """Return the name of a file as an argument, which no option begins like."""
    return f"./{name}" if name.startswith("-") else name


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all stages that ran were told."""
    return {key: value for stage in _STAGES for key, value in _settings(options.get(stage)).items()}


def _settings(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _words(key: str, value: Any) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if _KEYS[key].type is bool:
        return [flag if value else f"--no-{key.replace('_', '-')}"]
    return [flag, str(value)]


def _recipe(said: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> Recipe:
    made = [Rule(**rule) for rule in rules]
    return Recipe(defaults=Options(), rules=tuple(made)).with_options(**said)


def _wished(budget: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the words for data and a budget, and what is to be known of them."""
    words = ["--data", "calib.npz"] if "held_back" in budget else []
    if "target_size" in budget:
        words += ["--target-size", str(budget["target_size"])]
    if "max_drop" in budget:
        words += ["--val", "val.npz", "--metric", str(budget.get("metric", "f")), "--max-drop", str(budget["max_drop"])]
    return words, _DATA if any(word.endswith(".npz") for word in words) else ""

"""The table of keys and the places that say the same: dataclasses, keywords, the command line, the page of recipes."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import get_type_hints

import click
import pytest

import onnxdc
from onnxdc import Options, Recipe, Settings
from onnxdc.cli import cli
from onnxdc.recipe import keywords
from onnxdc.recipe.keys import DEFAULTS, KEYS, RECIPE_KEYS, Key, Stage, keys_of

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
STAGES: dict[str, tuple[Stage, ...]] = {
    "compress": ("prune", "share", "quantize", "encode"),
    "prune": ("prune",),
    "share": ("share",),
    "quantize": ("share", "quantize"),
    "encode": ("encode",),
    "inspect": (),
}


def of_weights() -> list[Key]:
    return [key for key in KEYS if key.of_weight]


def test_settings_and_options_have_a_field_for_each_key_of_a_weight() -> None:
    names = {key.name for key in of_weights()}
    assert {field.name for field in dataclasses.fields(Settings)} == names
    assert {field.name for field in dataclasses.fields(Options)} == names


def test_a_recipe_has_a_field_for_each_key_of_the_model() -> None:
    fields = {field.name for field in dataclasses.fields(Recipe)}
    assert fields == {"rules", "defaults", *RECIPE_KEYS}


def test_defaults_are_those_of_the_table() -> None:
    recipe = Recipe()
    assert {name: getattr(recipe, name) for name in RECIPE_KEYS} == {name: DEFAULTS[name] for name in RECIPE_KEYS}
    settings = Settings()
    for key in of_weights():
        if not key.usual:
            assert getattr(settings, key.name) == key.default, key.name


@pytest.mark.parametrize("key", [key for key in KEYS if key.default is not None], ids=lambda key: key.name)
def test_defaults_are_good_values_of_their_type(key: Key) -> None:
    assert type(key.default) is key.type
    assert key.check[0](key.default)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_help_is_a_sentence(key: Key) -> None:
    assert key.help[0].isupper()
    assert key.help.endswith((".", ")."))
    assert len(key.help.split()) >= 4


@pytest.mark.parametrize(("verb", "stages"), STAGES.items())
def test_verbs_take_the_keys_of_their_stages(verb: str, stages: tuple[Stage, ...]) -> None:
    hint = {
        "compress": keywords.CompressOptions,
        "prune": keywords.PruneOptions,
        "share": keywords.ShareOptions,
        "quantize": keywords.QuantizeOptions,
        "encode": keywords.EncodeOptions,
        "inspect": keywords.EveryOption,
    }[verb]
    names = {key.name for key in keys_of(*stages) if key.command_line}
    assert set(get_type_hints(hint)) == names
    annotation = inspect.signature(getattr(onnxdc, verb)).parameters["options"].annotation
    assert annotation == f"Unpack[{hint.__name__}]"
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        getattr(onnxdc, verb)("model.onnx", nonsense=1)


@pytest.mark.parametrize(("verb", "stages"), STAGES.items())
def test_commands_have_the_options_of_their_stages(verb: str, stages: tuple[Stage, ...]) -> None:
    command = cli.commands[verb]
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    for key in KEYS:
        expected = key.command_line and key in keys_of(*stages)
        assert (key.name in options) == expected, key.name
        if expected:
            assert options[key.name].opts == [f"--{key.name.replace('_', '-')}"]
            assert options[key.name].help is not None
            assert options[key.name].help.startswith(key.help)
            assert f"[default: {key.default_text}]" in options[key.name].help or not key.default_text


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_page_of_recipes_has_a_row_for_each_key(key: Key) -> None:
    assert f"| `{key.name}` | {key.default_text} | {key.help} |" in PAGE.splitlines()


def test_the_page_of_recipes_has_no_other_rows() -> None:
    rows = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    conditions = ["pattern", "op", "kind"]
    assert sorted(rows) == sorted([*conditions, *(key.name for key in KEYS)])

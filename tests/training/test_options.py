"""The table of training options and the places that say the same: keywords, the command line, the page."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_type_hints

import click
import pytest

import onnxdc
from onnxdc.cli import cli
from onnxdc.errors import OptionError
from onnxdc.recipe.keys import Key, keys_of
from onnxdc.training.keywords import FinetuneOptions
from onnxdc.training.options import TRAINING_KEYS, TrainingOptions

PAGE = (Path(__file__).parents[2] / "docs" / "finetune.md").read_text(encoding="utf-8")
COMMAND = {option.name: option for option in cli.commands["finetune"].params if isinstance(option, click.Option)}
# Options of the command that are no options of a training: files, and how to print.
OTHERS = {"output", "data", "dry_run", "val", "labels", "teacher", "recipe", "resume", "as_json", "quiet"}


def flag(key: Key) -> str:
    return f"--{key.name.replace('_', '-')}"


@pytest.mark.parametrize("key", TRAINING_KEYS, ids=lambda key: key.name)
def test_defaults_are_good_values_of_their_type(key: Key) -> None:
    assert key.default == getattr(TrainingOptions(), key.name)
    assert bool(key.default_text)
    if key.default is not None:
        assert type(key.default) is key.type
        assert key.check[0](key.default)


@pytest.mark.parametrize("key", TRAINING_KEYS, ids=lambda key: key.name)
def test_help_is_a_whole_phrase(key: Key) -> None:
    assert key.help[0].isupper()
    assert key.help.endswith(".")
    assert len(key.help.split()) >= 4


def test_the_verb_takes_the_options_of_training_and_of_pruning() -> None:
    names = {key.name for key in (*TRAINING_KEYS, *keys_of("prune")) if key.command_line}
    assert set(get_type_hints(FinetuneOptions)) == names
    assert inspect.signature(onnxdc.finetune).parameters["options"].annotation == "Unpack[FinetuneOptions]"


@pytest.mark.parametrize("key", TRAINING_KEYS, ids=lambda key: key.name)
def test_the_command_has_the_option(key: Key) -> None:
    option = COMMAND[key.name]
    assert option.opts == [flag(key)]
    assert option.help == f"{key.help}  [default: {key.default_text}]"
    assert getattr(option.type, "choices", ()) == key.choices


def test_the_command_has_no_others() -> None:
    assert set(COMMAND) == OTHERS | {key.name for key in (*TRAINING_KEYS, *keys_of("prune")) if key.command_line}


@pytest.mark.parametrize("key", TRAINING_KEYS, ids=lambda key: key.name)
def test_the_page_has_a_row_for_the_option(key: Key) -> None:
    assert f"| `{flag(key)}` | {key.default_text} | {key.help} |" in PAGE.splitlines()


def test_the_page_names_no_option_that_does_not_exist() -> None:
    flags = {flag for command in cli.commands.values() for option in command.params for flag in option.opts}
    assert set(re.findall(r"--[a-z][a-z0-9-]*", PAGE)) <= flags


def test_the_page_has_no_other_rows() -> None:
    table = PAGE.split("| option | default |")[1]
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `--")]
    assert rows == [flag(key) for key in TRAINING_KEYS]


@pytest.mark.parametrize("options", [{"regrow_by": "gradients"}, {"max_drop": 1.0}, {"rate": 1e-5}])
def test_options_that_go_with_others_need_them_however_they_are_made(options: dict[str, object]) -> None:
    for make in (TrainingOptions, TrainingOptions.of):
        with pytest.raises(OptionError):
            make(**options)

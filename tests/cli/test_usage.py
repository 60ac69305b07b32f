"""Usage: wrong values end with 2, help says what there is, and a shell can complete it."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from onnxdc.cli import cli
from onnxdc.recipe.keys import KEYS
from tests.helpers.small_models import LENET, onnxdc


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compress", "--bits", "9"), "'--bits': expected an integer from 1 to 8, got 9"),
        (("compress", "--density", "1.5"), "'--density': expected a number from 0 to 1, got 1.5"),
        (("compress", "--density", "nan"), "'--density': expected a number from 0 to 1, got nan"),
        (("compress", "--step", "0"), "'--step': expected a number above 0, at most 100, got 0"),
        (("compress", "--sharing", "tree"), "'tree' is not one of 'grid', 'kmeans'"),
        (("compress", "--init", "kmeans"), "'kmeans' is not one of 'linear', 'density', 'random'"),
        (("compress", "--execution", "fast"), "'fast' is not one of 'auto', 'sparse', 'dense'"),
        (("compress", "--index-bits", "0"), "'--index-bits': expected an integer from 1 to 8, got 0"),
        (("compress", "--max-drop", "0"), "not in the range x>0"),
        (("tune", "--points", "51"), "not in the range 2<=x<=50"),
        (("inspect", "--min-elements", "-1"), "'--min-elements': expected an integer of 0 or more, got -1"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_wrong_usage(tmp_path, arguments, told):
    verb, *options = arguments
    output = () if verb == "inspect" else ("-o", tmp_path / "out")
    result = onnxdc(verb, LENET, *output, *options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_negative_tolerance_is_wrong_usage():
    assert onnxdc("verify", LENET, LENET, "--tolerance", "-1").exit_code == 2


def test_summaries_are_whole_sentences():
    told = " ".join(onnxdc("--help").stdout.split("Commands:")[1].split())
    assert "..." not in told
    for name, command in cli.commands.items():
        assert f"{name} {' '.join(command.help.split('.')[0].split())}" in told


def test_help_says_that_quiet_commands_warn_all_the_same():
    assert "-q, --quiet Print errors and warnings only." in " ".join(onnxdc("prune", "--help").stdout.split())
    quiet = onnxdc("prune", LENET, "--density", "0.1", "--dry-run", "--quiet")
    assert quiet.stdout == ""
    assert quiet.stderr.startswith("onnxdc: warning: pruning took")


def test_help_says_defaults_and_choices():
    told = " ".join(onnxdc("compress", "--help").stdout.split())
    for key in KEYS:
        if key.stage in ("prune", "share", "encode") and key.default_text and key.command_line:
            assert f"[default: {key.default_text}]" in told
        if key.choices:
            assert f"--{key.name.replace('_', '-')} [{'|'.join(key.choices)}]" in told


def writing(command: click.Command, path: str = "") -> list[tuple[str, click.Command]]:
    """The commands that write, those of groups among them."""
    if isinstance(command, click.Group):
        return [each for name, inner in command.commands.items() for each in writing(inner, f"{path} {name}")]
    return [(path.strip(), command)] if any(option.name in ("output", "folder") for option in command.params) else []


def test_every_command_that_writes_has_a_dry_run():
    found = [(name, command) for name, command in writing(cli) if any("-o" in option.opts for option in command.params)]
    assert len(found) >= 11
    for name, command in found:
        assert any("--dry-run" in option.opts for option in command.params), name


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [
        ("onnxdc com", 1, ["plain,compress"]),
        ("onnxdc compress --shar", 2, ["plain,--sharing"]),
        ("onnxdc compress --sharing ", 3, ["plain,grid", "plain,kmeans"]),
        ("onnxdc compress ", 2, ["file,"]),
    ],
)
def test_a_shell_completes(words, index, expected):
    environment = {**os.environ, "_ONNXDC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    command = [sys.executable, "-m", "onnxdc"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("arguments", [("inspect", LENET), ("doctor",)])
def test_quiet_leaves_the_exit_code_only(arguments):
    result = onnxdc(*arguments, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

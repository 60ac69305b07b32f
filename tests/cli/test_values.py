"""Every option of every command: a value that it cannot have ends with 2, a file that is not there with 1."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from onnxdc.cli import cli
from onnxdc.cli.options import PATH
from tests.helpers.small_models import DIGITS, LENET, onnxdc

# Of each command, what would do; files are those of the fixture.
GOOD = {
    "compress": ("model.onnx", "--data", "data.npz", "-o", "out"),
    "prune": ("model.onnx", "--density", "0.5", "-o", "out"),
    "share": ("model.onnx", "-o", "out"),
    "quantize": ("model.onnx", "--data", "data.npz", "-o", "out"),
    "encode": ("shared.onnx", "-o", "out"),
    "decode": ("small.onnx", "-o", "out"),
    "expand": ("small.onnx", "-o", "out"),
    "inspect": ("small.onnx",),
    "verify": ("model.onnx", "small.onnx"),
    "diff": ("model.onnx", "small.onnx"),
    "report": ("small.onnx", "model.onnx", "-o", "out"),
    "finetune": ("model.onnx", "--data", "data.npz", "--epochs", "1", "-o", "out"),
    "hook export": ("model.onnx", "-o", "out"),
    "hook import": ("model.onnx", "hook", "hook/hook.safetensors", "-o", "out"),
    "tune": ("model.onnx", "--data", "data.npz", "--points", "2", "-o", "out"),
}
NEEDED = {
    ("compress", "--val"): ("--max-drop", "1"),
    ("quantize", "--val"): ("--max-drop", "1"),
    ("compress", "--max-drop"): ("--val", "data.npz"),
    ("quantize", "--max-drop"): ("--val", "data.npz"),
    ("finetune", "--target-size"): ("--grid",),
    ("report", "--labels"): ("--inputs", "data.npz"),
    ("verify", "--labels"): ("--inputs", "data.npz"),
}
SIZES = (("much", 2), ("-1", 2), ("0", 2), ("0.1", 2), ("4XB", 2), ("", 2))
NUMBERS = (("much", 2), ("-1", 2), ("nan", 2), ("", 2))
FILES = (("missing", 1), ("", 2))
TEXTS = {
    "--data": (*FILES, ("nowhere:f", 2)),
    "--val": (*FILES, ("nowhere:f", 2)),
    "--metric": (("f1", 2), ("nowhere:f", 2), ("", 2)),
    "--target-size": (*SIZES, ("12", 2), ("0.5x", 2), ("nanx", 2)),
    "--memory": SIZES,
    "--limit": SIZES,
    "--workers": (("nowhere", 2), ("", 2)),
    "--mask-input": (("nothing", 2),),
    "--labels": (("nothing", 1),),
}


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, with what to type for them."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")
    else:
        yield path.strip(), command


def wrong_values(option: click.Parameter, name: str) -> tuple[tuple[str, int], ...]:
    """What an option cannot be, with the exit code of each."""
    if name == "--output":
        return (("data.npz/out", 1), ("", 2))
    if name == "--class-axis":
        return (("much", 2), ("1.5", 2), ("", 2))
    if option.type is PATH:
        return FILES
    if isinstance(option.type, click.Choice):
        return (("nothing", 2), ("", 2))
    return NUMBERS if option.type is not click.STRING and name not in TEXTS else TEXTS[name]


def cases() -> Iterator[tuple[str, str, str, int]]:
    """Command, option, value and exit code."""
    for path, command in commands(cli):
        for option in command.params:
            name = max(option.opts, key=len)
            if isinstance(option, click.Option) and not option.is_flag:
                for value, code in wrong_values(option, name):
                    yield path, name, value, code


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, what is made of it, and data."""
    folder = tmp_path_factory.mktemp("values")
    shutil.copy(LENET, folder / "model.onnx")
    shutil.copy(DIGITS, folder / "data.npz")
    for arguments in (
        ("share", LENET, "-o", folder / "shared.onnx"),
        ("encode", folder / "shared.onnx", "-o", folder / "small.onnx"),
        ("hook", "export", LENET, "-o", folder / "hook"),
    ):
        assert onnxdc(*arguments).exit_code == 0
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def test_every_command_has_arguments_that_would_do() -> None:
    assert {path for path, _ in commands(cli)} == {*GOOD, "doctor"}


@pytest.mark.parametrize(("command", "option", "value", "code"), [*cases()])
def test_a_wrong_value_of_an_option(folder: Path, command: str, option: str, value: str, code: int) -> None:
    before = sorted(os.listdir(folder))
    arguments = (*command.split(), *GOOD[command], *NEEDED.get((command, option), ()), option, value)

    result = onnxdc(*arguments)

    assert result.exit_code == code, result.stderr
    error = result.stderr.splitlines()[-1]
    assert error.startswith("onnxdc: error: " if code == 1 else "Error: ")
    assert (value if code == 1 else option) in error
    assert sorted(os.listdir(folder)) == before


def positions() -> Iterator[tuple[str, int]]:
    """Each command with the place of each of its files, which stand before its options."""
    for command, good in GOOD.items():
        for place, _ in enumerate(takewhile(lambda word: not word.startswith("-"), good)):
            yield command, place


@pytest.mark.parametrize("code", [1, 2])
@pytest.mark.parametrize(("command", "place"), [*positions()])
def test_a_wrong_path(folder: Path, command: str, place: int, code: int) -> None:
    before = sorted(os.listdir(folder))
    arguments = [*command.split(), *GOOD[command]]
    arguments[len(command.split()) + place] = "missing" if code == 1 else ""

    result = onnxdc(*arguments)

    assert result.exit_code == code, result.stderr
    assert ("missing" if code == 1 else "expected a path, got an empty text") in result.stderr.splitlines()[-1]
    assert sorted(os.listdir(folder)) == before

"""Names out of a file reach a terminal or a pipe escaped and short, in whatever a command prints."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest

from tests.helpers.few_values import weight
from tests.helpers.small_models import onnxdc

COMMAND = [sys.executable, "-m", "onnxdc"]
# A title for the window, a colour, an error, a line that starts anew.
ODD = "w\x1b]0;t\x07\x1b[31m\nonnxdc: error: forged\r\x9b1m\u202e\u2028"
MARKUP = ["[/]", "[red]w", "a[/b]", "[link=file:///etc]w", ":smiley:", "{w}", "%s"]


def model(path: Path, name: str, *, twice: bool = False) -> Path:
    """A product with a weight of this name; the name is an output's and a node's, too."""
    constant = onnx.numpy_helper.from_array(weight(64, 48), name)
    output = onnx.helper.make_tensor_value_info(f"{name}.y", 1, ["n", 48])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", name], [f"{name}.y"], name=name)],
        name,
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 64])],
        [output],
        [constant, constant] if twice else [constant],
    )
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    return path


def on_a_terminal(arguments: Sequence[object]) -> tuple[int, str]:
    """The exit code of a command on a terminal, and what is on the terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "LINES": "50", "TERM": "dumb"}  # rich asks for both
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        text = b""
        try:
            while chunk := os.read(leader, 4096):
                text += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(leader)
    return process.returncode, text.decode()


@pytest.mark.parametrize("name", MARKUP)
def test_a_name_is_no_markup(tmp_path, name):
    code, text = on_a_terminal(["inspect", model(tmp_path / "m.onnx", name)])
    assert code == 0
    assert name in text


def test_a_terminal_is_told_nothing_by_a_name(tmp_path):
    path = model(tmp_path / "m.onnx", ODD)
    for arguments in (["inspect", path], ["share", path, "-o", tmp_path / "out.onnx"]):
        code, text = on_a_terminal(arguments)
        assert code == 0
        assert r"w\x1b]0;t\x07\x1b[31m\nonnxdc: error: forged\r\x9b1m\u202e\u2028" in text
        assert not any(each in text for each in ("\x07", "\x9b", "\u202e", "\u2028", "\x1b]0", "\x1b[31m"))


@pytest.mark.parametrize(
    "verb", ["inspect", "share", "prune", "compress", "encode", "verify", "hook export", "twice", "hook import"]
)
@pytest.mark.parametrize("name", [ODD, "w" * 100_000], ids=["odd", "long"])
def test_every_command_prints_short_lines_of_what_can_be_printed(tmp_path, verb, name):
    path = model(tmp_path / "m.onnx", name, twice=verb == "twice")
    out = tmp_path / "out.onnx"
    arguments = {
        "inspect": ["inspect", path, "--verbose"],
        "twice": ["inspect", path],
        "verify": ["verify", path, path],
        "hook export": ["hook", "export", path, "-o", tmp_path / "hook", "--stage", "dense"],
        "hook import": ["hook", "import", path, tmp_path / "hook", "-o", out],
        "prune": ["prune", path, "-o", out, "--density", "0.3"],
    }.get(verb, [verb, path, "-o", out])
    if verb == "hook import":
        assert onnxdc("hook", "export", path, "-o", tmp_path / "hook").exit_code == 0
    result = onnxdc(*arguments)
    assert result.exit_code in (0, 1)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for line in (result.stdout + result.stderr).split("\n"):
        assert line.isprintable()
        assert len(line) < 1100
        assert not line.startswith("onnxdc: error: forged")


def test_json_has_the_name_as_it_is(tmp_path):
    result = onnxdc("inspect", model(tmp_path / "m.onnx", ODD), "--json")
    assert json.loads(result.stdout)["weights"][0]["name"] == ODD
    assert result.stdout.replace("\n", "").isprintable()

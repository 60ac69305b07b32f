"""A recipe file that holds anything ends in one line, soon, and takes no memory for what it says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from onnxdc.errors import RecipeError
from onnxdc.recipe import Recipe

ODD = {
    "a pattern like a book": (b"[[rule]]\npattern = '" + b"*a" * 10**5 + b"'", "pattern: expected a text of 1 to"),
    "arrays in arrays": (b"seed = " + b"[" * 10**5, "not TOML: "),
    "tables in tables": (b"seed = " + b"{a=" * 10**5, "not TOML: "),
    "a key of many parts": (b"a" + b".a" * 10**5 + b" = 1", "expected at most 100 dots, got 100000"),
    "a header of many parts": (b"[a" + b".a" * 10**5 + b"]", "expected at most 100 dots, got 100000"),
    "a key of many parts after a comment": (b"rule = ['''\n# ''', {a" + b".a" * 10**5 + b" = 1}]", "at most 100 dots"),
    "a header of spaces": (b"[" + b" " * 10**6 + b"x", "not TOML: "),
    "an integer of 5,000 digits": (b"seed = " + b"9" * 5000, "not TOML: "),
    "an integer of 100,000 hexadecimal digits": (b"seed = 0x" + b"f" * 10**5, "seed: expected an integer of 0 or more"),
    "a seed beyond 64 bits": (b"seed = 9223372036854775808", "seed: expected an integer of 0 or more"),
    "a density beyond floats": (b"[defaults]\ndensity = 1" + b"0" * 400, "density: expected a number from 0 to 1"),
    "a long key": (b"a" * 10**6 + b" = 1", "unknown key 'aaa"),
    "defaults that are large integers": (b"defaults = [0x" + b"f" * 10**5 + b"]", "defaults: expected a table"),
    "many rules": (b"[[rule]]\n" * 10**4, "rule: expected a pattern, an op or a kind"),
    "a file of 2 MB": (b"#" * 2**21, "cannot be read: expected at most 1048576 bytes, got more"),
    "an escape in a key": (b'"\\u001b[2J" = 1', r"unknown key '\x1b[2J'"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), ODD.values(), ids=ODD.keys())
def test_an_odd_recipe_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(RecipeError) as caught:
        Recipe.from_toml(path)
    assert time.monotonic() - start < 10
    text = str(caught.value)
    assert text.startswith("odd.toml")
    assert message in text
    assert text.isprintable()
    assert len(text) < 500


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(RecipeError, match=r"^pipe\.toml: cannot be read: not a regular file"):
        Recipe.from_toml(tmp_path / "pipe.toml")


def test_a_header_is_found_next_to_a_comment_and_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('# all\n[ "defaults" ]  # of each\nbits = 9\n')
    with pytest.raises(RecipeError, match=r"^my\.toml:3: bits: expected an integer from 1 to 8, got 9"):
        Recipe.from_toml(tmp_path / "my.toml")

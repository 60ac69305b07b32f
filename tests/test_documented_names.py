"""Every name of the library that README and docs/ write with dots is there after a plain ``import onnxdc``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

# Keys and names that stand in files, not in Python.
OTHERS = {
    "onnxdc.empty",  # metadata of a model
    "onnxdc.origin",  # metadata of a model
    "onnxdc.hook",  # the format of a hook
}

DOTTED = re.compile(r"(?<![\w./-])onnxdc(?:\.[A-Za-z_]\w*)+(?![\w/])")
IMPORT = re.compile(r"from (onnxdc(?:\.\w+)*) import ([\w, ]+)")

# What must be there too, as users catch and call it.
PUBLIC = {
    "onnxdc.HookError",
    "onnxdc.MissingExtraError",
    "onnxdc.__version__",
    "onnxdc.errors.OnnxdcError",
    "onnxdc.finetune",
    "onnxdc.hooks.export",
    "onnxdc.hooks.import_",
    "onnxdc.torch.attach",
    "onnxdc.torch.module",
}


def names_in(text: str) -> set[str]:
    """Return the dotted names in a text, those that it imports among them."""
    imported = {
        f"{module}.{name.strip()}"
        for module, names in IMPORT.findall(text)
        for name in names.split(",")
        if name.strip()
    }
    return {*DOTTED.findall(text), *imported} - OTHERS


def missing(names: set[str]) -> list[str]:
    """Return which names a new interpreter does not find, starting at ``onnxdc``, when nothing else is imported."""
    program = """
import operator, sys
import onnxdc
for name in sys.argv[1:]:
    try:
        operator.attrgetter(name.removeprefix("onnxdc."))(onnxdc)
    except AttributeError:
        print(name)
"""
    command = [sys.executable, "-c", program, *sorted(names)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_names_are_there(page: Path) -> None:
    assert not missing(names_in(page.read_text(encoding="utf-8")))


def test_public_names_are_there() -> None:
    assert not missing(PUBLIC)


def test_the_pages_have_names_and_no_file_is_taken_for_one() -> None:
    assert names_in("`onnxdc.hooks.export(x)`, `onnxdc/passes/cost.py`, libonnxdc.so, docs/onnxdc.md and onnxdc.") == {
        "onnxdc.hooks.export"
    }
    assert names_in("from onnxdc import Options, Recipe\n    onnxdc.origin") == {"onnxdc.Options", "onnxdc.Recipe"}
    assert {"onnxdc.compress", "onnxdc.torch.attach"} <= names_in(PAGES[0].read_text(encoding="utf-8"))
    assert missing({"onnxdc.hooks.nonsense", "onnxdc.compress"}) == ["onnxdc.hooks.nonsense"]

"""Every name of the library that README and docs/ write with dots is there after a plain ``import onnxdc``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

# Keys and names that stand in files, not in Python.
OTHERS = {
    "onnxdc.Segment",  # a function of files of development versions
    "onnxdc.origin",  # metadata of a model
    "onnxdc.recipe",  # metadata of a model
    "onnxdc.hook",  # the format of a hook
    "onnxdc.integrations.olive",  # needs Olive, which the tests do without
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
    """Return the dotted names in a text, but not those of its import lines."""
    return {*DOTTED.findall(IMPORT.sub("", text))} - OTHERS


def imported_in(text: str) -> set[str]:
    """Return what a text imports by ``from module import name``, each as ``module:name``."""
    pairs = ((module, name.strip()) for module, names in IMPORT.findall(text) for name in names.split(","))
    return {f"{module}:{name}" for module, name in pairs if name}


def missing(names: set[str]) -> list[str]:
    """Return which names a new interpreter does not find, starting at ``onnxdc``, when nothing else is imported.

    A name with a colon is looked for in the module before it, which is imported after all others were tried.
    """
    program = """
import importlib, operator, sys
import onnxdc
for name in sorted(sys.argv[1:], key=lambda name: ":" in name):
    module, _, attribute = name.rpartition(":")
    try:
        if module:
            getattr(importlib.import_module(module), attribute)
        else:
            operator.attrgetter(name.removeprefix("onnxdc."))(onnxdc)
    except (AttributeError, ImportError):
        print(name)
"""
    command = [sys.executable, "-c", program, *sorted(names)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_documented_names_are_there() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    assert not missing({name for text in texts for name in names_in(text) | imported_in(text)})


def test_public_names_are_there() -> None:
    assert not missing(PUBLIC)


def test_the_pages_have_names_and_no_file_is_taken_for_one() -> None:
    assert names_in("`onnxdc.hooks.export(x)`, `onnxdc/passes/cost.py`, libonnxdc.so, docs/onnxdc.md and onnxdc.") == {
        "onnxdc.hooks.export"
    }
    assert imported_in("from onnxdc import Options, Recipe\n    onnxdc.origin") == {"onnxdc:Options", "onnxdc:Recipe"}
    assert {"onnxdc.compress", "onnxdc.torch.attach"} <= names_in(PAGES[0].read_text(encoding="utf-8"))
    assert missing({"onnxdc.hooks.nonsense", "onnxdc.compress"}) == ["onnxdc.hooks.nonsense"]
    assert missing({"onnxdc.recipe:nonsense", "onnxdc.recipe:Recipe"}) == ["onnxdc.recipe:nonsense"]

"""The folders of benchmarks/ know each other in one direction, and its programs not at all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.benchmarks.programs import BENCHMARKS

KNOWN = {
    "common": {"common"},
    "peers": {"common", "peers"},
    "speed": {"common", "peers", "speed"},
    "lenet": {"common", "lenet"},
    "fewest": {"common", "peers", "fewest"},
    "int8": {"common", "peers", "fewest", "int8"},
    "": {"common", "peers", "speed", "lenet", "fewest", "int8"},  # the programs
}
OWN = {path.stem for path in BENCHMARKS.glob("*.py")} | set(KNOWN)


def imported(path: Path) -> set[str]:
    """Return the first part of each name that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize("folder", KNOWN)
def test_a_folder_knows_those_below_it(folder: str) -> None:
    modules = list((BENCHMARKS / folder).glob("*.py"))
    assert modules
    for module in modules:
        assert imported(module) & OWN <= KNOWN[folder], module

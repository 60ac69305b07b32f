"""Imports point down: each room of the library imports only from the floors below its own, or from itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import onnxdc

ROOT = Path(onnxdc.__file__).parent

# From the bottom to the top. Rooms of one floor do not know each other.
FLOORS: Sequence[set[str]] = (
    {"shown"},
    {"errors"},
    {"numeric", "graph"},
    {"domain", "recipe"},
    {"model_io"},
    {"workers"},
    {"passes"},
    {"report"},
    {"runtime", "hooks", "page"},
    {"evaluate", "torch"},
    {"training", "calibration"},
    {"int8"},
    {"request"},
    {"budget"},
    {"overview"},
    {"api"},
    {"cli", "integrations"},
    {"__init__", "__main__", "native"},
)
# The same inside passes/.
PASSES: Sequence[set[str]] = (
    {"cost", "tables", "codebooks"},
    {"execution", "codings"},
    {"result"},
    {"plan", "fusion", "halves", "int32_biases"},
    {"decision", "rounded_biases"},
    {"fold", "prune", "share", "strip", "encode", "decode"},
)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that the code imports anywhere, in functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> list[str]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


def rooms_of(modules: Sequence[str], package: str) -> list[str]:
    """The part of each name right after ``package``, of the modules that lie in it."""
    prefix = f"{package}."
    return [name.removeprefix(prefix).split(".")[0] for name in modules if name.startswith(prefix)]


def floor_of(room: str, floors: Sequence[set[str]]) -> int:
    """The number of its floor; -1 for a name that is no room: one that the package itself defines."""
    return next((number for number, rooms in enumerate(floors) if room in rooms), -1)


MODULES = sorted(path for path in ROOT.rglob("*.py") if "lib" not in path.parts[len(ROOT.parts) :])


def own_room(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_imports_from_below(path: Path) -> None:
    own = own_room(path, ROOT)
    assert floor_of(own, FLOORS) >= 0, f"{own} has no floor in FLOORS"
    for room in rooms_of(imports_of(path), "onnxdc"):
        if own == "cli" and room == "finetune":
            continue  # the package's own lazy name, which says how to install what it needs
        assert room == own or 0 <= floor_of(room, FLOORS) < floor_of(own, FLOORS), f"{own} imports {room}"


def test_the_map_has_the_same_floors() -> None:
    text = (Path(__file__).parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.split("| floor | room |")[1].split("\n\n")[0]
    floors: list[set[str]] = []
    for number, rooms in re.findall(r"^\| (\d*) ?\| (`.*?`) \|", table, re.MULTILINE):
        if number:
            floors.append(set())
            assert int(number) == len(floors)
        floors[-1] |= {re.sub(r"/|\.py", "", room) for room in re.findall(r"`(.*?)`", rooms)}
    assert floors == list(FLOORS)


@pytest.mark.parametrize("path", sorted((ROOT / "passes").rglob("*.py")), ids=lambda path: path.name)
def test_passes_build_on_what_they_share_and_not_on_each_other(path: Path) -> None:
    own = own_room(path, ROOT / "passes")
    assert own == "__init__" or floor_of(own, PASSES) >= 0, f"{own} has no floor in PASSES"
    for room in rooms_of(imports_of(path), "onnxdc.passes"):
        assert room == own or 0 <= floor_of(room, PASSES) < floor_of(own, PASSES), f"{own} imports {room}"


@pytest.mark.parametrize(
    ("room", "unknown"),
    [
        ("numeric", {"onnx", "onnx_ir", "onnxruntime"}),
        ("graph", {"onnxruntime"}),
        ("domain", {"onnxruntime"}),
        ("cli", {"numpy", "onnx", "onnx_ir", "onnxruntime"}),
    ],
)
def test_what_a_room_does_not_know(room: str, unknown: set[str]) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not {name.split(".")[0] for name in imports_of(path)} & unknown, path


def test_the_walk_finds_imports_in_functions_and_for_type_checkers() -> None:
    code = "if TYPE_CHECKING:\n    import a\ndef f():\n    from onnxdc import api\nclass C:\n    import b.c"
    assert sorted(imports(ast.parse(code))) == ["a", "b.c", "onnxdc.api"]

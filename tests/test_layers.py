"""Imports point down: each module imports only from layers below its own, or from its own package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import onnxdc

ROOT = Path(onnxdc.__file__).parent

# From the bottom to the top; a module may import from its own line. A package stands for all that is in it.
LAYERS = (
    {"errors"},
    {"numeric"},
    {"native", "recipe", "recipe_file", "recipe_values", "toml_file"},
    {"passes"},
    {"model_check", "model_io", "model_lift", "model_write"},
    {"feeds", "report", "runtime", "verification"},
    {"doctor", "evaluate", "hooks", "inspection"},
    {"torch"},
    {"training"},
    {"api"},
    {"__init__", "cli", "__main__"},
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


def layer_name(module: str) -> str:
    """``onnxdc.passes.prune`` -> ``passes``; the package itself -> ``__init__``."""
    return [*module.split("."), "__init__"][1]


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules of the package that are imported when the code runs: not those for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "onnxdc":
            yield from (f"onnxdc.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        else:
            yield from imports(node)


def own_imports(path: Path) -> Iterator[str]:
    names = imports(ast.parse(path.read_text(encoding="utf-8")))
    yield from (name for name in names if name.split(".")[0] == "onnxdc")


MODULES = sorted(path for path in ROOT.rglob("*.py") if "lib" not in path.parts[len(ROOT.parts) :])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_imports_from_below(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for imported in own_imports(path):
        if own == "native" and imported == "onnxdc":
            continue  # it asks the package for the folders that it lies in
        assert LAYER[layer_name(imported)] <= LAYER[own], f"{own} imports {imported}"


def test_numeric_code_knows_no_models():
    for path in (ROOT / "numeric").glob("*.py"):
        found = set(imports(ast.parse(path.read_text(encoding="utf-8"))))
        assert not {name for name in found if name.split(".")[0] in ("onnx", "onnx_ir", "onnxruntime")}, path


def test_the_command_line_knows_no_numpy_and_no_models():
    for path in (ROOT / "cli").glob("*.py"):
        found = {name.split(".")[0] for name in imports(ast.parse(path.read_text(encoding="utf-8")))}
        assert not found & {"numpy", "onnx", "onnx_ir", "onnxruntime"}, path


def test_the_walk_finds_imports_in_functions_and_none_for_type_checkers():
    code = "if TYPE_CHECKING:\n    import a\ndef f():\n    from onnxdc import api\nclass C:\n    import b.c"
    assert list(imports(ast.parse(code))) == ["onnxdc.api", "b.c"]

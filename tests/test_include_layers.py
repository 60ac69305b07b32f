"""Includes of the native library point down: a file includes from its own folder, or from floors below it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "custom_ops"

# From the bottom to the top. Only what is above `abi` knows onnxruntime; "." is where the library's entry points are.
FLOORS = (
    {"include", "isa", "parallel"},
    {"decoder"},
    {"expand", "layouts"},
    {"simd"},
    {"kernels"},
    {"abi"},
    {"ops"},
    {"."},
    {"bench", "tests"},
    {"fuzz"},
)
FLOOR = {folder: number for number, folders in enumerate(FLOORS) for folder in folders}
FILES = sorted(path.relative_to(SOURCES) for suffix in ("*.h", "*.cc") for path in SOURCES.rglob(suffix))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_includes_from_below(file):
    own = str(file.parent)
    for included in re.findall(r'#include "(.+)"', (SOURCES / file).read_text(encoding="utf-8")):
        folder = str(Path(included).parent) if "/" in included else own
        assert folder == own or FLOOR[folder] < FLOOR[own], f"{file} includes {included}"

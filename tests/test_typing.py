"""A program of a user under ``mypy --strict``: what the verbs give back is typed, and a wrong option is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import io
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import onnx
import onnx_ir

import onnxdc
from onnxdc.integrations.onnx_ir import CompressPass

result = onnxdc.compress(Path("model.onnx"), density=0.1, sharing="grid", strip=True)
assert_type(result, onnxdc.CompressionResult)
assert_type(result.report, onnxdc.Report)
assert_type(result.to_dict(), dict[str, Any])
assert_type(result.to_proto(), onnx.ModelProto)
assert_type(result.model, onnx_ir.Model)
for row in result.report.rows:
    assert_type(row, onnxdc.WeightRow)
    assert_type(row.name, str)

with open("model.onnx", "rb") as file:
    onnxdc.encode(file)
onnxdc.prune(io.BytesIO(b""), density=0.1)
onnxdc.share(b"")
onnxdc.decode(onnx.ModelProto())
onnxdc.inspect(result.model)
onnxdc.session("small.onnx", native=True)
assert_type(onnxdc.verify("a", "b", {"x": np.zeros(3)}).passed, bool)
assert_type(onnxdc.tune("model.onnx", "curve", data="calib.npz"), onnxdc.Tuning)
assert_type(CompressPass(density=0.1)(result.model), onnx_ir.passes.PassResult)
assert_type(onnxdc.__version__, str)
"""

MISTAKES = """
onnxdc.compress("model.onnx", density="a tenth")
onnxdc.compress("model.onnx", densty=0.1)
onnxdc.compress(7)
onnxdc.compress(io.StringIO())
"""

# What a program imports is read, but for these: they take half a minute, and nothing above has their types.
CONFIG = """
[mypy]
strict = True
[mypy-torch.*,jax.*,sklearn.*]
follow_imports = skip
"""


@pytest.mark.slow
def test_a_typed_program_passes_and_its_mistakes_are_found(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(CONFIG)
    (tmp_path / "program.py").write_text(PROGRAM + MISTAKES)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", "program.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    first = PROGRAM.count("\n") + 2
    lines = [int(line.split(":")[1]) for line in found.stdout.splitlines() if ": error: " in line]
    assert lines == [first, first + 1, first + 2, first + 3], found.stdout + found.stderr

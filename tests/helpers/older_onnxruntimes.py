"""Runs models in some version of onnxruntime; pip puts older ones than the installed one into folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

_FOLDER = Path(__file__).parents[2] / "build" / "onnxruntime"
_INSTALLED = "installed"
# All that the process of another version needs of the packages here is nothing.
_PROGRAM = """
import sys
import numpy as np
import onnxruntime as ort
print(ort.__version__)
options = ort.SessionOptions()
options.optimized_model_filepath, options.log_severity_level = sys.argv[4], 3
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
np.save(sys.argv[3], session.run(None, {session.get_inputs()[0].name: np.load(sys.argv[2])})[0])
"""


def folder_of(version: str) -> Path:
    """A folder with a version of onnxruntime, which stays; the test is skipped where pip cannot install it."""
    folder = _FOLDER / version
    if not (folder / _INSTALLED).exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(folder)]
        packages = [f"onnxruntime=={version}", "numpy<2"]
        done = subprocess.run([*command, *packages], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            pytest.skip(f"pip cannot install onnxruntime {version}: {done.stderr.strip().splitlines()[-1]}")
        (folder / _INSTALLED).touch()
    return folder


def run_in(version: str, model: Path, values: np.ndarray) -> tuple[np.ndarray, Counter[str]]:
    """Run a model of one input; return its first output, and how often each operator is in what is run."""
    is_older = version != onnxruntime.__version__
    elsewhere = {"PYTHONPATH": str(folder_of(version))} if is_older else {}
    feed, output, optimised = (model.with_suffix(suffix) for suffix in (".feed.npy", ".output.npy", ".optimised.onnx"))
    np.save(feed, values)
    done = subprocess.run(
        [sys.executable, *(["-S"] if is_older else []), "-c", _PROGRAM, model, feed, output, optimised],
        env=os.environ | elsewhere,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [version]
    return np.load(output), Counter(node.op_type for node in onnx.load(optimised).graph.node)

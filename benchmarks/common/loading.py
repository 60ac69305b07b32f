"""What it takes to load a model: time and memory, in a process of its own."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import onnx
from onnx import helper

import onnxdc
from common.onnx_models import Tensor, make_model
from common.process import in_new_process
from common.sessions import Way, load


@dataclass(frozen=True)
class Load:
    """What it takes to load a model.

    Attributes:
        seconds: The time until the session is there.
        peak: The growth of the process's memory at its peak, in bytes.
        resident: The growth that stays.
    """

    seconds: float
    peak: float
    resident: float


def measure_load(path: Path, way: Way) -> Load:
    """Load a model in a new process."""
    return in_new_process(_load_here, path, way)


def median_load(loads: Sequence[Load]) -> Load:
    """Return the medians of a few loads, each figure for itself."""
    return Load(*(median(getattr(load, figure) for load in loads) for figure in ("seconds", "peak", "resident")))


def _load_here(path: Path, way: Way) -> Load:
    if way == "native":
        onnxdc.isa()  # loads the library: no part of loading a model
    _load_nothing(way)  # what the first session of a process takes is none either
    peak, resident, start = _memory("VmHWM"), _memory("VmRSS"), time.perf_counter()
    session = load(path, way)
    seconds = time.perf_counter() - start
    loaded = Load(seconds, _memory("VmHWM") - peak, _memory("VmRSS") - resident)
    del session
    return loaded


def _load_nothing(way: Way) -> None:
    """Open a session whose only node is an Identity."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nothing.onnx")
        onnx.save(make_model("nothing", nodes, Tensor("x", [1]), Tensor("y", [1])), path)
        load(path, way)


def _memory(field: Literal["VmHWM", "VmRSS"]) -> float:
    """Return this process's resident memory in bytes, at its peak so far or now; NaN where Linux's /proc is missing.

    Not ``getrusage``: on Linux its figure counts what the process that started this one had.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return math.nan
    fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
    return float(fields[field].split()[0]) * 1024

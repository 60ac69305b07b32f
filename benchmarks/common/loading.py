"""What it takes to load a model: time and memory, in a process of its own."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
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
        cpu: The seconds of processor time until then, of all threads.
        peak: The growth of the process's memory at its peak, in bytes.
        resident: The growth that stays.
    """

    seconds: float
    cpu: float
    peak: float
    resident: float


def measure_load(path: Path, way: Way, threads: int = 0) -> Load:
    """Load a model in a new process, for so many threads; 0 for as many as onnxruntime likes."""
    return in_new_process(_load_here, path, way, threads)


def median_load(loads: Sequence[Load]) -> Load:
    """Return the medians of a few loads, each figure for itself."""
    return Load(*(median(getattr(load, figure.name) for load in loads) for figure in fields(Load)))


def write_nothing(path: Path) -> None:
    """Write a model whose only node is an Identity."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    onnx.save(make_model("nothing", nodes, Tensor("x", [1]), Tensor("y", [1])), path)


def _load_here(path: Path, way: Way, threads: int) -> Load:
    if way == "native":
        onnxdc.isa()  # loads the library: no part of loading a model
    _load_nothing(way)  # what the first session of a process takes is none either
    peak, resident = _memory("VmHWM"), _memory("VmRSS")
    start, cpu_start = time.perf_counter(), time.process_time()
    session = load(path, way, threads)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    loaded = Load(seconds, cpu, _memory("VmHWM") - peak, _memory("VmRSS") - resident)
    del session
    return loaded


def _load_nothing(way: Way) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nothing.onnx")
        write_nothing(path)
        load(path, way)


def _memory(field: Literal["VmHWM", "VmRSS"]) -> float:
    """Return this process's resident memory in bytes, at its peak so far or now; NaN where Linux's /proc is missing.

    Not ``getrusage``: on Linux its figure counts what the process that started this one had.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return math.nan
    status_fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
    return float(status_fields[field].split()[0]) * 1024

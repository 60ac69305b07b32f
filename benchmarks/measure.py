"""Load a model in each of three ways, run it, and measure: differences, time, memory."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np
import onnx
import onnxruntime
from data import Feed, Inputs
from onnx import TensorProto, helper

import onnxdc

Way: TypeAlias = Literal["dense", "native", "portable"]
Outputs: TypeAlias = list[np.ndarray]


class Runner(Protocol):
    """What runs a model: a session of onnxruntime, or something that looks like one."""

    def run(self, output_names: None, feed: Feed, /) -> Any:
        """All outputs, in a sequence."""


Timer: TypeAlias = Callable[[int], float]
"""Runs a model so many times; seconds a run."""

_ROUNDS: Final = (15, 201)  # of the timed runs, at least and at most
_SECONDS: Final = 3.0  # for the timed runs of all models together, if they are enough for the rounds
_TURN: Final = 0.003  # seconds, at least, that one model runs before it is the next one's turn
_OPSET, _IR_VERSION = 17, 8  # of the smallest model: old enough for any onnxruntime
_ERRORS_ONLY: Final = 3  # of onnxruntime's log


@dataclass(frozen=True)
class Load:
    """What it takes to load a model: seconds, and the growth of the process's memory, in bytes.

    Attributes:
        seconds: until the session is there.
        peak: growth at the peak.
        resident: growth that stays.
    """

    seconds: float
    peak: float
    resident: float


def load(path: Path, way: Way, threads: int | None = 0) -> onnxruntime.InferenceSession:
    """A session for a model; ``"dense"`` and ``"portable"`` both mean onnxruntime alone.

    Args:
        path: the model; compressed unless the way is ``"dense"``.
        way: how to run it.
        threads: 0 for as many as onnxruntime likes, None for the pool that all sessions share.
    """
    options = onnxruntime.SessionOptions()
    if threads is None:
        options.use_per_session_threads = False
    else:
        options.intra_op_num_threads = threads
    return open_session(path, way, options)


def open_session(path: Path, way: Way, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session with options of one's own."""
    options.log_severity_level = _ERRORS_ONLY
    if way == "native":
        return onnxdc.session(path, native=True, sess_options=options)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_all(session: onnxruntime.InferenceSession, inputs: Inputs) -> Outputs:
    """The outputs for all feeds, one behind the other along the first axis."""
    results = [session.run(None, feed) for feed in inputs.feeds()]
    return [np.concatenate(output) for output in zip(*results, strict=True)]


def relative_difference(outputs: Outputs, reference: Outputs) -> float:
    """The largest max|a - b| / max|b| of all outputs, b being the reference; NaN if there is one in any output."""
    pairs = [(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(outputs, reference, strict=True)]
    return float(np.max([np.abs(a - b).max() / (np.abs(b).max() or 1.0) for a, b in pairs]))


def relative_l2(outputs: Outputs, reference: Outputs) -> float:
    """The L2 norm of the difference of all outputs over that of the reference."""
    pairs = [(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(outputs, reference, strict=True)]
    return math.sqrt(sum(np.square(a - b).sum() for a, b in pairs) / sum(np.square(b).sum() for _, b in pairs))


def cosine(outputs: Outputs, reference: Outputs) -> float:
    """Of the angle between the first outputs, as vectors."""
    a, b = (found[0].astype(np.float64).ravel() for found in (outputs, reference))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def best_classes(outputs: Outputs) -> np.ndarray:
    """Five classes for each item, the best first, by the first output: int64 ``[items, 5]``."""
    scores = outputs[0].reshape(len(outputs[0]), -1)
    return np.argsort(-scores, axis=1, kind="stable")[:, :5]


def run_times(
    sessions: Sequence[Runner],
    feed: Feed,
    rounds: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """``take_turns`` of sessions that run the same model on the same feed; the clock counts in seconds."""
    return take_turns([timer(session, feed, clock) for session in sessions], rounds)


def timer(session: Runner, feed: Feed, clock: Callable[[], float]) -> Timer:
    """Times a session's runs on a feed."""

    def seconds(runs: int) -> float:
        start = clock()
        for _ in range(runs):
            session.run(None, feed)
        return (clock() - start) / runs

    return seconds


def take_turns(timers: Sequence[Timer], rounds: int | None = None) -> list[float]:
    """Median seconds of a run of each; they take turns, and each round begins with another one.

    Args:
        timers: of what runs the same model.
        rounds: how many turns each gets, None for what a few seconds allow.
    """
    once = [min(seconds(1) for _ in range(3)) for seconds in timers]
    runs = math.ceil(_TURN / min(once))
    rounds = rounds or int(np.clip(_SECONDS / (runs * sum(once)), *_ROUNDS))
    found: list[list[float]] = [[] for _ in timers]
    for turn in range(rounds):
        for i in range(len(timers)):
            now = (turn + i) % len(timers)
            found[now].append(timers[now](runs))
    return [statistics.median(times) for times in found]


def measure_load(path: Path, way: Way) -> Load:
    """Load a model in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_load_here, path, way).result()


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
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "nothing", [value], [value])
    graph.output[0].name = "y"
    opset = helper.make_opsetid("", _OPSET)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nothing.onnx")
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION), path)
        load(path, way)


def _memory(field: Literal["VmHWM", "VmRSS"]) -> float:
    """This process's resident memory in bytes, at its peak so far or now; NaN where Linux's /proc is missing.

    Not ``getrusage``: on Linux its figure counts what the process that started this one had.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return math.nan
    fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
    return float(fields[field].split()[0]) * 1024

"""Times a row of the table: dense onnxruntime, our kernels in each instruction set, and peers, in one process.

All of them share one pool of threads, so that none waits for another one's threads, and take turns. On one thread the
clock is the processor time of the process: on an idle machine it is that of the wall, and on a busy one it leaves out
what others ran in between.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

import models
import numpy as np
import onnxruntime
from cases import Case, Files
from measure import Load, Runner, Way, load, measure_load, relative_difference, run_times
from peers import open_peer

T = TypeVar("T")

DENSE: Final = "dense"
_PEAK_SIZE: Final = 1024  # of the matrices whose product measures the peak
_PEAK_RUNS: Final = 30
_LOADS: Final = 3


@dataclass(frozen=True)
class Times:
    """A row at one number of threads.

    Attributes:
        seconds: median of a run, by who ran: ``DENSE``, an instruction set or a peer.
        differences: max|a - b| / max|b|, b being the dense output, by who ran.
    """

    seconds: dict[str, float]
    differences: dict[str, float]

    def ratio(self, name: str) -> float:
        """How many times as fast as dense; NaN for one that did not run."""
        return self.seconds[DENSE] / self.seconds.get(name, np.nan)


def in_new_process(work: Callable[..., T], *arguments: Any) -> T:
    """What a module's function answers in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def time_case(
    case: Case, files: Files, threads: int, isas: Sequence[str], peers: Sequence[str], rounds: int | None
) -> Times:
    """Check and time a row; once a process, as the number of threads is that of the process."""
    onnxruntime.set_global_thread_pool_sizes(threads, 1)
    feed = case.feed()
    sessions: dict[str, Runner] = {DENSE: load(files.dense, "dense", None)}
    sessions |= {isa: _load_native(files.small, isa) for isa in isas}
    sessions |= {name: open_peer(name, files.dense, threads) for name in peers}
    outputs = {name: list(session.run(None, feed)) for name, session in sessions.items()}
    differences = {name: relative_difference(found, outputs[DENSE]) for name, found in outputs.items()}
    seconds = run_times(list(sessions.values()), feed, rounds, _clock(threads))
    return Times(dict(zip(sessions, seconds, strict=True)), differences)


def peak_flops() -> float:
    """Floating-point operations a second of a large dense product on one thread, at its best."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    net = models.Net((_PEAK_SIZE, _PEAK_SIZE))
    model = net.to_proto(models.single_gemm(net, _PEAK_SIZE, 1.0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {models.INPUT: np.ones(net.x.shape, np.float32)}
    clock = _clock(threads=1)

    def seconds() -> float:
        start = clock()
        session.run(None, feed)
        return clock() - start

    return 2 * _PEAK_SIZE**3 / min(seconds() for _ in range(_PEAK_RUNS))


def load_cost(path: Path, way: Way) -> Load:
    """Medians of loading a model in a few new processes."""
    found = [measure_load(path, way) for _ in range(_LOADS)]
    seconds, peak, resident = (median(getattr(one, name) for one in found) for name in ("seconds", "peak", "resident"))
    return Load(seconds, peak, resident)


def _load_native(path: Path, isa: str) -> Runner:
    """A session whose kernels are those of an instruction set: it obeys the environment when it is created."""
    with _environment("ONNXDC_ISA", isa):
        session: Runner = load(path, "native", None)
    return session


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _clock(threads: int) -> Callable[[], float]:
    return time.process_time if threads == 1 else time.perf_counter

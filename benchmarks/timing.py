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
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

import numpy as np
import onnxruntime
from cases import Case, Files
from data import Feed
from measure import Load, Runner, Way, load, measure_load, relative_difference, take_turns, timer
from peers import OpenPeer, PeerError

T = TypeVar("T")

DENSE: Final = "dense"
_LOADS: Final = 3


@dataclass(frozen=True)
class Times:
    """A row at one number of threads.

    Attributes:
        seconds: median of a run, by who ran: ``DENSE``, an instruction set or a peer.
        differences: max|a - b| / max|b|, b being the dense output, by who ran.
        failures: why a peer did not run, by its name.
    """

    seconds: dict[str, float]
    differences: dict[str, float]
    failures: dict[str, str] = field(default_factory=dict)

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
    """Check and time a row; once a process, as the number of threads is that of the process.

    When a peer fails, all begins again without it.
    """
    onnxruntime.set_global_thread_pool_sizes(threads, 1)
    clock = time.process_time if threads == 1 else time.perf_counter
    failures: dict[str, str] = {}
    while True:
        with ExitStack() as stack:
            try:
                found = [
                    stack.enter_context(closing(OpenPeer(name, files.dense, case.feed(), threads, clock)))
                    for name in peers
                    if name not in failures
                ]
                return replace(_time(case.feed(), files, isas, found, rounds, clock), failures=failures)
            except PeerError as error:
                failures[error.name] = error.reason


def _time(
    feed: Feed,
    files: Files,
    isas: Sequence[str],
    peers: Sequence[OpenPeer],
    rounds: int | None,
    clock: Callable[[], float],
) -> Times:
    """Check and time everybody."""
    sessions = {DENSE: load(files.dense, "dense", None), **{isa: _load_native(files.small, isa) for isa in isas}}
    outputs = {name: list(session.run(None, feed)) for name, session in sessions.items()}
    differences = {name: relative_difference(found, outputs[DENSE]) for name, found in outputs.items()}
    differences |= {peer.name: peer.difference(outputs[DENSE]) for peer in peers}
    timers = [timer(session, feed, clock) for session in sessions.values()] + [peer.seconds for peer in peers]
    return Times(dict(zip(differences, take_turns(timers, rounds), strict=True)), differences)


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

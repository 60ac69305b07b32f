"""Times a row of the table: dense onnxruntime, our kernels in each instruction set, and peers, in one process.

All of them share one pool of threads, so that none waits for another one's threads, and take turns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import onnxruntime

from common.differences import relative_difference
from common.sessions import Feed, Runner, load
from common.turns import Clock, clock_for, take_turns, timer
from peers.open_peer import OpenPeer, PeerError
from speed.cases import Case
from speed.files import Files

DENSE: Final = "dense"


@dataclass(frozen=True)
class Times:
    """A row at one number of threads.

    Attributes:
        seconds: The median of a run, by who ran: ``DENSE``, an instruction set or a peer.
        differences: max|a - b| / max|b|, b being the dense output, by who ran.
        failures: Why a peer did not run, by its name.
    """

    seconds: dict[str, float]
    differences: dict[str, float]
    failures: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """Return how many times as fast as dense one is; NaN for one that did not run."""
        return self.seconds[DENSE] / self.seconds.get(name, np.nan)


def time_case(
    case: Case, files: Files, threads: int, isas: Sequence[str], peers: Sequence[str], rounds: int | None
) -> Times:
    """Check and time a row; once a process, as the number of threads is that of the process.

    When a peer fails, all begins again without it.
    """
    onnxruntime.set_global_thread_pool_sizes(threads, 1)
    clock = clock_for(threads)
    failures: dict[str, str] = {}
    while True:
        with ExitStack() as stack:
            try:
                able = [
                    stack.enter_context(closing(OpenPeer(name, files.dense, case.feed(), threads, clock)))
                    for name in peers
                    if name not in failures
                ]
                return replace(_time(case.feed(), files, isas, able, rounds, clock), failures=failures)
            except PeerError as error:
                failures[error.name] = error.reason


def _time(
    feed: Feed, files: Files, isas: Sequence[str], peers: Sequence[OpenPeer], rounds: int | None, clock: Clock
) -> Times:
    """Check and time everybody."""
    sessions = {DENSE: load(files.dense, "dense", None), **{isa: _load_native(files, isa) for isa in isas}}
    outputs = {name: list(session.run(None, feed)) for name, session in sessions.items()}
    differences = {name: relative_difference(ours, outputs[DENSE]) for name, ours in outputs.items()}
    differences |= {peer.name: peer.difference(outputs[DENSE]) for peer in peers}
    timers = [timer(session, feed, clock) for session in sessions.values()] + [peer.seconds for peer in peers]
    return Times(dict(zip(differences, take_turns(timers, rounds), strict=True)), differences)


def _load_native(files: Files, isa: str) -> Runner:
    """Make a session whose kernels are those of an instruction set: it obeys the environment when it is created."""
    with _environment("ONNXDC_ISA", isa):
        session: Runner = load(files.small, "native", None)
    return session


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before

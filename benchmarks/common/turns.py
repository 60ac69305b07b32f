"""What is compared takes turns: medians of the times of each."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from common.sessions import Feed, Runner

Clock: TypeAlias = Callable[[], float]
"""Counts seconds."""

Timer: TypeAlias = Callable[[int], float]
"""Runs a model so many times; seconds a run."""

NOT_SLOWER: Final = 0.97  # a ratio that counts as no loss: what differs by less than 3 % is as fast
_ROUNDS: Final = (15, 201)  # the least and the most turns that each gets
_SECONDS: Final = 3.0  # for the timed runs of all together, if that is enough for the rounds
_TURN: Final = 0.003  # seconds that one runs, at least, before it is the next one's turn


def clock_for(threads: int) -> Clock:
    """Return the clock for so many threads: that of the process for one thread, that of the wall for more.

    On an idle machine the two are the same for one thread; on a busy one the process's own leaves out what others ran.
    """
    return time.process_time if threads == 1 else time.perf_counter


def run_times(
    sessions: Sequence[Runner], feed: Feed, rounds: int | None = None, clock: Clock = time.perf_counter
) -> list[float]:
    """Take turns with sessions that run the same model on the same feed; see ``take_turns``."""
    return take_turns([timer(session, feed, clock) for session in sessions], rounds)


def timer(session: Runner, feed: Feed, clock: Clock) -> Timer:
    """Make a timer of a session's runs on a feed."""

    def seconds(runs: int) -> float:
        start = clock()
        for _ in range(runs):
            session.run(None, feed)
        return (clock() - start) / runs

    return seconds


def take_turns(timers: Sequence[Timer], rounds: int | None = None) -> list[float]:
    """Return the median seconds of a run of each; they take turns, and each round begins with another one.

    Args:
        timers: Of what runs the same model.
        rounds: How many turns each gets, None for what a few seconds allow.
    """
    once = [min(seconds(1) for _ in range(3)) for seconds in timers]
    runs = math.ceil(_TURN / min(once))
    rounds = rounds or int(np.clip(_SECONDS / (runs * sum(once)), *_ROUNDS))
    times: list[list[float]] = [[] for _ in timers]
    for turn in range(rounds):
        for i in range(len(timers)):
            now = (turn + i) % len(timers)
            times[now].append(timers[now](runs))
    return [statistics.median(seconds) for seconds in times]

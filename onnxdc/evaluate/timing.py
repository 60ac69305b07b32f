"""How long a run of one model takes in terms of another's."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from typing import Final

from onnxdc.evaluate.runner import Runner, runners
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import Feed

_ROUNDS: Final = 25
_LEAST_ROUNDS: Final = 5
_SECONDS: Final = 2.0  # after which the least rounds are enough


def time_ratio(a: Source, b: Source, feed: Feed, custom_ops: Sequence[str | os.PathLike[str]] = ()) -> float:
    """Return the median time of a run of ``b`` over that of ``a``; see ``run_times``."""
    before, after = run_times(a, b, feed, custom_ops)
    return after / before


def run_times(
    a: Source, b: Source, feed: Feed, custom_ops: Sequence[str | os.PathLike[str]] = ()
) -> tuple[float, float]:
    """Return the median seconds of a run of ``a`` and of ``b``, which take turns; natively where they can be.

    Args:
        a: The model to hold against.
        b: The model in question.
        feed: The inputs of each run.
        custom_ops: Libraries of somebody's own operators that the models need.

    Raises:
        ModelError: A model cannot be run.
    """
    pair = [next(runners(model, custom_ops, limit=2**62)) for model in (a, b)]
    for runner in pair:
        _seconds(runner, feed)  # the first run sets things up
    times: list[list[float]] = [[], []]
    end = time.perf_counter() + _SECONDS
    while len(times[0]) < _LEAST_ROUNDS or (len(times[0]) < _ROUNDS and time.perf_counter() < end):
        for runner, taken in zip(pair, times, strict=True):
            taken.append(_seconds(runner, feed))
    return statistics.median(times[0]), statistics.median(times[1])


def _seconds(runner: Runner, feed: Feed) -> float:
    start = time.perf_counter()
    runner.run(feed)
    return time.perf_counter() - start

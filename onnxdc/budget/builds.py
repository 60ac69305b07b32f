"""Builds of one model at several strengths, and searches among them for the one that a budget asks for.

The strength of a build is the logarithm, to base 2, of the one number that moves all steps: steps grow as its square
root, and so two octaves are about a bit less for each weight. Neither what was measured of the inputs nor what is known
of the weights depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import Drop, Metric
from onnxdc.numeric.search import Found, bisect, closest_below
from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Result, Shared

_CLOSE_SIZE: Final = 0.99  # of the size asked for: a file this large is accepted
_MOST_BUILDS: Final = 7
_BITS_AN_OCTAVE: Final = -0.5  # for each weight

_CLOSE_F: Final = 0.97  # of the divergence: 3 % of it are about half a percent of the bytes
_FINEST_F, _COARSEST_F = 0.003, 0.5  # between these divergences lies every drop that somebody asks for
_HALVINGS: Final = 5


@dataclass(frozen=True)
class Build:
    """A model at one strength: its weights are shared, but dense.

    Attributes:
        plan: The plan, whose model it is.
        shared: What was done to each weight.
        steps: The step of each weight on a grid, as a rule gives it.
        densities: The density of each weight that one ranking of all gave it.
        floats: The plan that has the weights as floats, if the model is int8; None if it is the plan.
        too_large: The names of the nodes of an int8 model that stay float, as int32 cannot hold their biases.
    """

    plan: Plan
    shared: Result[Shared]
    steps: Mapping[str, float] = field(default_factory=dict)
    densities: Mapping[str, float] = field(default_factory=dict)
    floats: Plan | None = None
    too_large: Collection[str] = ()


Make: TypeAlias = Callable[[float], Build]
"""Returns the build at a strength."""

Weigh: TypeAlias = Callable[[Build], int]
"""Returns the bytes of the file that becomes of a build."""


def best_of_size(make: Make, weigh: Weigh, size: int, *, start: float, elements: int) -> Found[Build]:
    """Search for the finest build whose file has at most ``size`` bytes.

    Args:
        make: Makes the builds.
        weigh: Weighs them.
        size: The bytes.
        start: The strength to begin with.
        elements: The number of weights that are coded.
    """

    def evaluate(strength: float) -> tuple[float, Build]:
        build = make(strength)
        return float(weigh(build)), build

    slope = max(elements, 1) * _BITS_AN_OCTAVE / 8
    return closest_below(evaluate, size, close=_CLOSE_SIZE * size, start=start, slope=slope, most=_MOST_BUILDS)


def smallest_of_divergence(make: Make, judge: Judge, largest: float, *, start: float) -> Found[Build]:
    """Search for the coarsest build whose divergence f is at most ``largest``; the points have ``log2 f``.

    Args:
        make: Makes the builds.
        judge: Measures f.
        largest: The largest f, above 0.
        start: The strength to begin with.
    """

    def evaluate(strength: float) -> tuple[float, Build]:
        build = make(strength)
        return _octaves(judge.divergence(build.plan.model)), build

    bound = math.log2(largest)
    return closest_below(evaluate, bound, close=bound + math.log2(_CLOSE_F), start=start, slope=1.0, most=_MOST_BUILDS)


def smallest_of_drop(
    make: Make, judge: Judge, metric: Metric, largest: float, *, start: float
) -> tuple[Found[Build], Drop | None]:
    """Search for the coarsest build whose score drops by at most ``largest``, less one standard error.

    f, which is smooth, first says between which strengths to look.

    Args:
        make: Makes the builds.
        judge: Measures the score.
        metric: What is the score.
        largest: The largest drop, in the metric's unit.
        start: The strength to begin with.

    Returns:
        The build, and the drop that was measured for it.
    """
    drops: dict[float, Drop] = {}

    def evaluate(strength: float) -> tuple[float, Build]:
        build = make(strength)
        drops[strength], _ = judge.drop(build.plan.model, metric)
        return drops[strength].value + drops[strength].error, build

    around = judge.divergence(make(start).plan.model)
    octaves = _octaves(around if math.isfinite(around) else _COARSEST_F)  # a build with a NaN says only: finer
    good, bad = (start + math.log2(f) - octaves for f in (_FINEST_F, _COARSEST_F))
    found = bisect(evaluate, largest, good=good, bad=bad, times=_HALVINGS)
    return found, drops[found.best.x] if found.best else None


def _octaves(f: float) -> float:
    return math.log2(min(max(f, 2.0**-60), 2.0**60))

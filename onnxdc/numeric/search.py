"""Find where a quantity that changes steadily comes just below a bound, in as few evaluations as possible.

Sizes and divergences are smooth in the logarithm of the one number that moves all steps, so secants find them; a score
is a staircase with noise, so it is bisected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Thing = TypeVar("Thing")

_LONGEST_STEP: Final = 3.0  # octaves, a choice: the first slope is a guess, and far off there may be no slope at all
_STILL: Final = 0.01  # of what is good enough: a change of y below it is none
_EDGE: Final = 0.05  # of a bracket: a secant that comes closer to an end of it is replaced by the middle


@dataclass(frozen=True)
class Point(Generic[Thing]):
    """One evaluation.

    Attributes:
        x: Where it was made.
        y: What it gave.
        thing: What was made for it.
    """

    x: float
    y: float
    thing: Thing


@dataclass(frozen=True)
class Found(Generic[Thing]):
    """The outcome of a search.

    Attributes:
        best: The evaluation closest below the bound; None if all were above it.
        points: ``x`` and ``y`` of all evaluations, in their order.
    """

    best: Point[Thing] | None
    points: tuple[tuple[float, float], ...]


def closest_below(
    evaluate: Callable[[float], tuple[float, Thing]],
    bound: float,
    *,
    close: float,
    start: float,
    slope: float,
    most: int,
) -> Found[Thing]:
    """Search by secants for an ``x`` with ``close <= y(x) <= bound``.

    Args:
        evaluate: Returns ``y`` and whatever was made for it. Only the best of what was made is kept.
        bound: The largest ``y`` that is good.
        close: The smallest ``y`` that is good enough to stop.
        start: The first ``x``.
        slope: A guess at dy/dx; ``y`` rises with ``x`` if it is positive, else it falls.
        most: The largest number of evaluations.
    """
    best: Point[Thing] | None = None
    above: tuple[float, float] | None = None  # the evaluation closest above the bound
    points: list[tuple[float, float]] = []
    x = start
    while len(points) < most:
        y, thing = evaluate(x)
        points.append((x, y))
        if y <= bound:
            if best is None or y > best.y:
                best = Point(x, y, thing)
            if y >= close:
                break
        elif above is None or y < above[1]:
            above = (x, y)
        del thing
        if len(points) > 1 and abs(y - points[-2][1]) < _STILL * (bound - close):
            break  # it does not depend on x any more
        x = _next(points, (best.x, best.y) if best else None, above, (close + bound) / 2, slope)
        if any(abs(x - known) < 1e-6 for known, _ in points):
            break
    return Found(best, tuple(points))


def _next(
    points: list[tuple[float, float]],
    below: tuple[float, float] | None,
    above: tuple[float, float] | None,
    aim: float,
    slope: float,
) -> float:
    """Return where to evaluate next: on the secant, inside the bracket if there is one."""
    x, y = points[-1]
    if below is not None and above is not None:
        pair = (below, above)
    elif len(points) > 1:
        pair = (points[-2], points[-1])
    else:
        pair = None
    secant = slope
    if pair is not None and pair[0][0] != pair[1][0]:
        measured = (pair[1][1] - pair[0][1]) / (pair[1][0] - pair[0][0])
        if measured * slope > 0:
            secant = measured
    step = max(-_LONGEST_STEP, min(_LONGEST_STEP, (aim - y) / secant))
    if below is None or above is None:
        return x + step
    low, high = sorted((below[0], above[0]))
    edge = _EDGE * (high - low)
    return x + step if low + edge < x + step < high - edge else (low + high) / 2


def bisect(
    evaluate: Callable[[float], tuple[float, Thing]], bound: float, *, good: float, bad: float, times: int
) -> Found[Thing]:
    """Search for the ``x`` furthest from ``good`` whose ``y`` is at most ``bound``, by halving what lies between.

    Args:
        evaluate: Returns ``y`` and whatever was made for it.
        bound: The largest ``y`` that is accepted.
        good: An ``x`` that should be accepted; it is evaluated only if none further on was.
        bad: An ``x`` that should not.
        times: The number of halvings.
    """
    best: Point[Thing] | None = None
    points: list[tuple[float, float]] = []
    for x in _halvings(good, bad, times, lambda: bool(points) and points[-1][1] <= bound):
        y, thing = evaluate(x)
        points.append((x, y))
        if y <= bound:
            best = Point(x, y, thing)
    if best is None:
        y, thing = evaluate(good)
        points.append((good, y))
        best = Point(good, y, thing) if y <= bound else None
    return Found(best, tuple(points))


def _halvings(good: float, bad: float, times: int, accepted: Callable[[], bool]) -> Iterator[float]:
    for _ in range(times):
        middle = (good + bad) / 2
        yield middle
        good, bad = (middle, bad) if accepted() else (good, middle)

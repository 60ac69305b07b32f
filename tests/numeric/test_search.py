"""Searches: secants and halvings come to the place that the inverse of the function says, in few evaluations."""

from __future__ import annotations

import math

import pytest
from scipy.optimize import brentq

from onnxdc.numeric.search import bisect, closest_below


def counting(function):
    calls = []

    def evaluate(x):
        calls.append(x)
        return function(x), f"made at {x}"

    return evaluate, calls


def size(x: float) -> float:
    """Bytes of a file: they fall with the step, less and less, towards what does not depend on it."""
    return 20_000 + 800_000 / (1 + math.exp((x + 3) / 4))


@pytest.mark.parametrize("wanted", [60_000, 200_000, 417_000, 700_000])
@pytest.mark.parametrize("start", [-8.0, 0.0, 9.0])
def test_a_size_is_found_from_below(wanted, start):
    evaluate, calls = counting(size)
    found = closest_below(evaluate, wanted, close=0.99 * wanted, start=start, slope=-60_000, most=9)
    assert 0.99 * wanted <= found.best.y <= wanted
    right = brentq(lambda x: size(x) - wanted, -60, 60)
    assert found.best.x >= right
    assert [x for x, _ in found.points] == calls
    assert found.best.thing == f"made at {found.best.x}"


def test_a_smooth_quantity_takes_few_evaluations():
    evaluate, calls = counting(lambda x: 0.9 * x - 3)
    closest_below(evaluate, -1.0, close=-1.05, start=0.0, slope=1.0, most=9)
    assert len(calls) <= 3


def test_noise_does_not_lead_out_of_the_bracket():
    evaluate, _ = counting(lambda x: x + 0.4 * math.sin(9 * x))
    found = closest_below(evaluate, 2.0, close=1.95, start=-4.0, slope=1.0, most=12)
    assert found.best.y <= 2.0
    assert abs(found.best.x - 2.0) < 1.0


def test_what_cannot_be_had_is_none():
    evaluate, calls = counting(lambda x: 5.0 + math.exp(-x / 9))
    found = closest_below(evaluate, 4.0, close=3.9, start=0.0, slope=-1.0, most=5)
    assert found.best is None
    assert len(calls) == 5
    assert calls == sorted(calls)  # always further away


def test_the_best_is_kept_though_others_follow():
    values = {0.0: 1.0, 1.0: 0.5}
    found = closest_below(lambda x: (values.get(x, 9.0), x), 2.0, close=1.9, start=0.0, slope=1.0, most=3)
    assert (found.best.x, found.best.y, found.best.thing) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("edge", [0.3, 2.0, 7.1])
def test_a_staircase_is_halved(edge):
    evaluate, calls = counting(lambda x: 0.0 if x < edge else 1.0)
    found = bisect(evaluate, 0.5, good=0.0, bad=8.0, times=5)
    assert edge - 8 / 2**5 <= found.best.x < edge
    assert len(calls) <= 6


def test_halving_falls_back_on_the_good_end():
    evaluate, calls = counting(lambda x: x)
    found = bisect(evaluate, 0.0, good=0.0, bad=1.0, times=3)
    assert found.best.x == 0.0
    assert calls == [0.5, 0.25, 0.125, 0.0]


def test_halving_finds_nothing_where_nothing_is_good():
    found = bisect(lambda x: (1.0, None), 0.5, good=0.0, bad=1.0, times=2)
    assert found.best is None
    assert len(found.points) == 3


def test_a_bound_that_is_never_reached_ends_the_search():
    evaluate, calls = counting(lambda x: 1.0 + 1 / (1 + math.exp(x)))
    found = closest_below(evaluate, 3.0, close=2.9, start=0.0, slope=-1.0, most=20)
    assert found.best.y == pytest.approx(2.0, abs=1e-3)
    assert len(calls) < 8

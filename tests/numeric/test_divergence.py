"""The divergence f is what its formula says, in parts as in one, and the measure is chosen by what an output is."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import scipy.stats

from onnxdc.numeric.divergence import Divergence, Measure, divergence, measure_of


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_scores_and_their_probabilities_have_the_same_divergence() -> None:
    a, b = normal(20, 7), normal(20, 7, seed=1)
    p, q = scipy.special.softmax(a, axis=1), scipy.special.softmax(b, axis=1)
    expected = scipy.stats.entropy(p, q, axis=1).mean()
    assert divergence(a, b, Measure.KL).value == pytest.approx(expected)
    assert divergence(p, q, Measure.KL).value == pytest.approx(expected)
    assert divergence(np.log(p), np.log(q), Measure.KL).value == pytest.approx(expected)


@pytest.mark.parametrize("measure", Measure)
def test_equal_outputs_do_not_diverge(measure: Measure) -> None:
    assert divergence(normal(5, 3), normal(5, 3), measure).value == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("measure", Measure)
def test_parts_add_up(measure: Measure) -> None:
    a, b = normal(20, 7), normal(20, 7, seed=1)
    parts = [divergence(a[rows], b[rows], measure) for rows in (slice(3), slice(3, 20))]
    assert sum(parts, Divergence()).value == pytest.approx(divergence(a, b, measure).value)


def test_a_certain_mistake_is_finite() -> None:
    right, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert divergence(right, wrong, Measure.KL).value == pytest.approx(-np.log(1e-10))


def test_zeros_have_a_relative_error_of_1() -> None:
    assert divergence(normal(4, 5), np.zeros((4, 5)), Measure.SQUARES).value == 1
    assert divergence(np.zeros((4, 5)), normal(4, 5), Measure.SQUARES).value == np.inf
    assert divergence(np.zeros((4, 5)), np.zeros((4, 5)), Measure.SQUARES).value == 0


@pytest.mark.parametrize("measure", [Measure.KL, Measure.COSINE, Measure.SQUARES])
def test_what_is_no_number_in_a_is_left_out_and_in_b_infinitely_far(measure: Measure) -> None:
    a, b = normal(4, 5), normal(4, 5, seed=1)
    faulty = a.copy()
    faulty[0] = np.nan
    assert divergence(faulty, b, measure).value == divergence(a[1:], b[1:], measure).value
    assert divergence(a, faulty, measure).value == np.inf


def test_an_impossible_class_is_a_score_like_any_other() -> None:
    a = np.array([[1.0, 2.0, -np.inf]])
    assert divergence(a, a, Measure.KL).value == 0
    assert divergence(a, np.array([[2.0, 1.0, -np.inf]]), Measure.KL).weight == 1


UNIT = normal(6, 8) / np.linalg.norm(normal(6, 8), axis=1, keepdims=True)
PROBABILITIES = scipy.special.softmax(normal(6, 3, 4, 5), axis=1)


@pytest.mark.parametrize(
    ("a", "is_distribution", "expected"),
    [
        (normal(6, 8), False, (Measure.SQUARES, None)),
        (normal(6, 8), True, (Measure.KL, None)),
        (normal(6, 1), True, (Measure.SQUARES, None)),
        (PROBABILITIES, True, (Measure.KL, 1)),
        (np.moveaxis(PROBABILITIES, 1, 3), True, (Measure.KL, 3)),
        (scipy.special.softmax(normal(6, 10), axis=1)[:, :, None, None], True, (Measure.KL, 1)),
        (UNIT, False, (Measure.COSINE, -1)),
        (np.ones((6, 1)), False, (Measure.SQUARES, None)),
        (np.arange(5), False, (Measure.CHOICES, None)),
        (np.zeros(5, np.uint8), False, (Measure.SQUARES, None)),
        (np.array(["a"]), False, (Measure.CHOICES, None)),
    ],
)
def test_the_measure_follows_from_the_output(a: np.ndarray, is_distribution: bool, expected: tuple) -> None:
    assert measure_of(a, is_distribution=is_distribution) == expected

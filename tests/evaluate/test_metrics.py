"""Metrics and judges: scores against scipy and numpy, errors against many draws, f against verify."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import onnxdc
from onnxdc import ModelError, OptionError
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import metric_of
from onnxdc.model_io.feeds import given_feeds, input_specs, load_arrays
from tests.helpers.small_models import DIGITS, LENET

RNG = np.random.default_rng(3)


def answers(items: int, classes: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of which a share names the right class."""
    labels = RNG.integers(0, classes, items)
    scores = RNG.uniform(0, 1, (items, classes)).astype(np.float32)
    named = np.where(RNG.uniform(size=items) < right, labels, (labels + 1) % classes)
    scores[np.arange(items), named] = 2
    return scores, labels


def test_top1_counts_points_and_its_error_is_that_of_the_flips():
    before, labels = answers(4000, 10, 0.9)
    after = before.copy()
    flipped = RNG.permutation(4000)[:400]
    after[flipped] = np.roll(after[flipped], 1, axis=1)
    drop = metric_of("top1").drop([before], [after], labels)
    right = [(scores.argmax(axis=1) == labels).mean() * 100 for scores in (before, after)]
    assert (drop.before, drop.after) == pytest.approx(right)
    flips = np.count_nonzero((before.argmax(1) == labels) != (after.argmax(1) == labels))
    moved = (right[0] - right[1]) / 100 * 4000
    assert drop.error == pytest.approx(100 * np.sqrt(flips - moved**2 / 4000) / 4000)


def test_the_error_tells_how_far_other_items_would_have_been():
    drops, errors = [], []
    for _ in range(60):
        before, labels = answers(500, 4, 0.8)
        after = np.where(RNG.uniform(size=(500, 1)) < 0.1, np.roll(before, 1, axis=1), before)
        drop = metric_of("top1").drop([before], [after], labels)
        drops.append(drop.value)
        errors.append(drop.error)
    assert np.std(drops) == pytest.approx(np.mean(errors), rel=0.35)


def test_spearman_of_numbers_and_of_pairs_of_vectors():
    labels = RNG.normal(size=300)
    before, after = labels + RNG.normal(size=300), labels + 2 * RNG.normal(size=300)
    drop = metric_of("spearman").drop([before[:, None]], [after[:, None]], labels)
    assert drop.before == pytest.approx(spearmanr(before, labels).statistic)
    assert drop.after == pytest.approx(spearmanr(after, labels).statistic)
    assert 0.01 < drop.error < 0.1
    left, right = RNG.normal(size=(2, 300, 5))
    vectors = np.stack([left, right], axis=1).reshape(600, 5)
    cosines = (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)
    pairs = metric_of("spearman").drop([vectors], [vectors], labels)
    assert pairs.before == pytest.approx(spearmanr(cosines, labels).statistic)
    assert (pairs.value, pairs.error) == (0, 0)


def test_cosine_needs_no_labels():
    before = RNG.normal(size=(50, 8))
    after = before + 0.3 * RNG.normal(size=(50, 8))
    cosines = [np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(before, after, strict=True)]
    drop = metric_of("cosine").drop([before], [after], None)
    assert (drop.before, drop.after) == (pytest.approx(1), pytest.approx(np.mean(cosines)))
    assert drop.error == pytest.approx(np.std(cosines) / np.sqrt(50))


def test_a_function_of_ones_own_gets_outputs_and_labels():
    seen = []

    def score(outputs, labels):
        seen.append((outputs, labels))
        return -float(np.abs(outputs[1][:, 0] - labels).mean())

    labels = RNG.normal(size=40)
    outputs = [np.zeros((40, 1)), labels[:, None] + 0.5]
    drop = metric_of(score).drop(outputs, [outputs[0], outputs[1] + 0.25], labels)
    assert drop.value == pytest.approx(0.25)
    assert drop.error == pytest.approx(0)
    assert seen[0][0] is outputs
    assert seen[0][1] is labels


@pytest.mark.parametrize(
    ("metric", "labels", "message"),
    [
        ("top1", None, "top1: expected data with labels, got none"),
        ("top1", np.zeros(3, int), "expected a label for each of 4 items, got 3"),
        ("spearman", np.zeros(3), "expected a number and a label for each item, or vectors"),
        (lambda outputs, labels: np.nan, None, "expected a finite score, got nan"),
        (lambda outputs, labels: None, None, "expected a number for a score, got NoneType"),
    ],
)
def test_what_is_no_score_is_refused(metric, labels, message):
    outputs = [np.ones((4, 3))]
    with pytest.raises(ModelError, match=message):
        metric_of(metric).drop(outputs, outputs, labels)


def test_an_unknown_metric_is_refused():
    with pytest.raises(OptionError, match=r"metric: expected one of top1, cosine, spearman, f or a function, got 'f1'"):
        metric_of("f1")


@pytest.mark.parametrize("labelled", [False, True])
def test_a_judge_finds_what_verify_finds(labelled):
    coarse = onnxdc.share(LENET, bits=2)
    arrays = load_arrays(DIGITS)
    labels = arrays["labels"] if labelled else None
    feeds = given_feeds(input_specs(coarse.model, "lenet"), arrays, "lenet")
    judge = Judge(LENET, feeds, labels)
    (comparison,) = (found := onnxdc.verify(LENET, coarse.model, arrays, labels)).comparisons
    assert judge.divergence(coarse.model) == comparison.divergence > 0
    assert judge.items == found.items
    drop, divergence = judge.drop(coarse.model, metric_of("top1" if labelled else "cosine"))
    assert divergence == comparison.divergence
    if labelled:
        top1 = [100 * accuracy.top1 for accuracy in found.accuracies]
        assert (drop.before, drop.after) == (pytest.approx(top1[0]), pytest.approx(top1[1]))


def test_a_judge_refuses_another_model():
    feeds = [{"x": np.zeros((1, 64), np.float32)}]
    with pytest.raises(ModelError):
        Judge(LENET, feeds)

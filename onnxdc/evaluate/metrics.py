"""What a user judges a model by: a number for all of its answers, the higher the better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from onnxdc.errors import ModelError, OptionError, OptionName
from onnxdc.evaluate.labels import ranks_of

Outputs: TypeAlias = Sequence[np.ndarray]
"""The outputs of a model in its order, for all items: the first axis of each counts them."""

ScoreFunction: TypeAlias = Callable[[Outputs, np.ndarray | None], float]
"""Called as ``score(outputs, labels)``; ``labels`` is None if the data have none. The higher the better."""

DIVERGENCE: Final = "f"
METRICS: Final = ("top1", "cosine", "spearman", DIVERGENCE)

_RESAMPLES: Final = 200
_SEED: Final = 0


@dataclass(frozen=True)
class Drop:
    """By how much a score fell.

    Attributes:
        before: The score of the original.
        after: That of the model in question.
        error: The standard error of their difference, since other items would have given another one.
    """

    before: float
    after: float
    error: float

    @property
    def value(self) -> float:
        """The drop; negative if the score rose."""
        return self.before - self.after


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: What it is called in messages.
        needs_labels: Whether it is none without labels.
        unit: What its numbers are, for messages; empty if they are plain numbers.
        of_items: Returns the score of each item, whose mean is the score: called with the outputs, the labels and the
            outputs of the original. None for a metric that is no mean.
        of_all: Returns the score of all items, of a metric that is no mean.
    """

    name: str
    needs_labels: bool = False
    unit: str = ""
    of_items: Callable[[Outputs, np.ndarray | None, Outputs], np.ndarray] | None = None
    of_all: ScoreFunction | None = None

    def drop(self, before: Outputs, after: Outputs, labels: np.ndarray | None) -> Drop:
        """Return by how much the score falls from the outputs of one model to those of another, for the same items.

        The standard error of a mean is that of the paired differences; of others, the standard deviation over 200
        samples of the items, drawn with replacement.

        Raises:
            ModelError: The outputs or labels are none that the metric can take, or a score is no number.
        """
        if self.needs_labels and labels is None:
            raise ModelError(f"{self.name}: expected data with labels, got none")
        if self.of_items is not None:
            scores = [self.of_items(outputs, labels, before) for outputs in (before, after)]
            error = float((scores[0] - scores[1]).std() / np.sqrt(len(scores[0])))
            return Drop(self._finite(scores[0].mean()), self._finite(scores[1].mean()), error)
        assert self.of_all is not None, "a metric is of items or of all"
        scores_of_all = self._score(before, labels), self._score(after, labels)
        drops = [
            self._score(before, labels, chosen) - self._score(after, labels, chosen)
            for chosen in _resamples(len(after[0]))
        ]
        return Drop(*scores_of_all, float(np.std(drops)))

    def _score(self, outputs: Outputs, labels: np.ndarray | None, chosen: np.ndarray | None = None) -> float:
        assert self.of_all is not None, "a metric is of items or of all"
        if chosen is not None:
            outputs, labels = _taken(outputs, labels, chosen)
        return self._finite(self.of_all(outputs, labels))

    def _finite(self, score: float) -> float:
        try:
            number = float(score)
        except (TypeError, ValueError):
            raise ModelError(f"{self.name}: expected a number for a score, got {type(score).__name__}") from None
        if not np.isfinite(number):
            raise ModelError(f"{self.name}: expected a finite score, got {number}")
        return number


def metric_of(metric: str | ScoreFunction) -> Metric | None:
    """Return a metric by its name, or the one that a function computes; None for the divergence f.

    Raises:
        OptionError: There is none of that name.
    """
    if callable(metric):
        return Metric(getattr(metric, "__name__", "metric"), of_all=metric)
    if metric == DIVERGENCE:
        return None
    known = {known.name: known for known in (_TOP1, _COSINE, _SPEARMAN)}
    if metric not in known:
        raise OptionError(OptionName("metric"), f": expected one of {', '.join(METRICS)} or a function, got {metric!r}")
    return known[metric]


def _resamples(items: int) -> list[np.ndarray]:
    rng = np.random.default_rng(_SEED)
    return [rng.integers(0, items, items) for _ in range(_RESAMPLES)]


def _taken(
    outputs: Outputs, labels: np.ndarray | None, chosen: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Return the answers for some items; where labels are for pairs of items, both of a pair are taken."""
    items = len(outputs[0])
    if labels is not None and 2 * len(labels) == items:
        pairs = chosen[: len(labels)] % len(labels)
        chosen = np.stack([2 * pairs, 2 * pairs + 1], axis=1).reshape(-1)
        return [output[chosen] for output in outputs], labels[pairs]
    return [output[chosen] for output in outputs], None if labels is None else labels[chosen]


def _top1(outputs: Outputs, labels: np.ndarray | None, before: Outputs) -> np.ndarray:
    assert labels is not None, "checked before"
    if len(labels) != len(outputs[0]):
        raise ModelError(f"top1: expected a label for each of {len(outputs[0])} items, got {len(labels)}")
    return np.where(ranks_of(outputs[0], labels, "top1") < 1, 100.0, 0.0)


def _cosine(outputs: Outputs, labels: np.ndarray | None, before: Outputs) -> np.ndarray:
    a, b = (output[0].reshape(len(output[0]), -1).astype(np.float64) for output in (before, outputs))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.divide(np.einsum("ij,ij->i", a, b), lengths, out=np.zeros(len(a)), where=lengths > 0))


def _spearman(outputs: Outputs, labels: np.ndarray | None) -> float:
    from scipy.stats import spearmanr  # which takes half a second to import

    assert labels is not None, "checked before"
    rows = outputs[0].reshape(len(outputs[0]), -1).astype(np.float64)
    if len(labels) == len(rows) and rows.shape[1] == 1:
        return float(spearmanr(rows[:, 0], labels).statistic)
    if 2 * len(labels) == len(rows):
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        left, right = (rows / lengths)[0::2], (rows / lengths)[1::2]
        return float(spearmanr(np.einsum("ij,ij->i", left, right), labels).statistic)
    raise ModelError(
        f"spearman: expected a number and a label for each item, or vectors and a label for each two, "
        f"got outputs {list(outputs[0].shape)} and {len(labels)} labels"
    )


_TOP1: Final = Metric("top1", needs_labels=True, unit="points", of_items=_top1)
_COSINE: Final = Metric("cosine", of_items=_cosine)
_SPEARMAN: Final = Metric("spearman", needs_labels=True, of_all=_spearman)

"""How good answers are: the mean loss over batches, the share that is right, and by how much that falls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch

from onnxdc.evaluate.metrics import Drop
from onnxdc.training.data import Batch
from onnxdc.training.losses import Objective
from onnxdc.training.report import Score

Answers: TypeAlias = Callable[[Batch], torch.Tensor]
"""Returns what a model answers to some items, before a last Softmax or Sigmoid that the loss contains."""

_POINTS = 100.0  # of an accuracy of one


class Scorer:
    """Sums up the scores of batches.

    Args:
        objective: The loss.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._loss, self._right, self._answers = 0.0, 0, 0
        self._knows_right = True

    def add(self, outputs: torch.Tensor, batch: Batch, loss: float | None = None) -> None:
        """Take in the answers to a batch, and their loss if it is known."""
        if loss is None:
            loss = self._objective(outputs, batch.labels, batch.teacher).item()
        right = self._objective.right(outputs, batch.labels, batch.teacher)
        answers = len(batch) if right is None else right.numel()
        self._loss, self._answers = self._loss + loss * answers, self._answers + answers
        self._right += 0 if right is None else int(right.sum())
        self._knows_right = right is not None

    def score(self) -> Score:
        """Return the score of all answers so far."""
        answers = max(1, self._answers)
        return Score(self._loss / answers, self._right / answers if self._knows_right else None)


def score(answers: Answers, data: Batch, objective: Objective, batch: int) -> Score:
    """Score a model on data, so many items at a time."""
    scorer = Scorer(objective)
    with torch.no_grad():
        for part in data.parts(batch):
            scorer.add(answers(part).cpu(), part)
    return scorer.score()


def drop(before: Answers, after: Answers, data: Batch, objective: Objective, batch: int) -> Drop:
    """Return by how many points the share of right answers falls from one model to another, for the same items.

    The standard error is that of the paired differences.

    Args:
        before: The first model.
        after: The second one.
        data: The items.
        objective: The loss, which knows what is right.
        batch: The number of items at a time.
    """
    first = second = differ = answers = 0
    with torch.no_grad():
        for part in data.parts(batch):
            a, b = (objective.right(model(part).cpu(), part.labels, part.teacher) for model in (before, after))
            assert a is not None and b is not None, "a loss that knows no right and wrong has no drop"  # noqa: PT018
            first, second, differ = first + int(a.sum()), second + int(b.sum()), differ + int((a != b).sum())
            answers += a.numel()
    mean, square = (first - second) / answers, differ / answers
    error = math.sqrt(max(square - mean**2, 0.0) / answers)
    return Drop(_POINTS * first / answers, _POINTS * second / answers, _POINTS * error)

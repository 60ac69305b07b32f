"""What training makes small, and how often an answer is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 (as its documentation has it)

from onnxdc.training.options import TrainingOptions

IGNORED: Final = -100
"""The label of what does not count, such as padding."""

_LOSSES: Final[dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]] = {
    "bce": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
    "l1": F.l1_loss,
}


def distillation(
    outputs: torch.Tensor, teacher: torch.Tensor, temperature: float, counts: torch.Tensor | None = None
) -> torch.Tensor:
    """Return how far a classifier is from its teacher (Hinton et al. 2015, section 2).

    This is the divergence of Kullback and Leibler between the softmax of both over ``temperature``, the mean over items
    and positions, times ``temperature`` squared so that the size of its gradient does not depend on it.

    Args:
        outputs: The classifier's logits, ``[items, classes, ...]``.
        teacher: The teacher's logits, of the same shape; log-probabilities will do.
        temperature: The temperature, above 0.
        counts: Which answers count, bool ``[items, ...]``; all without.
    """
    log_student = F.log_softmax(outputs / temperature, dim=1)
    log_teacher = F.log_softmax(teacher / temperature, dim=1)
    divergence = F.kl_div(log_student, log_teacher, reduction="none", log_target=True).sum(dim=1)
    return _mean(divergence, counts) * temperature**2


def _mean(values: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of the values that count; 0 if none does."""
    return values.mean() if counts is None else values[counts].sum() / counts.sum().clamp(min=1)


@dataclass(frozen=True)
class Objective:
    """The loss of a training: of labels, of a teacher's outputs, or of both.

    Attributes:
        options: The options, of which ``loss``, ``distill_weight`` and ``temperature`` count.
    """

    options: TrainingOptions

    def _counts(self, labels: torch.Tensor | None) -> torch.Tensor | None:
        """Return which answers count by the labels, bool of their shape; None if all do."""
        return None if labels is None or self.options.loss != "cross_entropy" else labels != IGNORED

    def __call__(
        self, outputs: torch.Tensor, labels: torch.Tensor | None, teacher: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the mean loss of some items.

        Args:
            outputs: The outputs of the model, before a final Softmax or Sigmoid that the loss contains.
            labels: Classes ``[items, ...]`` for cross entropy, -100 for what does not count, else the outputs that are
                wanted; None without labels.
            teacher: The outputs of the teacher, like those of the model; None without a teacher.
        """
        if teacher is None:
            assert labels is not None
            return self._hard(outputs, labels)
        if labels is None:
            return self._soft(outputs, teacher)
        weight, counts = self.options.distill_weight, self._counts(labels)
        return (1 - weight) * self._hard(outputs, labels) + weight * self._soft(outputs, teacher, counts)

    def _hard(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.options.loss == "cross_entropy":
            losses = F.cross_entropy(outputs, labels, ignore_index=IGNORED, reduction="none")
            return _mean(losses, self._counts(labels))
        return _LOSSES[self.options.loss](outputs, labels)

    def _soft(self, outputs: torch.Tensor, teacher: torch.Tensor, counts: torch.Tensor | None = None) -> torch.Tensor:
        if self.options.loss == "cross_entropy":
            return distillation(outputs, teacher, self.options.temperature, counts)
        return self._hard(outputs, teacher.sigmoid() if self.options.loss == "bce" else teacher)

    def right(
        self, outputs: torch.Tensor, labels: torch.Tensor | None, teacher: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Return which answers are right, bool ``[answers]``; None for ``"mse"`` and ``"l1"``, which do not know.

        Without labels the answers of the teacher are right.
        """
        if self.options.loss == "cross_entropy":
            right = outputs.argmax(dim=1) == (labels if labels is not None else _given(teacher).argmax(dim=1))
            counts = self._counts(labels)
            return right.reshape(-1) if counts is None else right[counts]
        if self.options.loss == "bce":
            wanted = labels > 0.5 if labels is not None else _given(teacher) > 0
            return ((outputs > 0) == wanted).reshape(-1)
        return None


def _given(teacher: torch.Tensor | None) -> torch.Tensor:
    assert teacher is not None, "neither labels nor a teacher"
    return teacher

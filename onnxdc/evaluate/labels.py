"""How often a run names the right classes."""

from __future__ import annotations

import numpy as np

from onnxdc.errors import ModelError
from onnxdc.report.verification import Accuracy


def checked_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels as they were given, if they are integers ``[items]``.

    Raises:
        ModelError: They are of another type or shape. Floats are refused, whole numbers or not: they are more likely
            probabilities or targets of a regression than classes.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ModelError(f"labels: expected integers [items], got {array.dtype}{list(array.shape)}")
    return array


def ranks_of(output: np.ndarray, labels: np.ndarray, where: str, start: int = 0) -> np.ndarray:
    """Return how many classes come before the right one, for each item: 0 where it comes first.

    Args:
        output: The scores, ``[items, classes]``, maybe with axes of size 1.
        labels: The right classes, integers, of these items and of others.
        where: What to call the run.
        start: The number of the first of these items.

    Raises:
        ModelError: There are too few labels, or one is no class, or the output has no classes.
    """
    if output.dtype.kind not in "iuf" or not output.ndim:
        got = f"{output.dtype}{list(output.shape)}"
        raise ModelError(f"{where}: expected scores [items, classes] in the first output, got {got}")
    scores = output.reshape(len(output), -1) if output.ndim > 1 else output.reshape(1, -1)
    items, classes = scores.shape
    right = labels[start:][:items]
    if len(right) < items:
        raise ModelError(f"{where}: expected a label for each item, got only {len(labels)}")
    if items and not 0 <= int(right.min()) <= int(right.max()) < classes:
        found = f"{right.min()} to {right.max()}"
        raise ModelError(f"{where}: expected labels from 0 to {classes - 1}, got {found}")
    right = right.astype(np.int64)
    score = np.take_along_axis(scores, right[:, None], axis=1)
    # Of equal scores the first counts as the higher, as argmax has it; a NaN is never right.
    earlier = (scores == score) & (np.arange(classes) < right[:, None])
    return np.asarray(np.where(np.isnan(score[:, 0]), classes, ((scores > score) | earlier).sum(axis=1)))


class Scores:
    """How well one run names the right classes, so far."""

    def __init__(self, run: str, labels: np.ndarray) -> None:
        self._run, self._labels = run, labels
        self._ranks = np.empty(0, np.int64)  # of the right class of each item

    def add(self, output: np.ndarray) -> None:
        """Rank the right classes of the next items by ``output``, see ``ranks_of``."""
        self._ranks = np.append(self._ranks, ranks_of(output, self._labels, self._run, self._ranks.size))

    def accuracy(self) -> Accuracy:
        """Return how often the run was right.

        Raises:
            ModelError: There are more labels than items.
        """
        items = self._ranks.size
        if items != len(self._labels):
            raise ModelError(f"{self._run}: expected a label for each of {items} items, got {len(self._labels)}")
        return Accuracy(self._run, float(np.mean(self._ranks < 1)), float(np.mean(self._ranks < 5)))

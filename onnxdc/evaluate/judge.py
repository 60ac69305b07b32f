"""What becomes of a model's answers when its weights change: the divergence f and a user's metric."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from onnxdc import model_io
from onnxdc.errors import ModelError
from onnxdc.evaluate.endings import endings
from onnxdc.evaluate.metrics import Drop, Metric
from onnxdc.evaluate.outputs import Largest, OutputPair
from onnxdc.evaluate.runner import Runner, runners
from onnxdc.evaluate.spread import items_of
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import Feed
from onnxdc.report.output_difference import OutputDifference


class Judge:
    """The answers of a model, to which those of others are held.

    Args:
        original: The model.
        feeds: What it is asked; all answers to them are kept.
        labels: The right answer to each item, or to each two of them, see ``metrics``; None if there are none.
        custom_ops: Libraries of somebody's own operators that the models need.
        scores: Whether the first output is known to hold the scores of classes, as it is with labels that are classes.

    Raises:
        ModelError: The model cannot be run on the feeds.
    """

    def __init__(
        self,
        original: Source,
        feeds: Sequence[Feed],
        labels: np.ndarray | None = None,
        custom_ops: Sequence[str | os.PathLike[str]] = (),
        *,
        scores: bool = False,
    ) -> None:
        self._feeds, self._labels, self._custom_ops = feeds, labels, custom_ops
        self._has_scores = scores or (labels is not None and labels.dtype.kind in "iu")
        self._endings = endings(model_io.load(original, upgrade=False))
        runner = self._runner(original)
        self._names, self._answers = runner.outputs, [runner.run(feed) for feed in feeds]

    @property
    def items(self) -> int:
        """The number of items that are asked."""
        return sum(map(items_of, self._feeds))

    def divergence(self, model: Source) -> float:
        """Return the divergence f of a model from the original: that which ``verify`` finds for the same inputs.

        Raises:
            ModelError: The model cannot be run, or has other outputs.
        """
        return self._divergence(self._run(model))

    def drop(self, model: Source, metric: Metric) -> tuple[Drop, float]:
        """Return by how much a metric of a model drops, and its divergence f.

        Raises:
            ModelError: The model cannot be run, or the metric takes no such answers.
        """
        answers = self._run(model)
        before, after = self._joined(self._answers), self._joined(answers)
        return metric.drop(before, after, self._labels), self._divergence(answers)

    def cautions(self, model: Source) -> list[str]:
        """Return why ``verify`` would not accept a model on the same inputs, or what f hardly heeds, a sentence each.

        Raises:
            ModelError: The model cannot be run, or has other outputs.
        """
        found = self._differences(self._run(model), "usual")
        return [caution for difference in found for caution in difference.cautions()]

    def _divergence(self, answers: Sequence[list[np.ndarray]]) -> float:
        return sum((difference.divergence for difference in self._differences(answers, None)), 0.0)

    def _differences(self, answers: Sequence[list[np.ndarray]], largest: Largest) -> Iterator[OutputDifference]:
        for number, name in enumerate(self._names):
            pair = OutputPair(name, self._endings.get(name), labelled=self._has_scores and not number)
            for feed, before, after in zip(self._feeds, self._answers, answers, strict=True):
                pair.add(before[number], after[number], items_of(feed))
            yield pair.difference(largest, alike=False)

    def _run(self, model: Source) -> list[list[np.ndarray]]:
        runner = self._runner(model)
        if runner.outputs != self._names:
            raise ModelError(f"{runner.name}: expected outputs {self._names}, got {runner.outputs}")
        return [runner.run(feed) for feed in self._feeds]

    def _runner(self, model: Source) -> Runner:
        return next(runners(model, self._custom_ops, limit=2**62))  # what a caller made is within its means

    def _joined(self, answers: Sequence[list[np.ndarray]]) -> list[np.ndarray]:
        """Return each output for all items in one array."""
        return [self._one_array(answers, number) for number in range(len(self._names))]

    def _one_array(self, answers: Sequence[list[np.ndarray]], number: int) -> np.ndarray:
        parts = []
        for feed, outputs in zip(self._feeds, answers, strict=True):
            items, output = items_of(feed), outputs[number]
            parts.append(output if output.ndim and len(output) == items else output[np.newaxis])
        if len({part.shape[1:] for part in parts}) > 1:
            raise ModelError(f"output {self._names[number]}: expected items of one shape for a metric, got several")
        return np.concatenate(parts)

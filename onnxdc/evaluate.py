"""Run two models on the same inputs and say by how much their outputs differ, and how often each is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.errors import ModelError
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import OPEN_DIMENSIONS, Feed, InputSpec, given_feeds, input_specs, random_feed
from onnxdc.report.verification import Accuracy, Comparison, OutputDifference, Verification
from onnxdc.runtime import session, why_not_native

AGREEMENT: Final = 1e-4  # largest relative difference between the native and the portable run of one model
_RANDOM_FEEDS: Final = 3  # a choice
_QUIET: Final = 4  # of the severities of onnxruntime's log, fatal: what it refuses comes back as an exception too


@dataclass(frozen=True)
class _Runner:
    """A session with the name that messages call it."""

    name: str
    session: onnxruntime.InferenceSession

    @property
    def outputs(self) -> list[str]:
        return [output.name for output in self.session.get_outputs()]

    def run(self, feed: Feed) -> list[np.ndarray]:
        """Return the outputs as arrays; a sequence or a map becomes an array of objects."""
        try:
            return [np.asarray(output) for output in self.session.run(None, feed)]
        except Exception as error:  # onnxruntime raises many types, which share no base
            raise ModelError(f"{self.name}: cannot run: {' '.join(str(error).split())}") from error


def verify(
    a: Source,
    b: Source,
    inputs: Mapping[str, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
    *,
    tolerance: float | None = None,
    seed: int = 0,
) -> Verification:
    """Run two models on the same inputs in onnxruntime and compare.

    A compressed model runs natively and portably if the library loads, and both runs of ``b`` must agree to 1e-4
    relative. ``a`` runs once, natively where it can.

    Args:
        a: The model to hold against.
        b: The model in question.
        inputs: An array for each input of ``a``; random without. Its first axis counts items: either it is the first
            axis of the input, or it comes before all axes of the input, and each element is run on its own.
        labels: The right class of each item by the first output ``[items, classes, ...]``: integers ``[items]``.
        tolerance: The largest relative difference between ``a`` and ``b`` that is accepted; any is without.
        seed: The seed of the random inputs.

    Raises:
        ModelError: A model cannot be read or run, or inputs, outputs or labels do not fit.
        FormatError: A compressed weight breaks a rule of the format.
    """
    first, *others = runners = [next(_runners(a)), *_runners(b)]
    for other in others:
        if other.outputs != first.outputs:
            raise ModelError(f"{other.name}: expected outputs {first.outputs} as {first.name} has, got {other.outputs}")
    specs = input_specs(model_io.load(a, upgrade=False), first.name)
    feeds = _random_feeds(specs, first, seed) if inputs is None else given_feeds(specs, inputs, first.name)
    pairs = [_Pair(runners, 0, other, tolerance) for other in range(1, len(runners))]
    if len(others) == 2:
        pairs.append(_Pair(runners, 1, 2, AGREEMENT))
    scores = [_Scores(runner.name, labels) for runner in runners] if labels is not None else []
    for feed in feeds:
        results = [runner.run(feed) for runner in runners]
        for pair in pairs:
            pair.add(results)
        for score, outputs in zip(scores, results, strict=False):  # no scores without labels
            score.add(outputs[0])
    return Verification(
        inputs=f"random (seed {seed})" if inputs is None else "given",
        runs=len(feeds),
        comparisons=tuple(pair.comparison() for pair in pairs),
        accuracies=tuple(score.accuracy() for score in scores),
        notes=_notes(others),
    )


class _Pair:
    """Two runs, and the largest differences between them so far."""

    def __init__(self, runners: Sequence[_Runner], a: int, b: int, tolerance: float | None) -> None:
        self._runners, self._a, self._b, self._tolerance = runners, a, b, tolerance
        self._largest = np.zeros((2, len(runners[a].outputs)))  # of the difference and of |a|, for each output

    def add(self, results: Sequence[list[np.ndarray]]) -> None:
        """Compare what both gave for one feed; ``results`` holds the outputs of each runner."""
        pairs = zip(results[self._a], results[self._b], strict=True)
        self._largest = np.maximum(self._largest, np.transpose([_difference(a, b) for a, b in pairs]))

    def comparison(self) -> Comparison:
        """Return the comparison of all feeds so far."""
        a, b = self._runners[self._a], self._runners[self._b]
        outputs = tuple(
            OutputDifference(name, absolute, absolute / scale if scale else absolute)
            for name, absolute, scale in zip(a.outputs, *self._largest.tolist(), strict=True)
        )
        return Comparison(a.name, b.name, outputs, self._tolerance)


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the largest |a - b|, and the largest finite |a|."""
    if a.shape != b.shape or a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
        return (0.0 if np.array_equal(a, b) else np.inf), 1.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b)
    distance[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    distance[np.isnan(distance)] = np.inf
    finite = np.abs(a[np.isfinite(a)])
    return float(distance.max(initial=0.0)), float(finite.max(initial=0.0))


class _Scores:
    """How well one run names the right classes, so far."""

    def __init__(self, run: str, labels: np.ndarray) -> None:
        self._run, self._labels = run, labels
        self._ranks = np.empty(0, np.int64)  # of the right class of each item: how many come before it

    def add(self, output: np.ndarray) -> None:
        """Rank the right classes of the next items by ``output``: ``[items, classes]``, maybe with axes of size 1."""
        scores = output.reshape(len(output), -1) if output.ndim > 1 else output.reshape(1, -1)
        items, classes = scores.shape
        right = self._labels[self._ranks.size :][:items]
        if len(right) < items:
            raise ModelError(f"{self._run}: expected a label for each item, got only {len(self._labels)}")
        if items and not 0 <= right.min() <= right.max() < classes:
            given = f"{right.min()} to {right.max()}"
            raise ModelError(f"{self._run}: expected labels from 0 to {classes - 1}, got {given}")
        score = np.take_along_axis(scores, right[:, None], axis=1)
        # Of equal scores the first counts as the higher, as argmax has it; a NaN is never right.
        earlier = (scores == score) & (np.arange(classes) < right[:, None])
        ranks = np.where(np.isnan(score[:, 0]), classes, ((scores > score) | earlier).sum(axis=1))
        self._ranks = np.append(self._ranks, ranks)

    def accuracy(self) -> Accuracy:
        """Return how often the run was right."""
        items = self._ranks.size
        if items != len(self._labels):
            raise ModelError(f"{self._run}: expected a label for each of {items} items, got {len(self._labels)}")
        return Accuracy(self._run, float(np.mean(self._ranks < 1)), float(np.mean(self._ranks < 5)))


def _random_feeds(specs: list[InputSpec], runner: _Runner, seed: int) -> list[Feed]:
    """Return random feeds, with the first sizes of the open dimensions that the model can run."""
    rng = np.random.default_rng(seed)
    for attempt in OPEN_DIMENSIONS:
        feeds = [random_feed(specs, *attempt, rng) for _ in range(_RANDOM_FEEDS)]
        try:
            runner.run(feeds[0])
        except ModelError as error:
            failure = error
        else:
            return feeds
    raise ModelError(f"{failure} (on random inputs; give it real ones)")


def _notes(runners: Sequence[_Runner]) -> tuple[str, ...]:
    """Say why the compressed model did not run natively."""
    reason = why_not_native()
    portable = any(runner.name.endswith("(portable)") for runner in runners)
    return (f"no native run: {reason}",) if portable and reason else ()


def _runners(model: Source) -> Iterator[_Runner]:
    """Yield the sessions of a model: natively, if it is compressed and the library loads, and portably."""
    compressed = is_compressed(model_io.load(model, upgrade=False))
    ways: list[tuple[str, bool]] = [(" (native)", True)] if compressed and not why_not_native() else []
    ways.append((" (portable)" if compressed else "", False))
    for way, native in ways:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        yield _Runner(model_io.name_of(model) + way, session(model, native=native, sess_options=options))

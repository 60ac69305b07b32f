"""Run two models on the same inputs and say by how much their outputs differ, and how often each is right."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime

from onnxdc import model_io
from onnxdc.errors import ModelError
from onnxdc.feeds import OPEN_DIMENSIONS, Feed, InputSpec, given_feeds, input_specs, random_feed
from onnxdc.model_io import Source
from onnxdc.passes.decode import is_compressed
from onnxdc.runtime import session, why_not_native

AGREEMENT: Final = 1e-4  # largest relative difference between the native and the portable run of one model
_RANDOM_FEEDS: Final = 3
_QUIET: Final = 4  # of onnxruntime's log: what it refuses comes back as an exception too


@dataclass(frozen=True)
class OutputDifference:
    """How far two runs are apart in one output.

    Attributes:
        name: of the output.
        absolute: the largest |a - b| of all elements; infinite where only one is NaN, or no numbers that differ.
        relative: ``absolute`` over the largest finite |a| of the output; 0 where nothing differs.
    """

    name: str
    absolute: float
    relative: float


@dataclass(frozen=True)
class Comparison:
    """Two runs compared.

    Attributes:
        a, b: what was run, such as ``"small.onnx (native)"``.
        outputs: the difference in each output.
        tolerance: the largest relative difference that is accepted; None where any is.
    """

    a: str
    b: str
    outputs: tuple[OutputDifference, ...]
    tolerance: float | None

    @property
    def relative(self) -> float:
        """The largest relative difference of all outputs."""
        return max((output.relative for output in self.outputs), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether the difference is accepted."""
        return self.tolerance is None or self.relative <= self.tolerance


@dataclass(frozen=True)
class Accuracy:
    """How often the label is the first, or among the first five, of the classes by the first output of a run."""

    run: str
    top1: float
    top5: float


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found.

    Attributes:
        inputs: where the inputs came from.
        runs: of each session.
        comparisons: B's runs against A's, and B's native run against its portable one.
        accuracies: of every run, where labels were given.
        notes: what could not be run, and why.
    """

    inputs: str
    runs: int
    comparisons: tuple[Comparison, ...]
    accuracies: tuple[Accuracy, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all differences are accepted."""
        return all(comparison.passed for comparison in self.comparisons)

    def to_json(self) -> str:
        """Everything, as JSON."""
        comparisons = [
            dataclasses.asdict(comparison) | {"passed": comparison.passed} for comparison in self.comparisons
        ]
        content = dataclasses.asdict(self) | {"comparisons": comparisons, "passed": self.passed}
        return json.dumps(content, indent=2)

    def __str__(self) -> str:
        """A line for each output of each comparison, and for each accuracy."""
        lines = [f"inputs: {self.inputs}, {self.runs} runs"]
        for comparison in self.comparisons:
            limit = "" if comparison.tolerance is None else f", tolerance {comparison.tolerance:.1e}"
            verdict = "" if comparison.tolerance is None else ": ok" if comparison.passed else ": EXCEEDED"
            lines.append(f"{comparison.a} and {comparison.b}{limit}{verdict}")
            lines += [
                f"  {output.name}: largest difference {output.absolute:.3e}, relative {output.relative:.3e}"
                for output in comparison.outputs
            ]
        lines += [f"{found.run}: top-1 {found.top1:.2%}, top-5 {found.top5:.2%}" for found in self.accuracies]
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class _Runner:
    """A session with a name for people."""

    name: str
    session: onnxruntime.InferenceSession

    @property
    def outputs(self) -> list[str]:
        return [output.name for output in self.session.get_outputs()]

    def run(self, feed: Feed) -> list[np.ndarray]:
        """The outputs as arrays; a sequence or a map becomes an array of objects."""
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

    A compressed model runs natively and portably where the library loads, and both runs of ``b`` must agree to 1e-4
    relative. ``a`` runs once, natively where it can.

    Args:
        a: the model to hold against.
        b: the model in question.
        inputs: an array for each input of ``a``. Its first axis counts items: either it is the first axis of the
            input, or it comes before all axes of the input, and each element is run on its own. Random without.
        labels: integers ``[items]``, the right class of each item by the first output ``[items, classes, ...]``.
        tolerance: the largest relative difference between ``a`` and ``b`` that is accepted; any without.
        seed: of the random inputs.

    Raises:
        ModelError: a model cannot be read or run, or inputs, outputs or labels do not fit.
        FormatError: a compressed weight breaks a rule of the format.
    """
    first, others = _runners(a)[0], _runners(b)
    for other in others:
        if other.outputs != first.outputs:
            raise ModelError(f"{other.name}: expected outputs {first.outputs} as {first.name} has, got {other.outputs}")
    specs = input_specs(model_io.load(a, lift=False), first.name)
    feeds = _random_feeds(specs, first, seed) if inputs is None else given_feeds(specs, inputs, first.name)
    pairs = [_Pair(first, other, tolerance) for other in others]
    if len(others) == 2:
        pairs.append(_Pair(others[0], others[1], AGREEMENT))
    ranks: dict[str, list[np.ndarray]] = {runner.name: [] for runner in (first, *others)}
    for feed in feeds:
        results = {runner.name: runner.run(feed) for runner in (first, *others)}
        for pair in pairs:
            pair.add(results)
        if labels is not None:
            done = sum(map(len, ranks[first.name]))
            for name, outputs in results.items():
                ranks[name].append(_ranks(outputs[0], labels[done:], name))
    return Verification(
        inputs=f"random (seed {seed})" if inputs is None else "given",
        runs=len(feeds),
        comparisons=tuple(pair.comparison() for pair in pairs),
        accuracies=_accuracies(ranks, labels),
        notes=_notes(others),
    )


class _Pair:
    """Two runs, and the largest differences between them so far."""

    def __init__(self, a: _Runner, b: _Runner, tolerance: float | None) -> None:
        self._a, self._b, self._tolerance = a, b, tolerance
        self._largest = np.zeros((2, len(a.outputs)))  # of the difference and of |a|, for each output

    def add(self, results: Mapping[str, list[np.ndarray]]) -> None:
        """Compare what both gave for one feed."""
        pairs = zip(results[self._a.name], results[self._b.name], strict=True)
        self._largest = np.maximum(self._largest, np.transpose([_difference(a, b) for a, b in pairs]))

    def comparison(self) -> Comparison:
        """What was found."""
        outputs = tuple(
            OutputDifference(name, absolute, absolute / scale if scale else absolute)
            for name, absolute, scale in zip(self._a.outputs, *self._largest.tolist(), strict=True)
        )
        return Comparison(self._a.name, self._b.name, outputs, self._tolerance)


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The largest |a - b|, and the largest finite |a|."""
    if a.shape != b.shape or a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
        return (0.0 if np.array_equal(a, b) else np.inf), 1.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b)
    distance[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    distance[np.isnan(distance)] = np.inf
    finite = np.abs(a[np.isfinite(a)])
    return float(distance.max(initial=0.0)), float(finite.max(initial=0.0))


def _ranks(output: np.ndarray, labels: np.ndarray, where: str) -> np.ndarray:
    """How many classes come before the right one: integers, one for each item.

    Args:
        output: scores ``[items, classes, ...]`` of one class axis; further axes have size 1.
        labels: the right classes of these items, and maybe of later ones.
        where: what to call the run.
    """
    scores = output.reshape(len(output), -1) if output.ndim > 1 else output.reshape(1, -1)
    wanted = labels[: len(scores)]
    if len(wanted) < len(scores):
        raise ModelError(f"{where}: there are fewer labels than items")
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < scores.shape[1]:
        raise ModelError(
            f"{where}: expected labels from 0 to {scores.shape[1] - 1}, got {wanted.min()} to {wanted.max()}"
        )
    right = np.take_along_axis(scores, wanted[:, None], axis=1)
    # Of equal scores the first counts as the higher, as argmax has it; a NaN is never right.
    earlier = (scores == right) & (np.arange(scores.shape[1]) < wanted[:, None])
    ranks: np.ndarray = np.where(np.isnan(right[:, 0]), scores.shape[1], ((scores > right) | earlier).sum(axis=1))
    return ranks


def _accuracies(ranks: Mapping[str, list[np.ndarray]], labels: np.ndarray | None) -> tuple[Accuracy, ...]:
    if labels is None:
        return ()
    found = []
    for name, parts in ranks.items():
        all_ranks = np.concatenate(parts)
        if all_ranks.size != len(labels):
            raise ModelError(f"{name}: expected a label for each of {all_ranks.size} items, got {len(labels)}")
        found.append(Accuracy(name, float(np.mean(all_ranks < 1)), float(np.mean(all_ranks < 5))))
    return tuple(found)


def _random_feeds(specs: list[InputSpec], runner: _Runner, seed: int) -> list[Feed]:
    """Random feeds, with the first sizes of the open dimensions that the model can run."""
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
    """Why the compressed model did not run natively."""
    reason = why_not_native()
    portable = any(runner.name.endswith("(portable)") for runner in runners)
    return (f"no native run: {reason}",) if portable and reason else ()


def _runners(model: Source) -> list[_Runner]:
    """The sessions of a model: natively, where it is compressed and the library loads, and portably."""
    compressed = is_compressed(model_io.load(model, lift=False))
    ways: list[tuple[str, bool]] = [(" (native)", True)] if compressed and not why_not_native() else []
    ways.append((" (portable)" if compressed else "", False))
    runners = []
    for way, native in ways:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        runners.append(_Runner(model_io.name_of(model) + way, session(model, native=native, sess_options=options)))
    return runners

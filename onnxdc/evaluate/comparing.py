"""Run two models on the same inputs and compare what they say."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from onnxdc import model_io
from onnxdc.domain.compressed import computes_with_integers
from onnxdc.domain.limits import Limit
from onnxdc.errors import ModelError, OptionError, OptionName
from onnxdc.evaluate.endings import endings
from onnxdc.evaluate.inputs import made_up_feeds
from onnxdc.evaluate.integer_weights import check_integers
from onnxdc.evaluate.labels import Scores, checked_labels
from onnxdc.evaluate.outputs import Largest, OutputPair
from onnxdc.evaluate.runner import Runner, runners
from onnxdc.evaluate.spread import are_alike, items_of
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import Feed, given_feeds, input_specs
from onnxdc.report.verification import Comparison, Verification
from onnxdc.runtime import why_not_native

AGREEMENT: Final = 1e-4  # largest relative difference between the native and the portable run of one model
# The same where layers compute with integers: two runs round alike, but for inputs that lie in the middle between two
# integers and differ in their last bits, and each of these is 1/255 of its range off.
AGREEMENT_OF_INTEGERS: Final = 0.05
_LARGEST_SEED: Final = 2**63 - 1


def verify(
    a: Source,
    b: Source,
    inputs: Mapping[str, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
    *,
    tolerance: float | None = None,
    max_divergence: float | None = None,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    seed: int = 0,
    limit: Limit | None = None,
) -> Verification:
    """Run two models on the same inputs in onnxruntime, and say whether ``b`` can stand for ``a``.

    A compressed model runs natively and portably where the library loads, and both runs of ``b`` must agree to 1e-4
    relative, to 0.05 if it has sparse layers on integers. ``a`` runs once, natively where it can. Integers of a
    quantised ``a`` that ``b`` has coded must be equal bit for bit, and onnxruntime must not lose operators that compute
    with them. What is compared, and what is accepted,
    is in docs/verify.md.

    Args:
        a: The model to hold against.
        b: The model in question.
        inputs: An array for each input of ``a``; without, they are made up. Its first axis counts items: either it is
            the first axis of the input, or it comes before all axes of the input, and each element is run on its own.
        labels: The right class of each item by the first output ``[items, classes, ...]``: integers ``[items]``.
        tolerance: The largest relative difference between ``a`` and ``b`` that is accepted; any is without.
        max_divergence: The largest divergence of an output that is accepted; without, one for each measure.
        custom_ops: Libraries of somebody's own operators that the models need.
        seed: The seed of made-up inputs.
        limit: The bytes that the weights of a model may take in each run, as a number or as ``"4GB"``; without it
            256 MB, and 1,000 bytes for each byte of the model. The portable run takes most.

    Raises:
        ModelError: A model cannot be read or run, its weights would take more than the limit, or inputs, outputs or
            labels do not fit.
        FormatError: A compressed weight breaks a rule of the format.
        OptionError: ``tolerance``, ``max_divergence``, ``seed`` or ``limit`` is out of its range.
    """
    _check_options(tolerance, max_divergence, seed)
    labels = None if labels is None else checked_labels(labels)
    first, *others = every = [next(runners(a, custom_ops, limit)), *runners(b, custom_ops, limit)]
    for other in others:
        if other.outputs != first.outputs:
            raise ModelError(f"{other.name}: expected outputs {first.outputs} as {first.name} has, got {other.outputs}")
    model = model_io.load(a, upgrade=False)
    specs = input_specs(model, first.name)
    feeds = made_up_feeds(specs, first, seed) if inputs is None else given_feeds(specs, inputs, first.name)
    largest: Largest = "usual" if max_divergence is None else max_divergence
    ends = endings(model)
    pairs = [_Pair(every, 0, other, ends, labels is not None) for other in range(1, len(every))]
    if len(others) == 2:
        pairs.append(_Pair(every, 1, 2, ends, labels is not None))
    scores = [Scores(runner.name, labels) for runner in every] if labels is not None else []
    _run(every, feeds, pairs, scores)
    alike = are_alike(feeds)
    agreement = AGREEMENT_OF_INTEGERS if computes_with_integers(model_io.load(b, upgrade=False)) else AGREEMENT
    accepted: list[tuple[float | None, Largest]] = [(tolerance, largest)] * len(others) + [(agreement, None)]
    return Verification(
        inputs=f"random (seed {seed})" if inputs is None else "given",
        runs=len(feeds),
        items=sum(map(items_of, feeds)),
        alike=alike and bool(specs),
        comparisons=tuple(pair.comparison(*limit, alike=alike) for pair, limit in zip(pairs, accepted, strict=False)),
        accuracies=tuple(score.accuracy() for score in scores),
        notes=_notes(others),
        integers=check_integers(a, b, custom_ops, limit),
    )


def _check_options(tolerance: float | None, max_divergence: float | None, seed: int) -> None:
    for name, number in (("tolerance", tolerance), ("max_divergence", max_divergence)):
        if number is not None and (math.isnan(number) or number < 0):
            raise OptionError(OptionName(name), f": expected a number of 0 or more, got {number}")
    if not 0 <= seed <= _LARGEST_SEED:
        raise OptionError(OptionName("seed"), f": expected an integer from 0 to {_LARGEST_SEED}, got {seed}")


def _run(runs: Sequence[Runner], feeds: Sequence[Feed], pairs: Sequence[_Pair], scores: Sequence[Scores]) -> None:
    """Run every session on every feed, and compare and count the results."""
    for feed in feeds:
        results = [runner.run(feed) for runner in runs]
        for pair in pairs:
            pair.add(results, items_of(feed))
        for score, outputs in zip(scores, results, strict=False):  # no scores without labels
            score.add(outputs[0])


class _Pair:
    """Two runs compared so far."""

    def __init__(self, runs: Sequence[Runner], a: int, b: int, ends: Mapping[str, str], labelled: bool) -> None:
        self._names, self._a, self._b = (runs[a].name, runs[b].name), a, b
        self._outputs = [
            OutputPair(name, ends.get(name), labelled=labelled and not number)
            for number, name in enumerate(runs[a].outputs)
        ]

    def add(self, results: Sequence[list[np.ndarray]], items: int) -> None:
        """Compare what both gave for one feed; ``results`` holds the outputs of each runner."""
        for output, a, b in zip(self._outputs, results[self._a], results[self._b], strict=True):
            output.add(a, b, items)

    def comparison(self, tolerance: float | None, largest: Largest, *, alike: bool) -> Comparison:
        """Return the comparison of all feeds so far."""
        outputs = tuple(output.difference(largest, alike=alike) for output in self._outputs)
        return Comparison(*self._names, outputs, tolerance)


def _notes(runs: Sequence[Runner]) -> tuple[str, ...]:
    """Say why the compressed model did not run natively, or portably."""
    reason = why_not_native()
    ways = [way for way in ("(native)", "(portable)") if any(runner.name.endswith(way) for runner in runs)]
    if ways == ["(native)"]:
        return ("no portable run: it would take more than the limit",)
    return (f"no native run: {reason}",) if ways and reason else ()

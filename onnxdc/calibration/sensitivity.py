"""What each layer matters: by how much the outputs of the model move away for a unit of the layer's own error."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnxdc.calibration.overrides import Overrides
from onnxdc.calibration.statistics import Statistics
from onnxdc.calibration.tasks import calibrated_weights, known_weights
from onnxdc.calibration.weight import CalibratedWeight, Known, WeightTask
from onnxdc.errors import WeightError
from onnxdc.evaluate.endings import endings
from onnxdc.evaluate.outputs import OutputPair
from onnxdc.evaluate.spread import items_of
from onnxdc.graph.walk import graphs
from onnxdc.model_io.feeds import Feed
from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Progress

ITEMS: Final = 64  # that the model is run on for each layer, a choice

_STEP: Final = 0.5  # standard deviations: about the steps of a file a tenth the size
_LEAST: Final = 1e-3  # of what weights usually matter: less is not to be believed of so few items


@dataclass(frozen=True)
class Sensitivity:
    """What was measured of one weight.

    Attributes:
        divergence: The divergence of the outputs with this weight alone rounded; None if that could not be measured.
        loss: ``D``, its own error then.
        signal: What its error would be without the weight, ``trace(W H W^T)``.
    """

    divergence: float | None
    loss: float
    signal: float

    @property
    def ratio(self) -> float | None:
        """The divergence for an error as large as the signal; None if that was not measured.

        None at all means that the items do not reach the weight, such as that of a branch that was not taken.
        """
        if not self.divergence or not math.isfinite(self.divergence) or self.loss <= 0:
            return None
        return self.divergence / self.loss * self.signal


def measure(
    plan: Plan,
    statistics: Statistics,
    feeds: Iterable[Feed],
    *,
    items: int = ITEMS,
    scores: bool = False,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: Progress | None = None,
) -> dict[str, Sensitivity]:
    """Round each weight alone, and measure by how much the outputs of the model diverge, as ``verify`` does.

    Args:
        plan: The weights, with their values from before.
        statistics: What is known of them.
        feeds: The data that the statistics come from, to be iterated once more.
        items: How many of its items to run the model on, at most.
        scores: Whether the first output is known to hold the scores of classes.
        custom_ops: Libraries of somebody's own operators that the model needs.
        progress: Called after each weight.

    Returns:
        What was found of each weight, by name; weights whose values cannot be rounded are left out.

    Raises:
        ModelError: The model cannot be run on these feeds, or the data of a weight cannot be read.
        WorkersError: Those who round the weights are gone, or cannot do it.
    """
    overrides = Overrides(plan, custom_ops)
    sample = list(_every(feeds, max(1, -(-statistics.items // items))))
    before = [overrides.run(feed) for feed in sample]
    ends, weights = endings(plan.model), [planned.weight for planned in calibrated_weights(plan)]

    def divergence_with(name: str, changed: CalibratedWeight) -> float:
        pairs = [
            OutputPair(output, ends.get(output), labelled=scores and not number)
            for number, output in enumerate(overrides.outputs)
        ]
        for feed, expected in zip(sample, before, strict=True):
            outputs = overrides.run(feed, name, changed.values, changed.bias)
            for pair, a, b in zip(pairs, expected, outputs, strict=True):
                pair.add(a, b, items_of(feed))
        return sum(pair.difference(None, alike=False).divergence for pair in pairs)

    found = {}
    calls = ((planned.weight, known) for planned, known in known_weights(plan, statistics))
    for done, (weight, answer) in enumerate(zip(weights, plan.mapper(_round, calls), strict=True), start=1):
        if answer is None:
            continue
        rounded, signal = answer
        divergence = divergence_with(weight.name, rounded) if overrides.can_change(weight.name) else None
        found[weight.name] = Sensitivity(divergence, rounded.loss, signal)
        if progress is not None:
            progress(weight.name, done, len(weights))
    return found


def _round(array: np.ndarray, known: Known) -> tuple[CalibratedWeight, float] | None:
    """Return a weight on a grid that tells what it matters, and its signal; None if it cannot be rounded."""
    task = WeightTask.of(array, known)
    try:
        return task.round(_STEP * _deviation(array)), task.signal
    except WeightError:
        return None


def importances(sensitivities: Mapping[str, Sensitivity], *, measured: bool) -> dict[str, float]:
    """Return what each weight matters: the divergence of the outputs for a unit of its own error.

    Where nothing was measured, or next to nothing, the usual divergence for an error as large as the signal stands in.

    Args:
        sensitivities: What was measured of each weight.
        measured: Whether what was measured counts alone, as is best for transformers; else it is steadied by the mean
            with equal divergence for equal signal-to-noise ratio (their geometric mean), as is best for convolutions.
    """
    ratios = [found.ratio for found in sensitivities.values() if found.ratio is not None]
    usual = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 1.0
    result = {}
    for name, found in sensitivities.items():
        ratio = usual if found.ratio is None else max(found.ratio, _LEAST * usual)
        result[name] = (ratio if measured else math.sqrt(ratio * usual)) / found.signal if found.signal > 0 else 0.0
    return result


def _deviation(array: np.ndarray) -> float:
    """Return the standard deviation of a weight; NaN if it has a value that is no finite number."""
    with np.errstate(invalid="ignore"):
        return float(np.std(array.astype(np.float64)))


def has_convolutions(plan: Plan) -> bool:
    """Tell whether there is a convolution anywhere in the model."""
    return any(node.op_type == "Conv" for _, graph in graphs(plan.model) for node in graph)


def _every(feeds: Iterable[Feed], stride: int) -> Iterator[Feed]:
    """Yield every ``stride``-th item of the feeds; a feed that is one item, or cannot be cut, whole."""
    start = 0
    for feed in feeds:
        items = items_of(feed)
        chosen = np.flatnonzero((start + np.arange(items)) % stride == 0)
        if len(chosen) and all(array.ndim and len(array) == items for array in feed.values()):
            yield {name: array[chosen] for name, array in feed.items()}
        elif len(chosen):
            yield feed
        start += items

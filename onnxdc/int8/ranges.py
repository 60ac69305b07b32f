"""The ranges of activations, as data tell them: those at which rounding to 256 values loses least."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxdc.calibration.tapped import Tapped
from onnxdc.model_io.feeds import Feed
from onnxdc.numeric.ranges import best_range
from onnxdc.passes.plan import Plan

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""Name of a tensor -> the least and the largest value that its integers stand for; both 0 if it is always 0."""

_MEMORY: Final = 500_000_000  # bytes that the tensors of a portion of data may take
_BINS: Final = 2048  # eight for each integer


def ranges_of(
    plan: Plan,
    names: Iterable[str],
    feeds: Iterable[Feed],
    *,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
) -> Ranges:
    """Return the ranges of tensors of the main graph. The model is run twice.

    Args:
        plan: The model, which is not changed.
        names: The names of the tensors.
        feeds: The data, to be iterated twice.
        custom_ops: Libraries of somebody's own operators that the model needs.

    Raises:
        ModelError: The model cannot be run on these feeds.
    """
    tapped = Tapped(plan.model, set(names), _MEMORY, custom_ops)
    ends: dict[str, tuple[float, float]] = {}
    histograms: dict[str, NDArray[np.float64]] = {}

    def see_ends(name: str, values: np.ndarray) -> None:
        low, high = ends.get(name, (0.0, 0.0))  # zero has to be a value of every range
        ends[name] = min(low, float(values.min())), max(high, float(values.max()))

    def count(name: str, values: np.ndarray) -> None:
        counts, _ = np.histogram(values, bins=_BINS, range=ends[name])
        histograms[name] = histograms.get(name, 0) + counts

    _each(tapped, feeds, see_ends)
    _each(tapped, feeds, lambda name, values: count(name, values) if ends[name][0] < ends[name][1] else None)
    return {
        name: best_range(histograms[name], *bounds) if name in histograms else bounds for name, bounds in ends.items()
    }


def common_ranges(nodes: Iterable[ir.Node], ranges: Ranges) -> Ranges:
    """Return the ranges with that of a Concat for all that it joins: its integers are copied then, not rounded again.

    Args:
        nodes: The nodes that run on integers, in their order.
        ranges: The ranges.
    """
    common = dict(ranges)
    for node in reversed([node for node in nodes if node.op_type == "Concat"]):
        bounds = common.get(node.outputs[0].name or "")
        for value in node.inputs:
            if bounds is not None and value is not None and value.name in common:
                common[value.name] = bounds
    return common


def _each(tapped: Tapped, feeds: Iterable[Feed], see: Callable[[str, np.ndarray], None]) -> None:
    """Run a model, and call a function with the finite values of each tensor."""
    for feed in feeds:
        for _, tensors in tapped.run(feed):
            for name, tensor in tensors.items():
                values = tensor.reshape(-1)
                if not np.isfinite(values.sum(dtype=np.float64)):
                    values = values[np.isfinite(values)]
                if values.size:
                    see(name, values)

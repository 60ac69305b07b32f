"""The ranges of activations, as far as data tell them: from the least to the largest value of each tensor."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from onnxdc.calibration.tapped import Tapped
from onnxdc.model_io.feeds import Feed
from onnxdc.passes.plan import Plan

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""Name of a tensor -> its least and its largest value; both 0 of one that had no finite value."""

_MEMORY: Final = 500_000_000  # bytes that the tensors of a portion of data may take


def ranges_of(
    plan: Plan,
    names: Iterable[str],
    feeds: Iterable[Feed],
    *,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
) -> Ranges:
    """Return the ranges of tensors of the main graph.

    Args:
        plan: The model, which is not changed.
        names: The names of the tensors.
        feeds: The data.
        custom_ops: Libraries of somebody's own operators that the model needs.

    Raises:
        ModelError: The model cannot be run on these feeds.
    """
    found: dict[str, tuple[float, float]] = {}
    tapped = Tapped(plan.model, set(names), _MEMORY, custom_ops)
    for feed in feeds:
        for _, tensors in tapped.run(feed):
            for name, tensor in tensors.items():
                low, high = found.get(name, (0.0, 0.0))  # zero has to be a value of every grid
                low_now, high_now = _range(tensor)
                found[name] = min(low, low_now), max(high, high_now)
    return found


def _range(tensor: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest finite value; zeros if there is none."""
    if not tensor.size:
        return 0.0, 0.0
    low, high = float(tensor.min()), float(tensor.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = tensor[np.isfinite(tensor)]
    return _range(finite)

"""A hook in numbers: a line for each weight."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxdc.hooks.hook import TrainingHook
from onnxdc.hooks.weight import HookedWeight
from onnxdc.numeric.arrays import blocks
from onnxdc.report.printable import Printable
from onnxdc.shown import shown


@dataclass(frozen=True)
class WeightLine:
    """One weight of a hook in numbers.

    Attributes:
        name: The name of the weight.
        stage: Its stage.
        shape: Its shape.
        density: The share of its elements that are kept.
        values: The number of its shared values besides zero, or of integers; None for a weight that has none.
        moved: The largest change of an element by training; None before it.
    """

    name: str
    stage: str
    shape: tuple[int, ...]
    density: float
    values: int | None
    moved: float | None = None

    def __str__(self) -> str:
        text = f"{shown(self.name)}: {self.stage}, {shown('x'.join(map(str, self.shape))) or 'scalar'}"
        text += "" if self.stage in ("dense", "statistic") else f", {self.density:.1%} kept"
        text += "" if self.values is None else f", {self.values} values"
        return text + ("" if self.moved is None else f", moved by up to {self.moved:.3g}")


@dataclass(frozen=True, repr=False)
class HookSummary(Printable):
    """A hook in numbers.

    Attributes:
        lines: The weights in the order of the model.
    """

    lines: tuple[WeightLine, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.lines))

    def brief(self) -> str:
        """Return how many constants of which stage there are."""
        counts = Counter(line.stage for line in self.lines)
        return ", ".join(f"{count} {stage}" for stage, count in counts.items())

    def to_dict(self) -> dict[str, Any]:
        """Return ``weights``, each with the attributes of its line."""
        return {"weights": [dataclasses.asdict(line) for line in self.lines]}


def summary(hook: TrainingHook, trained: Mapping[str, np.ndarray] | None = None) -> HookSummary:
    """Summarize a hook; with trained values, in the shapes of the hook's weights, say how far they moved."""
    return HookSummary(tuple(_line(weight, trained) for weight in hook.weights.values()))


def _line(weight: HookedWeight, trained: Mapping[str, np.ndarray] | None) -> WeightLine:
    moved = None
    if trained is not None:
        moved = _farthest(trained[weight.name], weight.values)
    values, kept = weight.clusters - 1 if weight.codes is not None else None, weight.mask
    if weight.grid is not None:
        kept = weight.grid.codes != 0
        values = int(np.unique(weight.grid.codes[kept]).size)
    density = float(np.mean(kept)) if weight.values.size else 0.0
    return WeightLine(weight.name, weight.stage, weight.shape, density, values, moved)


def _farthest(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest distance between two elements, in blocks: float64 of both would take 16 bytes an element."""
    pairs = zip(blocks(a.reshape(-1)), blocks(b.reshape(-1)), strict=True)
    return max(
        (float(np.abs(x.astype(np.float64) - y.astype(np.float64)).max(initial=0.0)) for x, y in pairs), default=0.0
    )

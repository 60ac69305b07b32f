"""A hook for people: a line for each weight."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from onnxdc.hooks.hook import TrainingHook
from onnxdc.hooks.weight import HookedWeight
from onnxdc.numeric.arrays import blocks


@dataclass(frozen=True)
class WeightLine:
    """One weight of a hook in numbers.

    Attributes:
        name, stage, shape: as in the hook.
        density: kept elements of all.
        values: shared values besides zero; None of a weight that is not shared.
        moved: the largest change of an element by training; None before it.
    """

    name: str
    stage: str
    shape: tuple[int, ...]
    density: float
    values: int | None
    moved: float | None = None

    def __str__(self) -> str:
        text = f"{self.name}: {self.stage}, {'x'.join(map(str, self.shape)) or 'scalar'}"
        text += "" if self.stage in ("dense", "statistic") else f", {self.density:.1%} kept"
        text += "" if self.values is None else f", {self.values} values"
        return text + ("" if self.moved is None else f", moved by up to {self.moved:.3g}")


@dataclass(frozen=True)
class HookSummary:
    """The weights of a hook in the order of the model."""

    lines: tuple[WeightLine, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.lines))

    def to_json(self) -> str:
        """``weights``, each with the attributes of its line."""
        return json.dumps({"weights": [dataclasses.asdict(line) for line in self.lines]}, indent=2)


def summary(hook: TrainingHook, trained: Mapping[str, np.ndarray] | None = None) -> HookSummary:
    """The summary of a hook; with trained values, in the shapes of the hook's weights, it says how far they moved."""
    return HookSummary(tuple(_line(weight, trained) for weight in hook.weights.values()))


def _line(weight: HookedWeight, trained: Mapping[str, np.ndarray] | None) -> WeightLine:
    moved = None
    if trained is not None:
        moved = _farthest(trained[weight.name], weight.values)
    values = weight.clusters - 1 if weight.codes is not None else None
    density = float(np.mean(weight.mask)) if weight.values.size else 0.0
    return WeightLine(weight.name, weight.stage, weight.shape, density, values, moved)


def _farthest(a: np.ndarray, b: np.ndarray) -> float:
    """The largest distance between two elements, in blocks: in float64 both would take 16 bytes an element."""
    pairs = zip(blocks(a.reshape(-1)), blocks(b.reshape(-1)), strict=True)
    return max(
        (float(np.abs(x.astype(np.float64) - y.astype(np.float64)).max(initial=0.0)) for x, y in pairs), default=0.0
    )

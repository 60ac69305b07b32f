"""What tune found: what a model loses at which size, and what each of its weights matters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from onnxdc.report.printable import Printable
from onnxdc.report.text import aligned
from onnxdc.shown import escaped, shown


@dataclass(frozen=True)
class TunedPoint:
    """A model of one size.

    Attributes:
        recipe: The file of its recipe.
        strength: Where it lies: steps grow as the root of 2 to this power.
        nbytes: The bytes of its file.
        ratio: How many times as large the original is.
        divergence: The divergence f of its outputs; None if it is no finite number.
        score: Its score by the metric; None without a metric.
        drop: The score of the original less its own, likewise.
        error: The standard error of the drop, likewise.
        time: The time of a run over that of the original; None if no weight of it runs sparse.
        weight_bytes: The bytes of each encoded weight, by name.
    """

    recipe: str
    strength: float
    nbytes: int
    ratio: float
    divergence: float | None = None
    score: float | None = None
    drop: float | None = None
    error: float | None = None
    time: float | None = None
    weight_bytes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TunedWeight:
    """What one weight matters.

    Attributes:
        name: Its name.
        elements: The number of its elements.
        divergence: The divergence f of the outputs with this weight alone rounded to half a standard deviation; None if
            that could not be measured.
        loss: Its own error then, by the second moments of its inputs.
        signal: What its error would be without it.
        ratio: The divergence for an error as large as the signal; None if there is none.
    """

    name: str
    elements: int
    divergence: float | None
    loss: float
    signal: float
    ratio: float | None


@dataclass(frozen=True, repr=False)
class Tuning(Printable):
    """What ``tune`` tells of a model.

    Attributes:
        file_before: The bytes of the model.
        judged_by: What items f is measured on, in words.
        metric: The name of the metric; empty without one.
        unit: The unit of its numbers; empty if they are plain.
        points: The models, from the largest to the smallest.
        weights: The weights that were calibrated, those first that matter most for their signal.
        notes: What else is to be told, a sentence each.
    """

    file_before: int
    judged_by: str
    metric: str = ""
    unit: str = ""
    points: tuple[TunedPoint, ...] = ()
    weights: tuple[TunedWeight, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def middle(self) -> TunedPoint | None:
        """The point in the middle of the curve."""
        return self.points[len(self.points) // 2] if self.points else None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes."""
        return dataclasses.asdict(self)

    def brief(self) -> str:
        """Return the number of points and the range of their ratios."""
        if not self.points:
            return "0 points"
        return f"{len(self.points)} points, {self.points[0].ratio:.1f}x to {self.points[-1].ratio:.1f}x"

    def point_table(self) -> list[tuple[str, ...]]:
        """Return the points as text, a header first; without columns that nothing was measured for."""
        unit = f" ({self.unit})" if self.unit else ""
        columns: list[tuple[str, list[str]]] = [
            ("ratio", [f"{point.ratio:.1f}x" for point in self.points]),
            ("bytes", [f"{point.nbytes:,}" for point in self.points]),
            ("f", _numbers(point.divergence for point in self.points)),
            (f"{self.metric}{unit}", _numbers((point.score for point in self.points), ".4g")),
            ("drop", _numbers(point.drop for point in self.points)),
            ("+-", _numbers((point.error for point in self.points), ".2g")),
            ("time", _numbers((point.time for point in self.points), ".2f")),
            ("recipe", [shown(point.recipe) for point in self.points]),
        ]
        measured = [(header, cells) for header, cells in columns if any(cell != "-" for cell in cells)]
        return [tuple(header for header, _ in measured), *zip(*(cells for _, cells in measured), strict=True)]

    def weight_table(self) -> list[tuple[str, ...]]:
        """Return the weights as text, a header first; their bytes are those in the middle of the curve."""
        if not self.weights:
            return []
        nbytes = self.middle.weight_bytes if self.middle else {}
        rows = [
            (
                shown(weight.name),
                f"{weight.elements:,}",
                f"{nbytes[weight.name]:,}" if weight.name in nbytes else "-",
                *_numbers([weight.divergence, weight.ratio]),
            )
            for weight in self.weights
        ]
        return [("weight", "elements", "bytes", "f alone", "f of its signal"), *rows]

    def __str__(self) -> str:
        """Return both tables in aligned columns, and the notes."""
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return both tables, no wider than that where they can be, and the notes."""
        lines = [*aligned(self.point_table(), width), f"f on {self.judged_by}; file before: {self.file_before:,} bytes"]
        if self.weights:
            lines += ["", *aligned(self.weight_table(), width)]
        return "\n".join([*lines, *map(escaped, self.notes)])


def _numbers(values: Any, form: str = ".3g") -> list[str]:
    """Return numbers as text, a dash for none."""
    return ["-" if value is None else format(value, form) for value in values]


def by_importance(weights: Sequence[TunedWeight]) -> tuple[TunedWeight, ...]:
    """Return weights in the order of a report."""
    return tuple(sorted(weights, key=lambda weight: -1.0 if weight.ratio is None else weight.ratio, reverse=True))

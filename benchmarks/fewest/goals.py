"""What was measured of a file, and what it must reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onnxdc.evaluate.metrics import Drop

KB: Final = 1000


@dataclass(frozen=True)
class Goal:
    """Figures not to exceed; None where any will do.

    Attributes:
        nbytes: Of the bytes.
        f: Of the divergence.
        drop: Of the drop of the metric, in its unit.
        errors: How many standard errors of the drop are granted.
        ratio: The bytes of the original over those of the file: this one is to be reached.
    """

    nbytes: int | None = None
    f: float | None = None
    drop: float | None = None
    errors: int = 0
    ratio: float | None = None

    def __str__(self) -> str:
        texts = [
            "" if self.nbytes is None else f"{self.nbytes // KB} KB",
            "" if self.f is None else f"f {self.f:.3g}",
            "" if self.drop is None else f"drop {self.drop:g}{' + error' * self.errors}",
            "" if self.ratio is None else f"{self.ratio:g}x",
        ]
        return ", ".join(filter(None, texts)) or "-"


@dataclass(frozen=True)
class Measured:
    """What was measured of a file.

    Attributes:
        nbytes: The bytes that count.
        ratio: The bytes of the original over them.
        f: The divergence of the outputs.
        drop: That of the metric; None where there is none.
        seconds: Of processor time, that making it took.
    """

    nbytes: int
    ratio: float
    f: float
    drop: Drop | None
    seconds: float

    def reaches(self, goal: Goal) -> bool:
        """Tell whether all figures of a goal hold."""
        drop = self.drop
        return (
            (goal.nbytes is None or self.nbytes <= goal.nbytes)
            and (goal.f is None or self.f <= goal.f)
            and (goal.drop is None or (drop is not None and drop.value <= goal.drop + goal.errors * drop.error))
            and (goal.ratio is None or self.ratio >= goal.ratio)
        )

"""One line of the speed benchmark: what was measured, what follows from it, and how it is printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from common.loading import Load
from speed.cases import Case
from speed.files import Files
from speed.timing import DENSE, Times

AVX2: Final = "avx2"
MB: Final = 1_000_000
LOAD_SECONDS: Final = 0.5  # that a light case may take, if the dense model takes no less
RESIDENT_MB: Final = 60  # that a light case may leave in memory
SCALING: Final = (1.8, 0.001)  # of two threads, for what takes one thread so many seconds
COLUMNS: Final = {
    "case": 20,
    "threads": 7,
    "dense ms": 8,
    "ours ms": 8,
    "ratio": 6,
    "must": 8,
    "aim": 8,
    "avx2": 9,
    "scaling": 8,
    "weights MB": 10,
    "peak %": 6,
    "roofline ms": 11,
    "above": 6,
    "load s": 14,
    "memory MB": 13,
    "error": 6,
}


@dataclass(frozen=True)
class Row:
    """A case at one number of threads.

    Attributes:
        case: What was run.
        files: What it was run on.
        threads: How many the runners had.
        isa: The instruction set of ours.
        times: The times of all runners.
        alone: Their times on one thread, where the row has more; None if that was not measured.
        peak: The floating-point operations a second that so many threads can do; NaN if that was not measured.
        roofline: The seconds that a run takes at least; NaN if that was not measured.
        loads: What loading takes, of the dense model and of ours.
    """

    case: Case
    files: Files
    threads: int
    isa: str
    times: Times
    alone: Times | None
    peak: float
    roofline: float
    loads: tuple[Load, Load]

    @property
    def seconds(self) -> float:
        """The time of a run of ours."""
        return self.times.seconds[self.isa]

    @property
    def ratio(self) -> float:
        """How many times as fast as dense ours is."""
        return self.times.ratio(self.isa)

    @property
    def scaling(self) -> float:
        """How many times as fast as on one thread ours is; NaN where that was not measured."""
        return self.alone.seconds[self.isa] / self.seconds if self.alone else np.nan

    @property
    def flops(self) -> float:
        """The operations on nonzeros in a run."""
        return sum(layer.flops for layer in self.files.layers)

    @property
    def weight_bytes(self) -> float:
        """The bytes of weights that a run of ours reads."""
        return sum(layer.weight_bytes for layer in self.files.layers)

    @property
    def error(self) -> float:
        """The largest error of ours; NaN if one is."""
        return float(np.max([self.times.differences[isa] for isa in (self.isa, AVX2) if isa in self.times.differences]))

    @property
    def goals(self) -> dict[str, bool]:
        """Whether a goal is reached, by the name of its column; those that the row has."""
        goals: dict[str, bool] = {}
        if self.threads == 1:
            goals |= {"must": self.ratio >= self.case.must, "aim": self.ratio >= self.case.aim}
        if AVX2 in self.times.seconds:
            goals["avx2"] = self.times.ratio(AVX2) >= min(self.case.must, 1.0)
        if self.alone and self.threads == 2 and self.alone.seconds[self.isa] > SCALING[1]:
            goals["scaling"] = self.scaling >= SCALING[0]
        if self.case.light:
            dense, ours = self.loads
            goals["load s"] = ours.seconds < min(LOAD_SECONDS, dense.seconds)
            goals["memory MB"] = ours.resident < RESIDENT_MB * MB
        return goals

    def cells(self, peers: Sequence[str]) -> list[str]:
        """Return the texts of the columns."""
        dense, ours = self.loads
        texts = {
            "case": self.case.name,
            "threads": str(self.threads),
            "dense ms": f"{1000 * self.times.seconds[DENSE]:.3f}",
            "ours ms": f"{1000 * self.seconds:.3f}",
            "ratio": number(self.ratio),
            "must": f"{self.case.must:g}" if self.threads == 1 else "",
            "aim": f"{self.case.aim:g}" if self.threads == 1 else "",
            "avx2": number(self.times.ratio(AVX2)),
            "scaling": number(self.scaling),
            "weights MB": f"{self.weight_bytes / MB:.2f}",
            "peak %": number(100 * self.flops / self.seconds / self.peak, 0),
            "roofline ms": number(1000 * self.roofline, 4),
            "above": number(self.seconds / self.roofline, 1),
            "load s": f"{dense.seconds:.2f} {ours.seconds:.2f}",
            "memory MB": f"{dense.resident / MB:.0f} {ours.resident / MB:.0f}",
            "error": f"{self.error:.0e}",
        }
        texts |= {name: f"{texts[name]} {'yes' if reached else 'NO'}" for name, reached in self.goals.items()}
        return [texts[name] for name in COLUMNS] + [number(self.times.ratio(name)) for name in peers]

    def to_json(self) -> dict[str, Any]:
        """Return all that was measured, in seconds and bytes."""
        return {
            "case": self.case.name,
            "threads": self.threads,
            "isa": self.isa,
            "ratio": self.ratio,
            "must": self.case.must,
            "aim": self.case.aim,
            "goals": self.goals,
            "flops": self.flops,
            "weight_bytes": self.weight_bytes,
            "peak": self.peak,
            "roofline": self.roofline,
            **dataclasses.asdict(self.times),
            "load": dict(zip((DENSE, "ours"), map(dataclasses.asdict, self.loads), strict=True)),
        }


def headings(peers: Sequence[str]) -> str:
    """Return the line of the headings."""
    return line([*COLUMNS, *peers], peers)


def line(cells: Sequence[str], peers: Sequence[str]) -> str:
    """Return a line of the table: the first cell to the left, the others to the right."""
    widths = [*COLUMNS.values(), *(max(len(name), 6) for name in peers)]
    first, *others = zip(cells, widths, strict=True)
    return " ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])


def number(value: float, digits: int = 2) -> str:
    """Return a number as the table has it: a dash for what was not measured."""
    return "-" if np.isnan(value) else f"{value:.{digits}f}"

"""Everything that a page about a compressed model shows; what nothing is known of is None or empty."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from onnxdc.report.printable import Printable
from onnxdc.report.row import WeightRow, ratio_text
from onnxdc.report.text import aligned
from onnxdc.report.tuning import Tuning
from onnxdc.report.verification import Verification
from onnxdc.shown import shown


@dataclass(frozen=True)
class Part:
    """Some of the bytes of a file, or of those that a stage leaves.

    Attributes:
        name: What they are, in words.
        nbytes: How many there are.
    """

    name: str
    nbytes: int


@dataclass(frozen=True)
class Histogram:
    """How the nonzeros of a weight are spread, in bins of one width from -reach to reach.

    Attributes:
        reach: Where the outer bins end; what lies outside is counted in them.
        before: The counts of the original; empty without one.
        after: The counts of the file.
    """

    reach: float
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class SeenWeight:
    """A weight as a page shows it.

    Attributes:
        row: Its figures.
        entropy: The bits an element of an ideal code of its single values; None if they are too many to count.
        change: The root mean square of the change over that of the original; None without one.
        histogram: How its values are spread; None if they cannot be read as floats.
        reason: Why it runs as it does; empty if the file does not say.
        before_bytes: The bytes of the weight in the original; None without one.
        seconds_before: The time of its nodes in a run of the original; None if it was not measured.
        seconds_after: The same in a run of the file.
    """

    row: WeightRow
    entropy: float | None = None
    change: float | None = None
    histogram: Histogram | None = None
    reason: str = ""
    before_bytes: int | None = None
    seconds_before: float | None = None
    seconds_after: float | None = None

    @property
    def stored_bits(self) -> float:
        """The bits that the file takes for an element."""
        return 8 * self.row.stored_bytes / self.row.size if self.row.size else 0.0


@dataclass(frozen=True)
class Speed:
    """The time of a run, of both models in turns.

    Attributes:
        before: Seconds of the original, the median.
        after: Seconds of the file, likewise.
        ran: How the file was run: ``"native"`` or ``"portable"``, or empty for one that is not compressed.
    """

    before: float
    after: float
    ran: str = ""


@dataclass(frozen=True)
class EnergyUse:
    """What a run takes by the account of the paper, in picojoules.

    Attributes:
        name: What is run, in words.
        fetching: For fetching the weights once.
        computing: For the products that are added up; None for integers, which the account has no figure for.
    """

    name: str
    fetching: float
    computing: float | None


@dataclass(frozen=True)
class Energy:
    """The account of the paper for one run.

    Attributes:
        uses: What each way to run takes.
        products: The products of the layers in that run, as if none were skipped.
        not_counted: The weights whose products nobody counts, such as recurrent ones.
        inputs: What inputs the run has, in words.
    """

    uses: tuple[EnergyUse, ...]
    products: int
    not_counted: int
    inputs: str


@dataclass(frozen=True)
class Again:
    """What to run to get a file again.

    Attributes:
        command: The command.
        recipe: The recipe that it reads; empty if it reads none.
        remark: What else it takes, a sentence; empty for nothing.
    """

    command: str
    recipe: str = ""
    remark: str = ""


@dataclass(frozen=True, repr=False)
class Overview(Printable):
    """What is known of a compressed file.

    Attributes:
        name: The name of the file.
        nbytes: Its bytes, external data included.
        original: The name of the original; empty without one.
        original_bytes: Its bytes; None without one.
        made_by: The version that made the file; empty if it does not say.
        stages: Bytes from the first to the last: each is what a stage leaves; the last is the file.
        parts: What the bytes of the file are.
        weights: The weights, in the order of the model.
        speed: The time of a run; None without an original.
        verification: How the outputs differ; None without an original.
        held: What the file says of how it was chosen, such as the divergence on data that were held back.
        energy: The account of the paper; None if the model could not be run.
        tuning: What ``tune`` has measured; None if it was not given.
        again: What to run to get the file again; None if it does not say.
        notes: What could not be found out, and why, a sentence each.
    """

    name: str
    nbytes: int
    original: str = ""
    original_bytes: int | None = None
    made_by: str = ""
    stages: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    weights: tuple[SeenWeight, ...] = ()
    speed: Speed | None = None
    verification: Verification | None = None
    held: dict[str, Any] = dataclasses.field(default_factory=dict)
    energy: Energy | None = None
    tuning: Tuning | None = None
    again: Again | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes."""
        return dataclasses.asdict(self) | {
            "verification": self.verification.to_dict() if self.verification else None,
            "weights": [dataclasses.asdict(weight) | {"row": weight.row.to_dict()} for weight in self.weights],
        }

    def brief(self) -> str:
        """Return the number of weights, and the bytes."""
        return f"{len(self.weights)} weights, {self.nbytes:,} bytes"

    def __str__(self) -> str:
        """Return the stages in aligned columns, the figures of the page, and the notes."""
        rows = [("stage", "bytes"), *((part.name, f"{part.nbytes:,}") for part in self.stages)]
        lines = aligned(rows)
        if self.original_bytes is not None:
            lines.append(f"{shown(self.name)}: {ratio_text(self.original_bytes, self.nbytes)} smaller")
        if self.speed is not None:
            lines.append(
                f"a run takes {self.speed.after / self.speed.before:.2f} of the time of {shown(self.original)}"
            )
        if self.verification is not None and len(self.verification.accuracies) > 1:
            before, after = self.verification.accuracies[:2]
            lines.append(f"top-1 {after.top1:.2%}, before {before.top1:.2%}, of {self.verification.items:,} items")
        return "\n".join([*lines, *self.notes])

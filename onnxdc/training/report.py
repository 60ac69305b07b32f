"""What came of a training: an entry for each epoch, and the density of each weight before and after."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from onnxdc.evaluate.metrics import Drop
from onnxdc.report import aligned
from onnxdc.report.printable import Printable
from onnxdc.shown import shown


@dataclass(frozen=True)
class Score:
    """How good a model is on some data.

    Attributes:
        loss: The mean loss over the items.
        accuracy: The share of right answers; None where the loss knows no right and wrong.
    """

    loss: float
    accuracy: float | None

    def better_than(self, other: Score) -> bool:
        """Tell whether it is right more often, or as often at a lower loss; anything is better than a loss of NaN."""
        return math.isnan(other.loss) or (-(self.accuracy or 0.0), self.loss) < (-(other.accuracy or 0.0), other.loss)

    def __str__(self) -> str:
        return f"loss {self.loss:z.4f}" + ("" if self.accuracy is None else f" accuracy {self.accuracy:.2%}")


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data.

    Attributes:
        number: The number of the epoch, from 1.
        epochs: The number of epochs of the training.
        training: The mean score of its steps, while the model changed.
        validation: The score on the validation data at its end; None without validation data.
        density: nnz over elements of all weights at its end.
        seconds: The time that it took.
        nbytes: The bytes of the file that encoding makes of the values at its end; None without grids.
        rate: What a bit cost at its end; None without a search for the smallest file.
        drop: By how many points the accuracy is lower than before training; None but at the end of a round.
    """

    number: int
    epochs: int
    training: Score
    validation: Score | None
    density: float
    seconds: float
    nbytes: int | None = None
    rate: float | None = None
    drop: float | None = None

    def __str__(self) -> str:
        """Return a line of progress."""
        parts = [f"epoch {self.number}/{self.epochs}", str(self.training)]
        if self.validation is not None:
            parts.append(f"val {str(self.validation).replace(' accuracy', ' val accuracy')}")
        parts.append(f"density {self.density:.2%}")
        if self.nbytes is not None:
            parts.append(f"{self.nbytes:,} bytes")
        if self.rate is not None:
            parts.append(f"rate {self.rate:.3g}")
        if self.drop is not None:
            parts.append(f"drops by {self.drop:.3g} points")
        return "  ".join([*parts, f"{self.seconds:.1f} s"])


@dataclass(frozen=True)
class TrainedWeight:
    """How training changed the density of one weight, nnz over elements.

    Attributes:
        name: The name of the weight.
        size: The number of its elements.
        before: Its density before training.
        after: Its density after training.
    """

    name: str
    size: int
    before: float
    after: float


@dataclass(frozen=True, repr=False)
class TrainingReport(Printable):
    """A training in numbers.

    Attributes:
        weights: The weights in the order of the model.
        epochs: The epochs in their order; fewer than asked for if training ended early.
        best_epoch: The epoch whose values are in the model; 0 for the values from before training.
        before: The score of the model that was read.
        after: The score of the model that is written, on the same data.
        measured_on: The data of ``before`` and ``after``: ``"validation"`` or ``"training"``.
        encoded_bytes: The bytes of the file that encoding makes of the model; None without grids.
        target_bytes: The bytes that it was asked to have at most; None if it was not.
        folds: How many nodes were folded before training.
        drop: By how many points the accuracy fell on the validation data; None if no drop was asked for.
        max_drop: By how many it was allowed to.
        multiply_adds: Those of the training, of elements that were not pruned; None unless it began sparse.
        dense_multiply_adds: Those that a dense training would have taken.
    """

    weights: tuple[TrainedWeight, ...]
    epochs: tuple[Epoch, ...]
    best_epoch: int
    before: Score
    after: Score
    measured_on: str
    encoded_bytes: int | None = None
    target_bytes: int | None = None
    folds: int = 0
    drop: Drop | None = None
    max_drop: float | None = None
    multiply_adds: float | None = None
    dense_multiply_adds: float | None = None

    @property
    def density_before(self) -> float:
        """The density of all weights of the model that was read, nnz over elements."""
        return sum(weight.before * weight.size for weight in self.weights) / max(1, self._size)

    @property
    def density_after(self) -> float:
        """The density of all weights of the model that is written, nnz over elements."""
        return sum(weight.after * weight.size for weight in self.weights) / max(1, self._size)

    @property
    def _size(self) -> int:
        return sum(weight.size for weight in self.weights)

    def __str__(self) -> str:
        """Return a table of the weights, and the scores."""
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return a table of the weights, no wider than that where it can be, and the scores."""
        rows = [(shown(row.name), f"{row.size:,}", f"{row.before:.2%}", f"{row.after:.2%}") for row in self.weights]
        total = ("total", f"{self._size:,}", f"{self.density_before:.2%}", f"{self.density_after:.2%}")
        lines = [
            *([f"folded first: {self.folds} nodes"] if self.folds else []),
            *aligned([("weight", "elements", "density before", "after"), *rows, total], width),
            f"before: {self.before} on the {self.measured_on} data",
        ]
        if self.epochs:
            lines.append(f"after:  {self.after}, epoch {self.best_epoch} of {len(self.epochs)}")
        if self.multiply_adds is not None and self.dense_multiply_adds:
            share = self.multiply_adds / self.dense_multiply_adds
            lines.append(f"training: {self.multiply_adds:.3g} multiply-adds, {share:.2%} of those of a dense one")
        if self.drop is not None:
            lines.append(
                f"accuracy {self.drop.before:.4g} -> {self.drop.after:.4g}: drops by {self.drop.value:.3g} +- "
                f"{self.drop.error:.2g} points, of {self.max_drop:g} allowed"
            )
        if self.encoded_bytes is not None:
            asked = "" if self.target_bytes is None else f", of {self.target_bytes:,} asked for"
            lines.append(f"encoded: {self.encoded_bytes:,} bytes{asked}")
        return "\n".join(lines)

    def brief(self) -> str:
        """Return how good and how dense the model has become."""
        return f"{self.after} on the {self.measured_on} data, density {self.density_after:.2%}"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, and ``density_before`` and ``density_after``."""
        densities = {"density_before": self.density_before, "density_after": self.density_after}
        return dataclasses.asdict(self) | densities

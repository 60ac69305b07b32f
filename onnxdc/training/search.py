"""The search for the smallest file whose accuracy drops by at most so many points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxdc.errors import OptionName, TrainingError
from onnxdc.evaluate.metrics import Drop
from onnxdc.training.data import Batch
from onnxdc.training.losses import Objective
from onnxdc.training.rates import RisingRate
from onnxdc.training.scoring import Answers, drop
from onnxdc.training.written import Written


@dataclass
class Search:
    """Judges what each round of a training comes to, by the file that it would be.

    Attributes:
        original: What answers as the model that was read.
        written: The file that trained values would be.
        validation: The data to judge by.
        rate: What a bit costs, more from round to round while it is good.
        largest: The largest drop, in points.
        least: The smallest drop so far, with its standard error; infinite before the first round.
    """

    original: Answers
    written: Written
    validation: Batch
    rate: RisingRate
    largest: float
    least: float = float("inf")

    def drop(self, values: Mapping[str, np.ndarray]) -> Drop:
        """Return by how many points the accuracy falls with other values, by the names of constants of the model."""
        return self.drop_of(self.written.answers(values))

    def drop_of(self, answers: Answers) -> Drop:
        """Return by how many points the accuracy falls to that of a model."""
        options = self.written.options
        return drop(self.original, answers, self.validation, Objective(options), options.batch)

    def judge(self, found: Drop) -> bool:
        """Tell whether a drop and one standard error are allowed, and choose the price of the next round by it."""
        self.least = min(self.least, found.value + found.error)
        good = found.value + found.error <= self.largest
        self.rate.judge(good=good)
        return good

    def state(self) -> dict[str, Any]:
        """Return what it has come to, besides the price, which is the state of the grids."""
        return {"least": self.least}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.least = float(state["least"])

    def nothing_found(self) -> TrainingError:
        """Return the error of a search without a result."""
        return TrainingError(
            f"expected a drop of at most {self.largest:g} points, its standard error included, got {self.least:.3g} "
            "at least: train for longer, or set a larger ",
            OptionName("max_drop"),
        )

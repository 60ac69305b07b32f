"""How often two runs name the same first class: of everything, and of what most items are not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from onnxdc.report.output_difference import RareClasses

_MOST: Final = 0.9  # the share of the items from which on the commonest class says little about the others


@dataclass
class FirstClasses:
    """The first classes of A and B so far.

    Attributes:
        items: The number of items; one of A without a number does not count.
        same: For each class the number of items that both name it for, int64 ``[classes]``.
        of_a: For each class the number of items that A names it for, int64 ``[classes]``.
    """

    items: int = 0
    same: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    of_a: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, a: np.ndarray, b: np.ndarray, axis: int | None) -> None:
        """Count what both gave for the same items.

        Args:
            a: The scores of A.
            b: Those of B, of the same shape.
            axis: The axis of the classes; None for all axes but the first.
        """
        if a.ndim < 2 or axis is None:
            a, b = (array.reshape(1 if array.ndim < 2 else len(array), -1) for array in (a, b))
            axis = 1
        usable = ~np.isnan(a.astype(np.float64)).any(axis=axis)
        first, other = a.argmax(axis=axis)[usable], b.argmax(axis=axis)[usable]
        more = max(0, a.shape[axis] - len(self.same))  # where runs have different numbers of classes
        self.same, self.of_a = (np.pad(counts, (0, more)) for counts in (self.same, self.of_a))
        self.items += first.size
        for counts, classes in ((self.same, first[first == other]), (self.of_a, first)):
            counts += np.bincount(classes, minlength=len(counts))

    @property
    def agreement(self) -> float | None:
        """The share of the items whose first class is the same; None without items."""
        return int(self.same.sum()) / self.items if self.items else None

    def rare(self) -> RareClasses | None:
        """Return what becomes of the others where nearly all items are of one class; None where they are not.

        Such are the anchors of a detector, of which most see nothing: a mean over all of them hardly heeds the rest.
        """
        if not self.items or self.of_a.max() < _MOST * self.items:
            return None
        both = int(self.same[self.of_a.argmax()])
        others = self.items - both
        return RareClasses(others, (int(self.same.sum()) - both) / others) if others else None

"""The rounds of a training on grids that looks for the smallest file: each ends with integers that are fixed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rounds:
    """Rounds of whole epochs, as equal as they can be.

    Attributes:
        epochs: The number of epochs of the training.
        count: The number of rounds, not above that.
    """

    epochs: int
    count: int = 1

    def of(self, epoch: int) -> tuple[int, int]:
        """Return the first epoch of the round of an epoch, counted from 0, and that of the next round.

        >>> [Rounds(5, 2).of(epoch) for epoch in range(5)]
        [(0, 2), (0, 2), (2, 5), (2, 5), (2, 5)]
        """
        number = ((epoch + 1) * self.count - 1) // self.epochs
        return number * self.epochs // self.count, (number + 1) * self.epochs // self.count

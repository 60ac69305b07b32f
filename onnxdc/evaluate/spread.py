"""What one run's outputs are like, over all items: whether they are numbers, change at all, and lie at their bounds."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnxdc.report.output_difference import OutputState

_AT_BOUND: Final = 1e-6  # a few units in the last place of float32


class Spread:
    """One output of one run, seen so far.

    An array has an item in each row if it has as many rows as the inputs have items, and is one item otherwise.
    """

    def __init__(self, bounds: tuple[float, float] | None = None) -> None:
        self._bounds = bounds
        self._elements = self._finite = self._at_bounds = 0
        self._low: np.ndarray | None = None  # the smallest and the largest finite value of each element of an item
        self._high: np.ndarray | None = None
        self._first: object = None  # the first item of what are no numbers
        self._items = 0
        self._reshaped = False  # whether items had several shapes, or were other texts

    def add(self, output: np.ndarray, items: int) -> None:
        """Take the outputs of one run on ``items`` items."""
        rows = output if items and output.ndim and len(output) == items else output[np.newaxis]
        self._items += len(rows)
        self._elements += output.size
        if output.dtype.kind in "OSUV":
            self._finite += output.size
            self._add_others(rows)
        elif output.size:
            self._add_numbers(rows.astype(np.float64))

    def state(self, *, alike: bool) -> OutputState:
        """Return what the output is like.

        Args:
            alike: Whether all items of the inputs are the same, so that outputs cannot be told to depend on them.
        """
        return OutputState(
            elements=self._elements,
            finite=self._finite / self._elements if self._elements else 1.0,
            variation=None if alike or self._items < 2 or not self._elements else self._variation(),
            at_bounds=self._at_bounds / self._elements if self._bounds and self._elements else None,
        )

    def _add_numbers(self, rows: np.ndarray) -> None:
        finite = np.isfinite(rows)
        self._finite += int(np.count_nonzero(finite))
        if self._bounds is not None:
            close = np.minimum(np.abs(rows - self._bounds[0]), np.abs(rows - self._bounds[1])) <= _AT_BOUND
            self._at_bounds += int(np.count_nonzero(close))
        low = np.where(finite, rows, np.inf).min(axis=0)
        high = np.where(finite, rows, -np.inf).max(axis=0)
        if self._low is None or self._high is None:
            self._low, self._high = low, high
        elif self._low.shape != low.shape:
            self._reshaped = True
        else:
            self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)

    def _add_others(self, rows: np.ndarray) -> None:
        texts = [repr(row.tolist()) for row in rows]
        if self._first is None and texts:
            self._first = texts[0]
        self._reshaped |= any(text != self._first for text in texts)

    def _variation(self) -> float:
        """Return by how much an element changes between items, over the largest value."""
        if self._reshaped:
            return 1.0
        if self._low is None or self._high is None:
            return 0.0
        seen = self._low <= self._high
        change = float((self._high[seen] - self._low[seen]).max(initial=0.0))
        scale = float(np.maximum(np.abs(self._high[seen]), np.abs(self._low[seen])).max(initial=0.0))
        return change / scale if scale else 0.0


def items_of(feed: dict[str, np.ndarray]) -> int:
    """Return the number of items in a feed: the first axis of its first input that has one; 1 if none has."""
    return next((len(array) for array in feed.values() if array.ndim), 1)


def are_alike(feeds: list[dict[str, np.ndarray]]) -> bool:
    """Tell whether all items of all feeds are the same, or there is only one."""
    items = items_of(feeds[0])
    for name, expected in feeds[0].items():
        rowwise = expected.ndim > 0 and len(expected) == items
        first = expected[:1] if rowwise else expected
        for feed in feeds:
            rows = feed[name] if rowwise else feed[name][np.newaxis]
            if any(not np.array_equal(row, first[0] if rowwise else first) for row in rows):
                return False
    return True

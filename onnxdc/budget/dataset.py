"""Data that a caller gives: feeds to calibrate on, and others that are held back to judge by."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from onnxdc.errors import ModelError
from onnxdc.evaluate.spread import items_of
from onnxdc.model_io.feeds import Feed, InputSpec, given_feeds, load_arrays

Data: TypeAlias = str | os.PathLike[str] | Mapping[str, np.ndarray] | Iterable[Feed]
"""Arrays by the names of inputs, the ``.npz`` file that holds them, or feeds one by one."""

LABELS: Final = "labels"

_HELD_BACK: Final = 3  # every third item: what layers were fitted to diverges by 1.3 to 1.5 times too little


@dataclass(frozen=True)
class Dataset:
    """Items of data.

    Attributes:
        feeds: The items.
        labels: The right answer to each; None if there are none.
    """

    feeds: list[Feed]
    labels: np.ndarray | None = None

    @property
    def items(self) -> int:
        """The number of items."""
        return sum(map(items_of, self.feeds))

    @property
    def has_classes(self) -> bool:
        """Whether the labels are classes."""
        return self.labels is not None and self.labels.dtype.kind in "iu"


def dataset(data: Data, specs: Sequence[InputSpec], where: str) -> Dataset:
    """Return data as feeds of a model.

    Args:
        data: The data; one of its arrays may be called ``labels``.
        specs: The inputs of the model, from ``input_specs``.
        where: What to call the model.

    Raises:
        ModelError: The data cannot be read, or do not fit the model.
    """
    if isinstance(data, str | os.PathLike):
        data = load_arrays(data)
    if isinstance(data, Mapping):
        labels = np.asarray(data[LABELS]) if LABELS in data else None
        return Dataset(given_feeds(list(specs), data, where), labels)
    feeds = [dict(feed) for feed in data]
    if not feeds:
        raise ModelError(f"{where}: expected data, got none")
    return Dataset(feeds)


@dataclass(frozen=True)
class Given:
    """The data that a caller gave, each None if there are none.

    Attributes:
        kept: What to calibrate on.
        held_back: What to judge by of the same data; None also if they are too few to hold some back.
        val: What else to judge by.
        scores: Whether labels say that the first output holds the scores of classes.
    """

    kept: Dataset | None
    held_back: Dataset | None
    val: Dataset | None
    scores: bool


def given(data: Data | None, val: Data | None, specs: Sequence[InputSpec], where: str) -> Given:
    """Return the data that a caller gave.

    Args:
        data: The data to calibrate on.
        val: The data to judge by.
        specs: The inputs of the model, from ``input_specs``.
        where: What to call the model.

    Raises:
        ModelError: The data cannot be read, or do not fit the model.
    """
    to_judge_by = None if val is None else dataset(val, specs, where)
    if data is None:
        return Given(None, None, to_judge_by, scores=False)
    whole = dataset(data, specs, where)
    kept, held_back = parted(whole, specs)
    scores = whole.has_classes or (to_judge_by is not None and to_judge_by.has_classes)
    return Given(kept, held_back if held_back.feeds else None, to_judge_by, scores=scores)


def parted(data: Dataset, specs: Sequence[InputSpec]) -> tuple[Dataset, Dataset]:
    """Part data into what to calibrate on, and a third that is held back to judge by. Labels go with neither.

    Args:
        data: The data.
        specs: The inputs of the model: where it leaves the number of items open, every third item is held back, else
            every third feed.
    """
    kept: list[Feed] = []
    held_back: list[Feed] = []
    start = 0
    for feed in data.feeds:
        items = items_of(feed) if _can_be_cut(feed, specs) else 1
        held = (start + np.arange(items)) % _HELD_BACK == _HELD_BACK - 1
        start += items
        for part, rows in ((kept, ~held), (held_back, held)):
            if rows.all():
                part.append(feed)
            elif rows.any():
                part.append({name: array[rows] for name, array in feed.items()})
    return Dataset(kept), Dataset(held_back)


def _can_be_cut(feed: Feed, specs: Sequence[InputSpec]) -> bool:
    """Tell whether the model takes some of the items of a feed, too."""
    is_open = all(spec.shape and not isinstance(spec.shape[0], int) for spec in specs)
    return is_open and all(array.ndim and len(array) == items_of(feed) for array in feed.values())

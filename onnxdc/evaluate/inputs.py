"""Made-up inputs that a model runs on, and that tell something about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from onnxdc.errors import ModelError, OptionName
from onnxdc.evaluate.runner import Runner
from onnxdc.evaluate.spread import Spread, items_of
from onnxdc.model_io.feeds import Attempt, Feed, InputSpec, attempts, other_values, random_feed

_FEEDS: Final = 3


def made_up_feeds(specs: Sequence[InputSpec], runner: Runner, seed: int) -> list[Feed]:
    """Return made-up feeds: of those that the model can run, the first on which the most outputs tell something.

    An output tells something if it has finite numbers, and not the same ones for all items.

    Args:
        specs: The inputs of the model.
        runner: A session of the model.
        seed: The seed of the random numbers.

    Raises:
        ModelError: The model runs on none; the error asks for real inputs.
    """
    search = _Search(specs, runner, seed)
    for attempt in attempts(specs):
        search.take(attempt)
        if search.complete:
            return search.feeds
    if search.attempt is None:
        count = f"{search.tried} {'try' if search.tried == 1 else 'tries'}"
        raise ModelError(
            f"{search.failure} ({count} with made-up inputs; give real ones with ", OptionName("inputs"), ")"
        )
    for attempt in other_values(specs, search.attempt):
        search.take(attempt)
        if search.complete:
            break
    return search.feeds


class _Search:
    """The best made-up feeds so far.

    Attributes:
        feeds: The feeds.
        attempt: How they were made; None while nothing has run.
        complete: Whether every output tells something on them.
        failure: Why the first attempt did not run.
        tried: The number of attempts.
    """

    def __init__(self, specs: Sequence[InputSpec], runner: Runner, seed: int) -> None:
        self._specs, self._runner, self._seed = specs, runner, seed
        self._most = -1  # outputs that tell something
        self.feeds: list[Feed] = []
        self.attempt: Attempt | None = None
        self.complete = False
        self.failure: ModelError | None = None
        self.tried = 0

    def take(self, attempt: Attempt) -> None:
        """Run the model on another attempt, and keep it if it is better."""
        rng = np.random.default_rng(self._seed)
        self.tried += 1
        try:
            feeds = [
                random_feed(self._specs, attempt.first, attempt.others, rng, scale=attempt.scale, below=attempt.below)
                for _ in range(_FEEDS)
            ]
            telling, outputs = _telling(self._runner, feeds)
        except ModelError as error:
            self.failure = self.failure or error
            return
        if telling > self._most:
            self.feeds, self.attempt, self._most = feeds, attempt, telling
        self.complete = self.complete or telling == outputs


def _telling(runner: Runner, feeds: Sequence[Feed]) -> tuple[int, int]:
    """Return how many outputs tell something on these feeds, and how many there are."""
    spreads = [Spread() for _ in runner.outputs]
    for feed in feeds:
        for spread, output in zip(spreads, runner.run(feed), strict=True):
            spread.add(output, items_of(feed))
    return sum(spread.state(alike=False).says_something for spread in spreads), len(spreads)

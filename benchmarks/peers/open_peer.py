"""A peer with a model, and who is to blame when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from common.differences import relative_difference
from common.sessions import Feed, Outputs
from common.turns import Clock, Timer, timer
from peers.remote import Remote
from peers.table import PEERS

_WRONG: Final = 1.0  # a relative difference that no rounding explains: 4 bits leave 0.38 on BERT, the worst of all


class PeerError(Exception):
    """A peer cannot run a model.

    Attributes:
        name: The name of the peer.
        reason: Why it cannot, in one line.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


def one_line(error: Exception) -> str:
    """Say in one line what went wrong."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


class OpenPeer:
    """A peer with a model. Whatever goes wrong, here or in its methods, is a ``PeerError``.

    Args:
        name: The name of the peer.
        dense: The model that its own one was made from.
        feed: The feed of every run.
        threads: How many it gets.
        clock: The clock for its runs, unless they are timed elsewhere.
    """

    def __init__(self, name: str, dense: Path, feed: Feed, threads: int, clock: Clock) -> None:
        self.name, self._feed = name, feed
        with self._blame():
            self._runner = PEERS[name].open(PEERS[name].path(dense), feed, threads)
        self._timer: Timer
        if isinstance(self._runner, Remote):
            self._timer = self._runner.seconds
        else:
            self._timer = timer(self._runner, feed, clock)

    def difference(self, reference: Outputs) -> float:
        """Return ``relative_difference`` of its outputs, if they have something to do with the reference."""
        with self._blame():
            difference = relative_difference(list(self._runner.run(None, self._feed)), reference)
        if not difference <= _WRONG:
            raise PeerError(self.name, f"wrong outputs: they differ by {difference:.2g} of the largest element")
        return difference

    def seconds(self, runs: int) -> float:
        """Return the seconds of a run, of so many."""
        with self._blame():
            return self._timer(runs)

    def close(self) -> None:
        """End the process of a peer that has one."""
        if isinstance(self._runner, Remote):
            self._runner.close()

    @contextmanager
    def _blame(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise PeerError(self.name, one_line(error)) from error

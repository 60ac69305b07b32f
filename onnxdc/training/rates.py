"""What a bit of the file costs in a training, in units of the loss: a number that is given, or one that is steered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

_FIRST: Final = 0.3  # over the number of elements: what a bit costs where a network has lost little
_LEAST, _MOST = 1e-4, 30.0  # over the number of elements, for a rate that is steered
_SOFT: Final = 0.1  # of the way to the target, in which the rate comes to act, so that training begins without a jump
_POWER: Final = 3  # most of the way is gone early, as when weights are pruned by degrees: late, no rate makes zeros
# By which a difference of sizes, in logarithms, moves the logarithm of the rate: for good at each look, and for as long
# as it is there. Weights answer within some tens of steps: without the second the size would swing around its goal.
_GAIN, _DAMPING = 0.05, 8.0
_HASTE: Final = 6.0  # by which more it moves in the end than before, as weights move less at a low learning rate
# The size to steer to, over that asked for, when the rate has risen and when the steps of grids are rounded: after that
# little moves. It is to be there before integers are fixed. The price keeps many elements where rounding is undecided,
# and bits that are saved at once send them all to one side: the last 2.6 % of the bytes of ResNet-20, saved like that,
# took its loss from 0.15 to 0.6. Zeros, on the other hand, seldom come back.
_ROOM, _AIM = 1.06, 0.995
# For a search by rounds, choices: the first price, over the number of elements, which costs most networks nothing, and
# the factors from one round to the next.
_FIRST_OF_ROUNDS, _RISE, _FALL = 0.1, 2.0, 0.25
_LEFT: Final = 0.02  # of the bytes asked for, the least that is left for integers


class Rate(Protocol):
    """The price of a bit.

    Attributes:
        target: The bytes of the file to reach; None without such a number.
    """

    target: int | None

    def at(self, progress: float) -> float:
        """Return the price; ``progress`` goes from 0 to 1 while it comes to its height."""

    def steer(self, progress: float, late: float, entropy: float, extra: float) -> None:
        """Take in what the integers amount to, in bytes, and what the rest of the file does.

        ``late`` goes from 0 to 1 between the end of ``progress`` and the step at which the steps of grids are rounded.
        """

    def state(self) -> dict[str, Any]:
        """Return what it has come to."""

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""


class GivenRate:
    """A price that rises along a line to a number."""

    target: int | None = None

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def at(self, progress: float) -> float:
        """Return the price."""
        return self._rate * progress

    def steer(self, progress: float, late: float, entropy: float, extra: float) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


class RisingRate:
    """A price that doubles from round to round while the results are good enough, and then lies between both.

    Within a round it moves along a line from the last good price.
    """

    target: int | None = None

    def __init__(self, elements: int) -> None:
        self._good, self._bad = 0.0, math.inf
        self.next = _FIRST_OF_ROUNDS / max(1, elements)

    def at(self, progress: float) -> float:
        """Return the price."""
        return self._good + (self.next - self._good) * progress

    def steer(self, progress: float, late: float, entropy: float, extra: float) -> None:
        """Do nothing."""

    def judge(self, *, good: bool) -> None:
        """Choose the price of the next round; ``good`` says whether what came of this one is good enough."""
        if good:
            self._good = self.next
        else:
            self._bad = self.next
        if not self._good:
            self.next = self._bad * _FALL
        elif self._bad == math.inf:
            self.next = self._good * _RISE
        else:
            self.next = math.sqrt(self._good * self._bad)

    def state(self) -> dict[str, Any]:
        """Return the prices."""
        return {"good": self._good, "bad": self._bad, "next": self.next}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._good, self._bad, self.next = (float(state[name]) for name in ("good", "bad", "next"))


class SteeredRate:
    """A price that makes the file come to a size: its logarithm moves by how far off the size is.

    The logarithm of the size that is wanted falls along a cubic polynomial from the first one to a little above the
    target, as density does in ``DensitySchedule``, and then the size along a line.
    """

    target: int | None

    def __init__(self, target: int, elements: int) -> None:
        self.target = target
        self._elements = max(1, elements)
        self._level = self._now = _FIRST
        self._first: float | None = None

    def at(self, progress: float) -> float:
        """Return the price."""
        return self._now * min(1.0, progress / _SOFT) / self._elements

    def steer(self, progress: float, late: float, entropy: float, extra: float) -> None:
        """Raise the price if the file is larger than is wanted by now, else lower it."""
        assert self.target is not None
        if self._first is None:
            self._first = entropy + extra
        aim = (_ROOM + (_AIM - _ROOM) * late) * self.target
        way = 1 - (1 - progress) ** _POWER
        wanted = max(self._first * (aim / self._first) ** way - extra, _LEFT * aim)
        above = math.log(max(entropy, 1.0) / wanted) * (1 + _HASTE * late)
        self._level = min(max(self._level * math.exp(_GAIN * above), _LEAST), _MOST)
        self._now = min(self._level * math.exp(_DAMPING * above), _MOST)

    def state(self) -> dict[str, Any]:
        """Return the price and the first size."""
        return {"level": self._level, "now": self._now, "first": self._first}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._level, self._now, self._first = (float(state[name]) for name in ("level", "now", "first"))

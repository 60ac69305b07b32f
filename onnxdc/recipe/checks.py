"""Checks of single values: whether one is good, and the words for what is."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from onnxdc.shown import shown

LARGEST: Final = 2**63 - 1  # of integers: more does not fit where they are used
MOST_CHARACTERS: Final = 1000  # of a text: longer patterns take long to match, and no exporter writes longer names

Check: TypeAlias = tuple[Callable[[Any], bool], str]
"""A function that tells whether a value is good, and the words for what is."""


def told(value: Any) -> str:
    """Return a value as messages show it; an integer of thousands of digits has no text."""
    try:
        return shown(repr(value))
    except (ValueError, RecursionError):
        return f"{type(value).__name__} that is too long to show"


def integer(low: int, high: int | None = None) -> Check:
    """Accept integers from ``low`` to ``high``, or to the largest of 64 bits."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            return False
        return low <= int(value) <= (LARGEST if high is None else high)

    return accepts, f"an integer of {low} or more" if high is None else f"an integer from {low} to {high}"


def number(high: float | None = None) -> Check:
    """Accept finite numbers from 0 to ``high``."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            return False
        try:
            real = float(value)
        except OverflowError:  # of an integer
            return False
        return math.isfinite(real) and real >= 0 and (high is None or real <= high)

    return accepts, "a number of 0 or more" if high is None else f"a number from 0 to {high}"


def positive(high: float) -> Check:
    """Accept numbers above 0 up to ``high``."""
    accepts, _ = number(high)
    return (lambda value: accepts(value) and value > 0), f"a number above 0, at most {high:g}"


def one_of(*names: str) -> Check:
    """Accept these texts."""
    return (lambda value: value in names), " or ".join(f'"{name}"' for name in names)


SWITCH: Final[Check] = ((lambda value: isinstance(value, bool)), "true or false")
TEXT: Final[Check] = (
    (lambda value: isinstance(value, str) and 0 < len(value) <= MOST_CHARACTERS),
    f"a text of 1 to {MOST_CHARACTERS} characters",
)

"""Checks of single values: whether one is good, and the words for what is."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Check: TypeAlias = tuple[Callable[[Any], bool], str]
"""A function that tells whether a value is good, and the words for what is."""


def integer(low: int, high: int | None = None) -> Check:
    """Accept integers from ``low`` to ``high``."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            return False
        return int(value) >= low and (high is None or int(value) <= high)

    return accepts, f"an integer of {low} or more" if high is None else f"an integer from {low} to {high}"


def number(high: float | None = None) -> Check:
    """Accept finite numbers from 0 to ``high``."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return float(value) >= 0 and (high is None or float(value) <= high)

    return accepts, "a number of 0 or more" if high is None else f"a number from 0 to {high}"


def positive(high: float) -> Check:
    """Accept numbers above 0 up to ``high``."""
    accepts, _ = number(high)
    return (lambda value: accepts(value) and value > 0), f"a number above 0, at most {high:g}"


def one_of(*names: str) -> Check:
    """Accept these texts."""
    return (lambda value: value in names), " or ".join(f'"{name}"' for name in names)


SWITCH: Final[Check] = ((lambda value: isinstance(value, bool)), "true or false")
TEXT: Final[Check] = ((lambda value: isinstance(value, str) and value != ""), "a text that is not empty")

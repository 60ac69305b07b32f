"""What the value of each key of a recipe must be."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from onnxdc.errors import RecipeError
from onnxdc.graph.slots import KINDS
from onnxdc.numeric.kmeans import INITS

Check: TypeAlias = tuple[Callable[[Any], bool], str]  # whether a value is good, and the words for what is


def integer(low: int, high: int | None = None) -> Check:
    def accepts(value: Any) -> bool:
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            return False
        return int(value) >= low and (high is None or int(value) <= high)

    return accepts, f"an integer of {low} or more" if high is None else f"an integer from {low} to {high}"


def number(high: float | None = None) -> Check:
    def accepts(value: Any) -> bool:
        if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return float(value) >= 0 and (high is None or float(value) <= high)

    return accepts, "a number of 0 or more" if high is None else f"a number from 0 to {high}"


def positive(high: float) -> Check:
    accepts, _ = number(high)
    return (lambda value: accepts(value) and value > 0), f"a number above 0, at most {high:g}"


def one_of(*names: str) -> Check:
    return (lambda value: value in names), " or ".join(f'"{name}"' for name in names)


SWITCH: Final[Check] = ((lambda value: isinstance(value, bool)), "true or false")
_TEXT: Final[Check] = ((lambda value: isinstance(value, str) and value != ""), "a text that is not empty")

_CHECKS: Final[dict[str, Check]] = {
    "density": number(1),
    "global_density": number(1),
    "threshold": number(),
    "quality": number(),
    "bits": integer(1, 8),
    "index_bits": integer(1, 8),
    "groups": integer(1),
    "seed": integer(0),
    "min_elements": integer(0),
    "init": one_of(*INITS),
    "execution": one_of("auto", "sparse", "dense"),
    "kind": one_of(*KINDS),
    "skip": SWITCH,
    "fuse": SWITCH,
    "pattern": _TEXT,
    "op": _TEXT,
}


def check_value(key: str, value: Any) -> None:
    """Refuse a value that the key cannot have.

    Raises:
        RecipeError: the key, what was expected, what was found.
    """
    accepts, words = _CHECKS[key]
    if not accepts(value):
        raise RecipeError(f"{key}: expected {words}, got {value!r}")

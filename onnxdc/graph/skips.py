"""What is left as it is, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class SkipCode(StrEnum):
    """Why something was left as it is."""

    # A constant that is no weight.
    TOO_SMALL = "too small"
    QUANTIZED = "quantized already"
    NOT_A_WEIGHT = "not a weight"
    UNUSED = "not used"
    VECTOR = "bias or scale"
    FUNCTION_ATTRIBUTE = "attribute of a function"
    # A weight that a pass did not change.
    RECIPE = "recipe"
    UNFIT = "unfit values"
    NOTHING_ASKED = "nothing asked"
    NOTHING_TO_DO = "nothing to do"
    TABLE = "not a layer's weight"
    UNKNOWN_AXIS = "unknown channel axis"
    NO_ROOM = "no room for initializers"
    EMPTY = "no elements"
    NO_GAIN = "no gain"
    NOT_CALIBRATED = "not calibrated"
    STAYS_FLOAT = "stays float"
    # A node that was not folded.
    NOT_FOLDED = "not folded"


@dataclass(frozen=True)
class Skip:
    """Something that was left as it is, and why.

    Attributes:
        name: The constant or the node.
        code: The kind of reason, for programs.
        reason: The reason in words.
        summary: The reason without what it says of this one alone; empty if that is the whole reason.
        node: The first node that uses the constant, as ``walk.described`` has it; empty if nobody looked for it.
        size: The number of elements of the constant; 0 if nobody counted.
    """

    name: str
    code: SkipCode
    reason: str
    summary: str = ""
    node: str = ""
    size: int = 0

    @property
    def common_reason(self) -> str:
        """The reason as others may have it, too."""
        return self.summary or self.reason


def with_earlier_reasons(skips: Sequence[Skip], earlier: Sequence[Skip]) -> list[Skip]:
    """Return the skips of one pass, with what the pass before said about the same weights.

    What is no weight to the pass before need not be told to have too many values; integers are coded as they are.
    """
    before = {skip.name: skip for skip in earlier}
    return [_with_reason_before(skip, before.get(skip.name, skip)) for skip in skips]


def _with_reason_before(skip: Skip, before: Skip) -> Skip:
    if before.code in (SkipCode.NOT_A_WEIGHT, SkipCode.VECTOR):
        return before
    if before.code is SkipCode.QUANTIZED:
        return skip
    return replace(skip, reason="; ".join(dict.fromkeys((before.reason, skip.reason))))

"""What is said of one weight: settings, with nothing left open; options, with gaps; rules, which choose weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from onnxdc.errors import RecipeError, option_names
from onnxdc.graph.weights import Weight
from onnxdc.numeric.kmeans import Init
from onnxdc.recipe.keys import CONDITIONS, DEFAULTS, PRUNING, Activation, Sharing, check_value


@dataclass(frozen=True)
class Settings:
    """What happens to one weight, with nothing left open.

    Attributes:
        density: The share of elements to keep, the largest by magnitude; of this one and the next two, one at most.
        threshold: The magnitude below which elements become zero.
        quality: The factor of the weight's standard deviation that makes the threshold (paper, section 2).
        sharing: Whether values become those of a uniform grid (``"grid"``) or of k-means (``"kmeans"``).
        step: The step of the grid, in root mean squares of the weight's nonzeros; None if the weight is not shared.
        bits: The bits of a code: at most 2^bits shared values, zero being one of them (paper, section 3), 1..8.
        activation: How ``quantize`` and ``encode`` have the inputs of its layer: ``"float"``, ``"dynamic"`` or
            ``"static"``; None for what is usual in its model.
        index_bits: The bits of a gap (paper, section 2), 1..8.
        init: How k-means starts: ``"linear"``, ``"density"`` or ``"random"`` (paper, section 3.2).
        groups: The number of codebooks, each for an equal part of the output channels.
        skip: Whether to leave this weight alone in every pass.
        execution: Whether the operator runs on the compressed weight (``"sparse"``), on the decoded one (``"dense"``)
            or on what promises to be faster (``"auto"``).
        codes: ``"huffman"``, or ``"bytes"`` for a byte a code and a byte a gap.
    """

    density: float | None = None
    threshold: float | None = None
    quality: float | None = None
    sharing: Sharing = DEFAULTS["sharing"]
    step: float | None = None
    bits: int = 8
    activation: Activation | None = None
    index_bits: int = 8
    init: Init = DEFAULTS["init"]
    groups: int = DEFAULTS["groups"]
    skip: bool = DEFAULTS["skip"]
    execution: str = DEFAULTS["execution"]
    codes: str = DEFAULTS["codes"]

    @property
    def pruning_key(self) -> str | None:
        """The way in which this weight is pruned by a number of its own, None if it is not."""
        return next((name for name in PRUNING if getattr(self, name) is not None), None)

    @property
    def prunes(self) -> bool:
        """Whether this weight is pruned by a number of its own."""
        return self.pruning_key is not None


@dataclass(frozen=True, kw_only=True)
class Options:
    """The fields of ``Settings``, each None if nothing is said about it.

    Raises:
        RecipeError: A value is out of its range, or there is more than one way to prune.
    """

    density: float | None = None
    threshold: float | None = None
    quality: float | None = None
    sharing: Sharing | None = None
    step: float | None = None
    bits: int | None = None
    activation: Activation | None = None
    index_bits: int | None = None
    init: Init | None = None
    groups: int | None = None
    skip: bool | None = None
    execution: str | None = None
    codes: str | None = None

    def __post_init__(self) -> None:
        said = self.said()
        for key, value in said.items():
            check_value(key, value)
        pruning = [key for key in PRUNING if key in said]
        if len(pruning) > 1:
            raise RecipeError(
                "expected one of ", *option_names(PRUNING, ", "), ", got ", *option_names(pruning, " and ")
            )

    def said(self) -> dict[str, Any]:
        """Return the options that are given, by name."""
        values = {option.name: getattr(self, option.name) for option in dataclasses.fields(Options)}
        return {name: value for name, value in values.items() if value is not None}

    def over(self, weaker: Options) -> dict[str, Any]:
        """Return what is said here, and what ``weaker`` says if this is silent; one way to prune replaces another."""
        said, other = self.said(), weaker.said()
        if any(key in said for key in PRUNING):
            other = {key: value for key, value in other.items() if key not in PRUNING}
        return other | said


@dataclass(frozen=True)
class Rule(Options):
    """Options for the weights that match.

    Attributes:
        pattern: A shell pattern for the whole name, or the name itself; ``*`` matches dots and slashes too.
        op: An operator type that one of the weight's consumers has, such as ``"Gemm"``.
        kind: The kind that the weight has: ``"conv"``, ``"fc"``, ``"recurrent"``, ``"embedding"`` or ``"other"``.
        where: The file and line that the rule comes from, for messages.
    """

    pattern: str | None = None
    op: str | None = None
    kind: str | None = None
    where: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        conditions = self._conditions()
        if not conditions:
            raise RecipeError("expected a pattern, an op or a kind, got none of them")
        for key, value in conditions.items():
            check_value(key, value)

    def _conditions(self) -> dict[str, str]:
        values = {name: getattr(self, name) for name in CONDITIONS}
        return {key: value for key, value in values.items() if value is not None}

    def __str__(self) -> str:
        return ", ".join(f"{key} {value!r}" for key, value in self._conditions().items())

    def matches(self, weight: Weight) -> bool:
        """Tell whether every condition that is given holds for the weight."""
        return (
            (self.pattern is None or weight.name == self.pattern or fnmatchcase(weight.name, self.pattern))
            and (self.op is None or self.op in weight.op_types)
            and (self.kind is None or weight.kind == self.kind)
        )

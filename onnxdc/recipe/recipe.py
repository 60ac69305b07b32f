"""What to do to which weight: a recipe, made in Python or read from a TOML file.

    seed = 0                  # of random initialisation
    min_elements = 256        # smaller tensors stay as they are
    fuse = true               # activations, biases and residuals into the sparse operators before them
    global_density = 0.1      # one ranking over all weights that no rule prunes

    [defaults]                # for every weight, where its rule says nothing
    init = "linear"

    [[rule]]                  # the first rule that matches a weight is the only one that counts for it
    pattern = "fc*"           # of its name, as in a shell; or op = "Gemm", or kind = "fc"; all that are given hold
    density = 0.04            # or threshold = 0.01, or quality = 0.8
    bits = 5
    index_bits = 5

What neither the rule nor ``[defaults]`` says follows the paper (section 5): weights of convolutions get 8-bit codes
and 8-bit gaps, all others 5-bit codes and 5-bit gaps. A weight that nothing prunes gets 8-bit codes whatever its kind.
So the empty recipe is safe: it prunes nothing, zeros that are there stay zeros, and 8 bits hardly move a value.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from onnxdc.errors import RecipeError
from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight
from onnxdc.numeric.kmeans import Init
from onnxdc.recipe.keys import CONDITIONS, DEFAULTS, PRUNING, RECIPE_KEYS, check_value

_PAPER_BITS: Final = {"conv": 8}  # of codes and of gaps
_PAPER_BITS_OTHERS: Final = 5


@dataclass(frozen=True)
class Settings:
    """What happens to one weight, with nothing left open.

    Attributes:
        density: the share of elements to keep, the largest by magnitude; of this one and the next two, one at most.
        threshold: elements of a smaller magnitude become zero.
        quality: the threshold is this factor times the standard deviation of the weight (paper, section 2).
        bits: at most 2^bits shared values, zero being one of them (paper, section 3), 1..8.
        index_bits: bits of a gap (paper, section 2), 1..8.
        init: how k-means starts: ``"linear"``, ``"density"`` or ``"random"`` (paper, section 3.2).
        groups: codebooks, each for an equal part of the output channels.
        skip: leave this weight alone in every pass.
        execution: whether the operator runs on the compressed weight (``"sparse"``), on the decoded one (``"dense"``)
            or on what promises to be faster (``"auto"``).
    """

    density: float | None = None
    threshold: float | None = None
    quality: float | None = None
    bits: int = 8
    index_bits: int = 8
    init: Init = DEFAULTS["init"]
    groups: int = DEFAULTS["groups"]
    skip: bool = DEFAULTS["skip"]
    execution: str = DEFAULTS["execution"]

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
    """The fields of ``Settings``, each None where nothing is said about it.

    Raises:
        RecipeError: a value out of its range, or more than one way to prune.
    """

    density: float | None = None
    threshold: float | None = None
    quality: float | None = None
    bits: int | None = None
    index_bits: int | None = None
    init: Init | None = None
    groups: int | None = None
    skip: bool | None = None
    execution: str | None = None

    def __post_init__(self) -> None:
        said = self.said()
        for key, value in said.items():
            check_value(key, value)
        pruning = [key for key in PRUNING if key in said]
        if len(pruning) > 1:
            raise RecipeError(f"expected one of {', '.join(PRUNING)}, got {' and '.join(pruning)}")

    def said(self) -> dict[str, Any]:
        """The options that are given, by name."""
        values = {option.name: getattr(self, option.name) for option in dataclasses.fields(Options)}
        return {name: value for name, value in values.items() if value is not None}

    def over(self, weaker: Options) -> dict[str, Any]:
        """What is said here, and what ``weaker`` says where this is silent; one way to prune replaces another."""
        said, other = self.said(), weaker.said()
        if any(key in said for key in PRUNING):
            other = {key: value for key, value in other.items() if key not in PRUNING}
        return other | said


@dataclass(frozen=True)
class Rule(Options):
    """Options for the weights that match.

    Attributes:
        pattern: a shell pattern for the whole name, or the name itself; ``*`` matches dots and slashes too.
        op: an operator type that one of the weight's consumers has, such as ``"Gemm"``.
        kind: the kind that the weight has: ``"conv"``, ``"fc"``, ``"recurrent"``, ``"embedding"`` or ``"other"``.
        where: file and line that the rule comes from, for messages.
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
        """Whether every condition that is given holds for the weight."""
        return (
            (self.pattern is None or weight.name == self.pattern or fnmatchcase(weight.name, self.pattern))
            and (self.op is None or any(use.node.op_type == self.op for use in weight.uses))
            and (self.kind is None or weight.kind == self.kind)
        )


@dataclass(frozen=True)
class Recipe:
    """What to do to which weight of a model.

    Attributes:
        rules: the first one that matches a weight counts for it.
        defaults: for what the rule does not say, and for weights without one.
        global_density: nnz over elements, by one ranking of all the weights that no rule prunes; the defaults must not.
        seed: of random initialisation.
        min_elements: smaller tensors are no weights.
        fuse: whether a sparse operator takes in the activation behind it, and a bias or residual that is added.

    Raises:
        RecipeError: a value out of its range, or more than one way to prune.
    """

    rules: tuple[Rule, ...] = ()
    defaults: Options = Options()
    global_density: float | None = None
    seed: int = DEFAULTS["seed"]
    min_elements: int = DEFAULTS["min_elements"]
    fuse: bool = DEFAULTS["fuse"]

    def __post_init__(self) -> None:
        for key in RECIPE_KEYS:
            if getattr(self, key) is not None:
                check_value(key, getattr(self, key))
        pruning = [key for key in PRUNING if getattr(self.defaults, key) is not None]
        if self.global_density is not None and pruning:
            raise RecipeError(f"expected one way to prune by default, got global_density and {pruning[0]}")

    @staticmethod
    def from_toml(path: str | Path) -> Recipe:
        """Read a recipe file.

        Raises:
            RecipeError: the file cannot be read, is not TOML, has an unknown key or a bad value; with file and line.
        """
        from onnxdc.recipe.file import read_recipe  # which builds on this module

        return read_recipe(path)

    def with_options(self, **options: Any) -> Recipe:
        """This recipe with other defaults, such as those of a command line: ``Recipe().with_options(density=0.1)``.

        Args:
            options: fields of ``Options``, ``global_density``, ``seed``, ``min_elements`` and ``fuse``; None leaves one
                as it is, and one way to prune replaces another.

        Raises:
            RecipeError: a value out of its range, or more than one way to prune.
        """
        said = {key: value for key, value in options.items() if value is not None}
        own = {key: said.pop(key) for key in RECIPE_KEYS if key in said}
        defaults = Options(**said).over(self.defaults)
        if any(key in said for key in PRUNING):
            own.setdefault("global_density", None)
        elif "global_density" in own:
            defaults = {key: value for key, value in defaults.items() if key not in PRUNING}
        return dataclasses.replace(self, defaults=Options(**defaults), **own)

    def resolve(self, weights: Sequence[Weight], skips: Sequence[Skip] = ()) -> dict[str, Settings]:
        """The settings of each weight, by name.

        Args:
            weights: all weights of the model.
            skips: the constants that are no weights, to explain a pattern that matches only those.

        Raises:
            RecipeError: a rule matches no weight.
        """
        for rule in self.rules:
            if not any(rule.matches(weight) for weight in weights):
                where = f"{rule.where}: " if rule.where else ""
                raise RecipeError(f"{where}{rule} matches no weight{_why_none(rule, weights, skips)}")
        return {weight.name: self._settings(weight) for weight in weights}

    def _settings(self, weight: Weight) -> Settings:
        rule = next((rule for rule in self.rules if rule.matches(weight)), Options())
        said = rule.over(self.defaults)
        prunes = self.global_density is not None or any(key in said for key in PRUNING)
        paper = _PAPER_BITS.get(weight.kind, _PAPER_BITS_OTHERS)
        return Settings(**({"bits": paper if prunes else 8, "index_bits": paper} | said))


def _why_none(rule: Rule, weights: Sequence[Weight], skips: Sequence[Skip]) -> str:
    """The end of the message for a rule that matches nothing: what the user may have meant."""
    if rule.pattern is None or any(fnmatchcase(weight.name, rule.pattern) for weight in weights):
        return ""
    for skip in skips:
        if fnmatchcase(skip.name, rule.pattern):
            return f": {skip.name} is skipped: {skip.reason}"
    nearest = difflib.get_close_matches(rule.pattern, [weight.name for weight in weights], n=1)
    return f", the nearest name is {nearest[0]!r}" if nearest else ""

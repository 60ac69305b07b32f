"""What to do to which weight: a recipe, made in Python or read from a TOML file.

    seed = 0                  # of random initialisation
    min_elements = 256        # smaller tensors stay as they are
    fuse = true               # activations, biases and residuals into the sparse operators before them
    strip = false             # texts of exporters and names inside the graphs stay
    global_density = 0.1      # one ranking over all weights that no rule prunes

    [defaults]                # for every weight, where its rule says nothing
    sharing = "kmeans"
    init = "linear"

    [[rule]]                  # the first rule that matches a weight is the only one that counts for it
    pattern = "fc*"           # of its name, as in a shell; or op = "Gemm", or kind = "fc"; all that are given hold
    density = 0.04            # or threshold = 0.01, or quality = 0.8
    bits = 5
    index_bits = 5

What neither the rule nor ``[defaults]`` says of bits follows the paper (section 5): weights of convolutions get 8-bit
gaps, all others 5-bit gaps; with k-means pruned weights get as many bits for codes, and others 8. The empty recipe is
safe: it prunes nothing, zeros that are there stay zeros, and the steps of its grids (``steps.py``) hardly move outputs.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from onnxdc.errors import OptionError, OptionName, RecipeError, option_names
from onnxdc.graph.skips import Skip
from onnxdc.graph.slots import FIXED, Role
from onnxdc.graph.weights import Weight, why_no_weight
from onnxdc.recipe.checks import MOST_CHARACTERS
from onnxdc.recipe.keys import DEFAULTS, OF_SHARING, PRUNING, RECIPE_KEYS, check_value
from onnxdc.recipe.rule import Options, Rule, Settings
from onnxdc.recipe.steps import steps_of

_PAPER_BITS: Final = {"conv": 8}  # of codes and of gaps
_PAPER_BITS_OTHERS: Final = 5
_COMPARED: Final = 1000  # names, with one that matches nothing: each comparison takes up to a millisecond


@dataclass(frozen=True)
class Recipe:
    """What to do to which weight of a model.

    Attributes:
        rules: The rules; the first one that matches a weight counts for it.
        defaults: The options for what the rule does not say, and for weights without one.
        global_density: The nnz over elements, by one ranking of all the weights that no rule prunes; the defaults must
            prune none.
        seed: The seed of random initialisation.
        min_elements: The number of elements that a weight has at least.
        biases: Whether sharing rounds biases to ``"float16"`` or ``"int8"``, or is to ``"keep"`` them.
        fuse: Whether a sparse operator takes in the activation after it, and a bias or residual that is added.
        strip: Whether texts of exporters are dropped, and names inside the graphs shortened.

    Raises:
        RecipeError: A value is out of its range, or there is more than one way to prune.
        OptionError: An option means nothing with the way of sharing that goes with it.
    """

    rules: tuple[Rule, ...] = ()
    defaults: Options = field(default_factory=Options)
    global_density: float | None = None
    seed: int = DEFAULTS["seed"]
    min_elements: int = DEFAULTS["min_elements"]
    biases: str = DEFAULTS["biases"]
    fuse: bool = DEFAULTS["fuse"]
    strip: bool = DEFAULTS["strip"]

    def __post_init__(self) -> None:
        for key in RECIPE_KEYS:
            if getattr(self, key) is not None:
                check_value(key, getattr(self, key))
        pruning = [key for key in PRUNING if getattr(self.defaults, key) is not None]
        if self.global_density is not None and pruning:
            both = option_names(["global_density", pruning[0]], " and ")
            raise RecipeError("expected one way to prune by default, got ", *both)
        default = self.defaults.sharing or DEFAULTS["sharing"]
        for rule in self.rules:
            _require_sharing(rule, [rule.sharing or default], f"{rule}: ")
        _require_sharing(self.defaults, [default, *(rule.sharing for rule in self.rules)])

    @staticmethod
    def from_toml(path: str | Path) -> Recipe:
        """Read a recipe file.

        Raises:
            RecipeError: The file cannot be read, is not TOML, has an unknown key or a bad value; with file and line.
        """
        from onnxdc.recipe.file import read_recipe  # which builds on this module

        return read_recipe(path)

    def with_options(self, **options: Any) -> Recipe:
        """Return this recipe with other defaults, such as ``density=0.1`` of a command line.

        Args:
            options: The fields of ``Options`` and the keys of the whole model, such as ``seed``; None leaves one as it
                is, and one way to prune replaces another.

        Raises:
            RecipeError: A value is out of its range, or there is more than one way to prune.
            OptionError: An option means nothing with the way of sharing that goes with it.
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
        """Return the settings of each weight, by name.

        Args:
            weights: All weights of the model.
            skips: The constants that are no weights, to explain a pattern that matches only those.

        Raises:
            RecipeError: A rule matches no weight, or none that it says anything about.
        """
        for rule in self.rules:
            if not any(rule.matches(weight) and _is_heeded(rule, weight) for weight in weights):
                where = f"{rule.where}: " if rule.where else ""
                raise RecipeError(f"{where}{rule} matches no weight{_why_none(rule, weights, skips)}")
        rules = {weight.name: self._rule(weight) for weight in weights}
        shared = [weight for weight in weights if _is_changed(weight) and not rules[weight.name].skip]
        steps = steps_of(shared, self.defaults.step)
        return {weight.name: self._settings(weight, rules[weight.name], steps) for weight in weights}

    def gives_step(self, weight: Weight) -> bool:
        """Tell whether a rule says which step this weight has."""
        return self._rule(weight).step is not None

    def without_rules(self, weight: Weight) -> Settings:
        """Return the settings that a weight would have without any rule, but for its step."""
        return self._settings(weight, Options(), {})

    def without_step(self, weight: Weight) -> Settings:
        """Return the settings of a weight, but for a step that follows from the other weights."""
        return self._settings(weight, self._rule(weight), {})

    def _rule(self, weight: Weight) -> Options:
        """Return the rule that counts for a weight."""
        return next((rule for rule in self.rules if rule.matches(weight)), Options())

    def _settings(self, weight: Weight, rule: Options, steps: Mapping[str, float]) -> Settings:
        said = rule.over(self.defaults)
        if rule.step is None:
            said["step"] = steps.get(weight.name)
        is_asked = self.global_density is not None or any(key in said for key in PRUNING)
        prunes = is_asked and weight.role is Role.WEIGHT
        paper = _PAPER_BITS.get(weight.kind, _PAPER_BITS_OTHERS)
        bits = paper if prunes and said.get("sharing") == "kmeans" else 8
        return Settings(**({"bits": bits, "index_bits": paper} | said))


def _require_sharing(options: Options, ways: Collection[str | None], where: str = "") -> None:
    """Refuse options that mean nothing with any of the ways of sharing that go with them."""
    for name, way in OF_SHARING.items():
        if getattr(options, name) is not None and way not in ways:
            raise OptionError(where, OptionName(name), ": expected ", OptionName("sharing"), f" {way}, which it is for")


def _is_heeded(rule: Rule, weight: Weight) -> bool:
    """Tell whether a rule says something of a weight that counts for it."""
    of_coding = weight.role is Role.INTEGERS and any(getattr(rule, key) is not None for key in ("index_bits", "codes"))
    return _is_changed(weight) or of_coding or bool(rule.skip)


def _is_changed(weight: Weight) -> bool:
    """Tell whether any stage changes the values of a weight; else a rule can say how to code integers at most."""
    return weight.role not in FIXED


def _why_none(rule: Rule, weights: Sequence[Weight], skips: Sequence[Skip]) -> str:
    """Return the end of the message for a rule that matches nothing: what the user may have meant."""
    if rule.pattern is None or any(fnmatchcase(weight.name, rule.pattern) for weight in weights if _is_changed(weight)):
        return ""
    constants = (why_no_weight(weight) for weight in weights if not _is_changed(weight))
    for skip in (*skips, *constants):
        if fnmatchcase(skip.name, rule.pattern):
            return f": {skip.name} is skipped: {skip.reason}"
    names = [weight.name for weight in weights[:_COMPARED] if len(weight.name) <= MOST_CHARACTERS]
    nearest = difflib.get_close_matches(rule.pattern, names, n=1)
    return f", the nearest name is {nearest[0]!r}" if nearest else ""

"""The table of options: every key of a recipe, which is an option of the command line and a keyword of the verbs, too.

A new option is a row here, a field of ``Settings`` and ``Options`` in ``rule.py`` (or of ``Recipe``, if it is one of
the whole model), a line in ``keywords.py``, a row in docs/recipes.md, and the code that heeds it;
``tests/recipe/test_keys.py`` says which of them is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from onnxdc.errors import OptionName, RecipeError
from onnxdc.graph.slots import KINDS
from onnxdc.numeric.kmeans import INITS
from onnxdc.recipe.checks import SWITCH, TEXT, Check, integer, number, one_of, positive, told

Stage: TypeAlias = Literal["prune", "share", "quantize", "encode", "train", "every"]
Sharing: TypeAlias = Literal["grid", "kmeans"]
SHARINGS: Final[tuple[Sharing, ...]] = get_args(Sharing)
Activation: TypeAlias = Literal["float", "dynamic", "static"]
ACTIVATIONS: Final[tuple[Activation, ...]] = get_args(Activation)


@dataclass(frozen=True)
class Key:
    """One option.

    Attributes:
        name: Its name in recipes and in Python; on the command line with dashes.
        type: The type of its values.
        check: Which values are good.
        stage: The stage that heeds it; ``"every"`` stage does.
        also: A stage besides that heeds it.
        help: What it does, as a sentence.
        default: The value without it; None if there is none, or none that is the same for all weights.
        usual: What to say of the default, if the value does not say it.
        of_weight: Whether each weight has it; else it is one of the whole model.
        command_line: Whether the command line has it.
        choices: The texts that the command line takes; empty if it leaves that to the check.
    """

    name: str
    type: type
    check: Check
    stage: Stage
    help: str
    default: Any = None
    usual: str = ""
    of_weight: bool = True
    command_line: bool = True
    choices: tuple[str, ...] = ()
    also: Stage | None = None

    @property
    def default_text(self) -> str:
        """The default in words; empty if there is none."""
        shown = str(self.default).lower() if self.type is bool else str(self.default)
        return self.usual or ("" if self.default is None else shown)


MIN_ELEMENTS: Final = Key(
    *("min_elements", int, integer(0), "every", "Leave tensors with fewer elements as they are."),
    default=256,
    of_weight=False,
)

KEYS: Final = (
    Key("density", float, number(1), "prune", "Keep this share of each weight, the largest by magnitude."),
    Key("quality", float, number(), "prune", "Prune below this factor times the standard deviation of the weight."),
    Key("threshold", float, number(), "prune", "Prune below this magnitude."),
    Key(
        *("global_density", float, number(1), "prune"),
        "Keep this share of all weights, ranked together; those with a number of their own are left out.",
        of_weight=False,
    ),
    Key(
        *("sharing", str, one_of(*SHARINGS), "share"),
        "Round values to multiples of a step (grid), or to few values found by k-means (kmeans; paper, section 3).",
        default="grid",
        choices=SHARINGS,
    ),
    Key(
        *("step", float, positive(100), "share"),
        "The step of a grid in standard deviations: of the weight in a rule, else of a weight of middle size.",
        usual="0.105 for a million weights, by the fifth root of their number, up to 0.2",
    ),
    Key(
        *("bits", int, integer(1, 8), "share", "Give each weight at most 2^bits shared values, 1 to 8."),
        usual="8; with k-means 5 for a pruned weight that is no convolution's",
    ),
    Key(
        *("init", str, one_of(*INITS), "share", "How k-means starts: linear, density or random (paper, section 3.2)."),
        default="linear",
        choices=INITS,
    ),
    Key(
        *("groups", int, integer(1), "share"),
        "Have k-means give each weight so many codebooks, each for an equal part of its output channels.",
        default=1,
    ),
    Key(
        *("seed", int, integer(0), "share", "The seed of the random initialisation of k-means."),
        default=0,
        of_weight=False,
    ),
    Key(
        *("biases", str, one_of("float16", "int8", "keep"), "share"),
        "Round biases, and scales and shifts of normalizations, to float16 (they stay float32), or to a byte "
        "an element, as whole multiples of a step, where they bear it, or keep them.",
        default="float16",
        of_weight=False,
        choices=("float16", "int8", "keep"),
    ),
    Key(
        *("activation", str, one_of(*ACTIVATIONS), "quantize"),
        "Have a layer's inputs as floats (float), as integers by the range of each run (dynamic), or by that of the "
        "data (static; quantize only).",
        usual="float; of quantize static in models with convolutions, else dynamic",
        choices=ACTIVATIONS,
        also="encode",
    ),
    Key(
        *("index_bits", int, integer(1, 8), "encode", "The bits of a gap before Huffman coding, 1 to 8."),
        usual="8 for convolutions, 5 for other weights",
    ),
    Key(
        *("execution", str, one_of("auto", "sparse", "dense"), "encode"),
        "Run on the compressed weights (sparse), on decoded ones (dense), or on what should be faster (auto).",
        default="auto",
        choices=("auto", "sparse", "dense"),
    ),
    Key(
        *("codes", str, one_of("huffman", "bytes"), "encode"),
        "Huffman-code the codes and gaps, or store a byte each: larger, but it opens faster and packs as well.",
        default="huffman",
        choices=("huffman", "bytes"),
    ),
    Key(
        *("fuse", bool, SWITCH, "encode"),
        "Fuse activations, biases and residuals into the sparse operators before them.",
        default=True,
        of_weight=False,
    ),
    Key(
        *("strip", bool, SWITCH, "encode"),
        "Drop the texts and defaults that exporters write, and shorten names; decode does not give them back.",
        default=False,
        of_weight=False,
    ),
    MIN_ELEMENTS,
    Key("skip", bool, SWITCH, "every", "Leave the weight alone in every stage.", default=False, command_line=False),
)

CONDITIONS: Final[dict[str, Check]] = {"pattern": TEXT, "op": TEXT, "kind": one_of(*KINDS)}
"""What a rule chooses weights by, and which values are good."""

OF_SHARING: Final[dict[str, Sharing]] = {"step": "grid", "init": "kmeans", "groups": "kmeans"}
"""The keys that mean something with one way of sharing only."""

PRUNING: Final = ("density", "threshold", "quality")
"""The keys that prune a weight by itself, of which a weight has one at most."""

RECIPE_KEYS: Final = tuple(key.name for key in KEYS if not key.of_weight)
"""What a recipe says of the whole model."""

DEFAULTS: Final = {key.name: key.default for key in KEYS}

_CHECKS: Final[dict[str, Check]] = {key.name: key.check for key in KEYS} | CONDITIONS


def keys_of(*stages: Stage) -> Sequence[Key]:
    """Return the keys that some stages heed, in the order of the table."""
    return [key for key in KEYS if key.stage in (*stages, "every") or key.also in stages]


def check_value(key: str, value: Any) -> None:
    """Refuse a value that the key cannot have.

    Raises:
        RecipeError: The value is not good; the error says of the key what was expected, and what was given.
    """
    accepts, words = _CHECKS[key]
    if not accepts(value):
        raise RecipeError(OptionName(key), f": expected {words}, got {told(value)}")

"""The table of the options of a training: a field for each, with its default, its check and its help. No torch here.

A new option is a field of ``TrainingOptions``, a line in ``keywords.py``, a row in docs/finetune.md, and the code that
heeds it; ``tests/training/test_options.py`` says which of them is missing. The command line has it at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

from onnxdc.errors import OptionError, OptionName
from onnxdc.recipe.checks import SWITCH, Check, integer, number, one_of, positive
from onnxdc.recipe.keys import Key
from onnxdc.training.together import check_together

Loss: TypeAlias = Literal["cross_entropy", "bce", "mse", "l1"]
Optimizer: TypeAlias = Literal["adam", "adamw", "sgd"]
LrSchedule: TypeAlias = Literal["cosine", "constant"]
Schedule: TypeAlias = Literal["gradual", "iterative", "one_shot"]
RegrowBy: TypeAlias = Literal["weights", "gradients"]
SparseStart: TypeAlias = Literal["drawn", "kept"]
Precision: TypeAlias = Literal["float32", "bf16"]

_CLASS_AXIS: Final[Check] = ((lambda value: type(value) is int and value in (1, -1)), "1 or -1")
_DEVICE: Final[Check] = ((lambda value: isinstance(value, str) and bool(value)), 'the name of a device, such as "cuda"')
_SIZE: Final[Check] = ((lambda value: isinstance(value, str | int)), 'a size, such as "400KB" or "12x"')

_INT32, _INT64 = 2**31 - 1, 2**63 - 1  # what torch can count


def _row(check: Check, help_text: str, usual: str = "") -> dict[str, Any]:
    """Return what the table has of an option; ``usual`` says in words what a default of None means."""
    return {"check": check, "help": help_text, "usual": usual}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of a training; the help of each stands next to it.

    Raises:
        OptionError: A value is out of its range.
    """

    loss: Loss = field(
        default="cross_entropy", metadata=_row(one_of(*get_args(Loss)), "The loss that training makes small.")
    )
    class_axis: int = field(
        default=1,
        metadata=_row(_CLASS_AXIS, "The axis of the output along which its classes lie: 1, or -1 for the last one."),
    )
    epochs: int = field(default=10, metadata=_row(integer(1), "The number of passes over the training data."))
    batch: int = field(default=64, metadata=_row(integer(1, _INT32), "The number of items in a step."))
    optimizer: Optimizer = field(
        default="adam",
        metadata=_row(one_of(*get_args(Optimizer)), "The optimizer; sgd has Nesterov's momentum of 0.9."),
    )
    lr: float = field(
        default=1e-3,
        metadata=_row(
            positive(1e30), "The learning rate at its highest; with grids that of a weight of root mean square 0.1."
        ),
    )
    lr_schedule: LrSchedule = field(
        default="cosine",
        metadata=_row(
            one_of(*get_args(LrSchedule)), "Whether the learning rate falls to 0 along half a cosine or stays constant."
        ),
    )
    warmup: float | None = field(
        default=None,
        metadata=_row(
            number(1),
            "The share of all steps, at the start, in which the learning rate rises from 0.",
            "0, with grids 0.05",
        ),
    )
    weight_decay: float = field(
        default=0.0, metadata=_row(number(1), "The decay of weights; biases and scales do not decay.")
    )
    clip: float | None = field(
        default=None,
        metadata=_row(
            positive(1e30), "The largest norm of all gradients together; longer ones are shortened to it.", "no limit"
        ),
    )
    schedule: Schedule = field(
        default="gradual",
        metadata=_row(
            one_of(*get_args(Schedule)),
            "How the density is reached: along a cubic polynomial, in rounds, or before the first step.",
        ),
    )
    rounds: int | None = field(
        default=None,
        metadata=_row(
            integer(1),
            "The number of rounds of the iterative schedule, or of rates to try for a drop.",
            "3, for a drop 6 or one an epoch",
        ),
    )
    ramp: float = field(
        default=0.5,
        metadata=_row(number(1), "The share of all steps in which the gradual schedule reaches the density."),
    )
    settle: float | None = field(
        default=None,
        metadata=_row(
            number(1),
            "The share of all steps, at the end, in which masks, or the integers of grids, stay as they are.",
            "0.25, with grids 0.12",
        ),
    )
    mask_interval: int | None = field(
        default=None,
        metadata=_row(
            integer(1),
            "The number of steps from one choice of the masks to the next.",
            "16, by gradients 100, fewer in a short training",
        ),
    )
    regrow: bool = field(
        default=False,
        metadata=_row(
            SWITCH, "Train pruned elements on under the masks, and let them come back when they outgrow kept ones."
        ),
    )
    regrow_by: RegrowBy = field(
        default="weights",
        metadata=_row(
            one_of(*get_args(RegrowBy)),
            "By what pruned elements come back: their trained values, or their gradients at the moment, from zero.",
        ),
    )
    sparse_from_start: SparseStart | None = field(
        default=None,
        metadata=_row(
            one_of(*get_args(SparseStart)),
            "Train at the density from the first step on, by random masks, with weights that are drawn anew or kept.",
            "no",
        ),
    )
    grid: bool = field(
        default=False,
        metadata=_row(SWITCH, "Train each weight on a grid of its own, step included, for the bytes of the file."),
    )
    rate: float | None = field(
        default=None,
        metadata=_row(number(1), "What a bit of the file costs with grids, in units of the loss.", "by target size"),
    )
    target_size: str | int | None = field(
        default=None,
        metadata=_row(
            _SIZE, "Reach this size with grids, as encoded: 400KB, or 12x for a twelfth of IN.", "none, but a rate"
        ),
    )
    max_drop: float | None = field(
        default=None,
        metadata=_row(
            positive(100),
            "Make the smallest file with grids whose accuracy on the validation data drops by at most so many points.",
            "none, but a rate",
        ),
    )
    int8: bool = field(
        default=False,
        metadata=_row(
            SWITCH, "Keep integers of grids so small that quantize takes them as they are, one step a weight."
        ),
    )
    step_init: float = field(
        default=0.4,
        metadata=_row(positive(100), "The first step of a grid, in standard deviations of the weight."),
    )
    step_lr: float | None = field(
        default=None,
        metadata=_row(
            positive(1e30),
            "The learning rate of the logarithms of steps at its highest.",
            "10 over the number of all steps, from 0.001 to 0.01",
        ),
    )
    rate_ramp: float = field(
        default=0.5,
        metadata=_row(number(1), "The share of all steps in which the rate rises, or the size falls to the target."),
    )
    precision: Precision = field(
        default="float32",
        metadata=_row(
            one_of(*get_args(Precision)), "What the network computes in; weights and losses stay float32 with bf16."
        ),
    )
    temperature: float = field(
        default=4.0,
        metadata=_row(positive(1e6), "The temperature of the softmaxes by which a teacher's classes are learnt."),
    )
    distill_weight: float = field(
        default=0.9, metadata=_row(number(1), "The teacher's part in the loss where there are labels as well, 0 to 1.")
    )
    dropout: float = field(
        default=0.0,
        metadata=_row(
            number(0.99),
            "The share of the inputs of fully connected layers but the first that is dropped, less in sparse layers.",
        ),
    )
    shift: int = field(
        default=0,
        metadata=_row(integer(0, _INT32), "The largest random shift of training images along both axes, in pixels."),
    )
    flip: bool = field(
        default=False, metadata=_row(SWITCH, "Mirror half of the training images, left to right, at random.")
    )
    val_share: float = field(
        default=0.0,
        metadata=_row(number(0.9), "The share of the training data that is held out to measure each epoch on."),
    )
    patience: int | None = field(
        default=None,
        metadata=_row(
            integer(1),
            "The number of epochs without improvement on the validation data that ends training.",
            "no limit",
        ),
    )
    seed: int = field(default=0, metadata=_row(integer(0, _INT64), "The seed of everything random."))
    threads: int | None = field(
        default=None,
        metadata=_row(integer(1, 4096), "The number of threads that PyTorch computes on.", "as many as PyTorch takes"),
    )
    device: str = field(
        default="cpu",
        metadata=_row(_DEVICE, "Where PyTorch computes: cpu, or a device that it finds, such as cuda or cuda:1."),
    )
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)  # the names of those asked for

    def __post_init__(self) -> None:
        for key in TRAINING_KEYS:
            value = getattr(self, key.name)
            accepts, words = key.check
            if not accepts(value) and not (value is None and key.default is None):
                raise OptionError(OptionName(key.name), f": expected {words}, got {value!r}")

        if not self.given:  # made without ``of``
            others = (
                option.name for option in dataclasses.fields(self) if getattr(self, option.name) != option.default
            )
            object.__setattr__(self, "given", frozenset(others))
        check_together(vars(self), self.given)

    def is_given(self, name: str) -> bool:
        """Tell whether an option was asked for, be it with its default; a switch that is off asks for nothing."""
        return name in self.given

    @property
    def regrows_by_gradients(self) -> bool:
        """Whether pruned elements come back by their gradients."""
        return self.regrow_by == "gradients" or self.sparse_from_start is not None

    @property
    def round_count(self) -> int:
        """The number of rounds of the iterative schedule, or of a search for the smallest file."""
        if self.rounds is not None:
            return self.rounds
        return _ROUNDS if self.max_drop is None else min(_ROUNDS_OF_DROP, self.epochs)

    @property
    def settled_share(self) -> float:
        """The share of all steps, at the end, in which masks and integers stay as they are."""
        if self.settle is not None:
            return self.settle
        return _SETTLE_GRIDS if self.grid else _SETTLE

    @property
    def warmup_share(self) -> float:
        """The share of all steps, at the start, in which the learning rate rises."""
        if self.warmup is not None:
            return self.warmup
        return _WARMUP_GRIDS if self.grid else 0.0

    @staticmethod
    def of(**options: Any) -> TrainingOptions:
        """Make options of those that are given; those that are None, and all others, have their defaults.

        Raises:
            OptionError: A value is out of its range, or there is no such option.
        """
        known = [key.name for key in TRAINING_KEYS]
        unknown = sorted(options.keys() - set(known))
        if unknown:
            raise OptionError(f"no option {unknown[0]}, expected one of {', '.join(known)}")
        values = {name: value for name, value in options.items() if value is not None}
        return TrainingOptions(**values, given=frozenset(name for name in values if values[name] is not False))


def _key(option: dataclasses.Field[Any], hint: Any) -> Key:
    """Return the row of a field."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    literal = next((kind for kind in (hint, *kinds) if get_origin(kind) is Literal), None)
    choices = get_args(literal) if literal is not None else ()
    return Key(
        option.name,
        str if choices else kinds[0] if kinds else hint,
        option.metadata["check"],
        "train",
        option.metadata["help"],
        default=option.default,
        usual=option.metadata["usual"],
        of_weight=False,
        choices=choices,
    )


_SETTLE, _SETTLE_GRIDS = 0.25, 0.12
_WARMUP_GRIDS: Final = 0.05  # rounding costs most before weights and steps have answered to it
_ROUNDS, _ROUNDS_OF_DROP = 3, 6

_HINTS: Final = get_type_hints(TrainingOptions)

TRAINING_KEYS: Final = tuple(
    _key(option, _HINTS[option.name]) for option in dataclasses.fields(TrainingOptions) if option.metadata
)
"""The options as rows like those of a recipe's keys, in their order."""

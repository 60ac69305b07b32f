"""What is to be trained how: the options of a training, checked. Nothing here needs torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from onnxdc.errors import OptionError, OptionName
from onnxdc.recipe.keys import SWITCH, Check, integer, number, one_of, positive

LOSSES: Final = ("cross_entropy", "bce", "mse", "l1")
OPTIMIZERS: Final = ("adam", "adamw", "sgd")
LR_SCHEDULES: Final = ("cosine", "constant")
SCHEDULES: Final = ("gradual", "iterative", "one_shot")

_INT32, _INT64 = 2**31 - 1, 2**63 - 1  # what torch can count
_CHECKS: Final[dict[str, Check]] = {
    "loss": one_of(*LOSSES),
    "epochs": integer(1),
    "batch": integer(1, _INT32),
    "optimizer": one_of(*OPTIMIZERS),
    "lr": positive(1e30),
    "lr_schedule": one_of(*LR_SCHEDULES),
    "warmup": number(1),
    "weight_decay": number(1),
    "schedule": one_of(*SCHEDULES),
    "rounds": integer(1),
    "ramp": number(1),
    "settle": number(1),
    "mask_interval": integer(1),
    "regrow": SWITCH,
    "temperature": positive(1e6),
    "distill_weight": number(1),
    "dropout": number(0.99),
    "shift": integer(0, _INT32),
    "val_share": number(0.9),
    "patience": integer(1),
    "seed": integer(0, _INT64),
    "threads": integer(1, 4096),
}
_MAY_BE_OPEN: Final = frozenset({"patience", "threads"})


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of a training.

    Attributes:
        loss: ``"cross_entropy"`` of classes, ``"bce"`` (binary cross entropy of each output), ``"mse"`` or ``"l1"``.
        epochs: passes over the training data.
        batch: items a step.
        optimizer: ``"adam"``, ``"adamw"``, or ``"sgd"`` with Nesterov's momentum of 0.9.
        lr: learning rate, at its highest.
        lr_schedule: ``"cosine"`` falls to 0 at the end, ``"constant"`` stays.
        warmup: the share of all steps, at the start, in which the learning rate rises from 0.
        weight_decay: of weights; biases and scales do not decay.
        schedule: how a density that is asked for is reached: ``"one_shot"`` before the first step, ``"iterative"`` in
            ``rounds`` steps with training after each, ``"gradual"`` along a cubic polynomial; see ``schedule.py``.
        rounds: of the iterative schedule.
        ramp: the share of all steps in which the gradual schedule reaches its end.
        settle: the share of all steps, at the end, in which the masks are fixed.
        mask_interval: steps from one choice of the masks to the next.
        regrow: whether pruned weights go on being trained behind the mask, and come back when they outgrow others.
        temperature: of distillation.
        distill_weight: of the teacher's part in the loss, where there are labels too.
        dropout: rate on the inputs of fully connected layers, other than the first layer, before it is adjusted to
            their density; see ``dropout.py``.
        shift: largest random shift of the training images, in pixels, along both axes.
        val_share: the share of the training data that is held out for validation, if no other data are given for it.
        patience: epochs without improvement on the validation data after which training ends; None never ends early.
        seed: of everything random.
        threads: of torch; None for as many as torch takes.

    Raises:
        OptionError: a value out of its range.
    """

    loss: str = "cross_entropy"
    epochs: int = 10
    batch: int = 64
    optimizer: str = "adam"
    lr: float = 1e-3
    lr_schedule: str = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "gradual"
    rounds: int = 3
    ramp: float = 0.5
    settle: float = 0.25
    mask_interval: int = 16
    regrow: bool = False
    temperature: float = 4.0
    distill_weight: float = 0.9
    dropout: float = 0.0
    shift: int = 0
    val_share: float = 0.0
    patience: int | None = None
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is None and name in _MAY_BE_OPEN:
                continue
            accepts, words = _CHECKS[name]
            if not accepts(value):
                raise OptionError(OptionName(name), f": expected {words}, got {value!r}")

    @staticmethod
    def of(**options: Any) -> TrainingOptions:
        """The options that are given; those that are None, and all others, have their defaults.

        Raises:
            OptionError: a value out of its range, or an option that does not exist.
        """
        unknown = sorted(options.keys() - _CHECKS.keys())
        if unknown:
            raise OptionError(f"no option {unknown[0]}, expected one of {', '.join(_CHECKS)}")
        return TrainingOptions(**{name: value for name, value in options.items() if value is not None})

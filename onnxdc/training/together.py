"""Which options of a training go together: one that would do nothing is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onnxdc.domain.target_size import target_bytes
from onnxdc.errors import OptionError, OptionName

_OF_GRID: Final = ("rate", "target_size", "step_init", "step_lr", "rate_ramp")
# An option, and another one with the values of it at which alone the first does something.
_OF_OTHERS: Final = (
    ("rounds", "schedule", ("iterative",)),
    ("ramp", "schedule", ("gradual",)),
    ("class_axis", "loss", ("cross_entropy",)),
    ("temperature", "loss", ("cross_entropy",)),
)


def check_together(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse options that do not go together, whatever the model and the data are.

    Args:
        options: The values of the options of a training, by name.
        defaults: Those that they have by default; what has another one was asked for.

    Raises:
        OptionError: An option needs another one, or the price of bits on grids is missing, or said twice.
    """
    for name, other, values in _OF_OTHERS:
        if options[name] != defaults[name] and options[other] not in values:
            raise OptionError(OptionName(name), " needs ", OptionName(other), f" {' or '.join(values)}")
    for name in _OF_GRID:
        if not options["grid"] and options[name] != defaults[name]:
            raise OptionError(OptionName(name), " needs ", OptionName("grid"))
    if options["grid"] and (options["rate"] is None) == (options["target_size"] is None):
        what = "neither" if options["rate"] is None else "both"
        raise OptionError(
            *(OptionName("grid"), ": expected ", OptionName("rate"), " or ", OptionName("target_size")), f", got {what}"
        )
    if options["target_size"] is not None:
        target_bytes(options["target_size"], 0)  # refuses what is no size before data are read

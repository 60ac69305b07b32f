"""Which options of a training go together: one that would do nothing is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from onnxdc.domain.target_size import target_bytes
from onnxdc.errors import OptionError, OptionName

_NOT_SPARSE: Final = ("schedule", "ramp", "regrow", "grid")  # which a training that is sparse from the start has not
_PRICES: Final = ("rate", "target_size", "max_drop")  # one of them says what bits cost on grids
_OF_GRID: Final = (*_PRICES, "int8", "step_init", "step_lr", "rate_ramp")
# An option, and another one with the values of it at which alone the first does something.
_OF_OTHERS: Final = (
    ("ramp", "schedule", ("gradual",)),
    ("class_axis", "loss", ("cross_entropy",)),
    ("temperature", "loss", ("cross_entropy",)),
    ("max_drop", "loss", ("cross_entropy", "bce")),
)
_OF_NONZERO: Final = (("temperature", "distill_weight"), ("rate_ramp", "rate"))  # the same, where the second is not 0


def check_together(options: Mapping[str, Any], given: Collection[str]) -> None:
    """Refuse options that do not go together, whatever the model and the data are.

    Args:
        options: The values of the options of a training, by name.
        given: The names of those that were asked for.

    Raises:
        OptionError: An option needs another one, or the price of bits on grids is missing, or said twice.
    """
    for name, other, values in _OF_OTHERS:
        if name in given and options[other] not in values:
            raise OptionError(OptionName(name), " needs ", OptionName(other), f" {' or '.join(values)}")
    for name, other in _OF_NONZERO:
        if name in given and options[other] == 0:
            raise OptionError(OptionName(name), " needs ", OptionName(other), " above 0")
    for name in _OF_GRID:
        if not options["grid"] and name in given:
            raise OptionError(OptionName(name), " needs ", OptionName("grid"))
    if options["rounds"] is not None and options["schedule"] != "iterative" and options["max_drop"] is None:
        raise OptionError(OptionName("rounds"), " needs ", OptionName("schedule"), " iterative")
    if "regrow_by" in given and not options["regrow"]:
        raise OptionError(OptionName("regrow_by"), " needs ", OptionName("regrow"))
    moves = options["regrow"] or options["sparse_from_start"] is not None or options["schedule"] == "gradual"
    if "mask_interval" in given and not moves:
        schedule = (OptionName("schedule"), " gradual")
        raise OptionError(OptionName("mask_interval"), " needs ", OptionName("regrow"), " or ", *schedule)
    for name in _NOT_SPARSE if options["sparse_from_start"] is not None else ():
        if name in given:
            raise OptionError(OptionName(name), ": expected none with ", OptionName("sparse_from_start"), ", got one")
    prices = [name for name in _PRICES if options[name] is not None]
    if options["grid"] and len(prices) != 1:
        rate, size, drop = map(OptionName, _PRICES)
        got = ("neither",) if not prices else (OptionName(prices[0]), " and ", OptionName(prices[1]))
        raise OptionError(OptionName("grid"), ": expected ", rate, ", ", size, " or ", drop, ", got ", *got)
    if options["max_drop"] is not None:
        _check_drop(options)
    if options["target_size"] is not None:
        target_bytes(options["target_size"], 0)  # refuses what is no size before data are read


def _check_drop(options: Mapping[str, Any]) -> None:
    """Refuse what does not go with a search for the smallest file."""
    if options["patience"] is not None:
        raise OptionError(OptionName("patience"), ": expected none with ", OptionName("max_drop"), ", got one")
    if options["rounds"] is not None and options["rounds"] > options["epochs"]:
        raise OptionError(
            *(OptionName("rounds"), ": expected at most one for each of "),
            f"{options['epochs']} epochs, got {options['rounds']}",
        )

"""The options with which data are given and budgets are set; functions of the user's own are named there, too."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from onnxdc.cli.options import PATH, several
from onnxdc.evaluate.metrics import METRICS

_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)


def _data(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """Return the path of a file of arrays, or what a function of the user's own returns."""
    if text is None:
        return None
    if Path(text).exists() or not _FUNCTION.fullmatch(text):
        return PATH.convert(text, parameter, context)
    return _function(text)()


def _metric(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
    """Return the name of a metric, or a function of the user's own."""
    if text is None or text in METRICS:
        return text
    if not _FUNCTION.fullmatch(text):
        raise click.BadParameter(f"expected {', '.join(METRICS)} or module:function, got {text!r}")
    return _function(text)


def _function(text: str) -> Callable[..., Any]:
    """Import a function from a module in the current folder or on Python's path."""
    module, name = text.split(":")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        function = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise click.BadParameter(f"{text}: no module {error.name}") from error
    finally:
        sys.path.remove(folder)
    if not callable(function):
        raise click.BadParameter(f"{text}: expected a function {name} in {module}, got none")
    return function  # type: ignore[no-any-return]


DATA: Final = click.option(
    "--data",
    metavar="X.NPZ",
    callback=_data,
    help="Calibrate on these inputs, without labels: an array for each input of IN; or module:function, which returns "
    "arrays or feeds.",
)
VAL: Final = click.option(
    "--val",
    metavar="X.NPZ",
    callback=_data,
    help="Judge by these inputs, and the labels that lie beside them as `labels`; or module:function.",
)
METRIC: Final = click.option(
    "--metric",
    metavar="NAME",
    callback=_metric,
    help="What may drop: top1 (points), cosine (to the outputs of IN), spearman, f, or module:function, which is "
    "given the outputs and the labels and returns a number.  [default: top1 with labels, else f]",
)
MEMORY: Final = click.option(
    "--memory", metavar="SIZE", help="Calibrate in so much memory, such as 4GB.  [default: a quarter of the machine's]"
)
MASK_INPUT: Final = click.option(
    "--mask-input",
    metavar="NAME",
    help="The input that is zero where others are padded.  [default: attention_mask, if there is one]",
)

TARGET_SIZE: Final = click.option(
    "--target-size", metavar="SIZE", help="Make the best model of this size: 600KB, or 8x for an eighth of IN."
)
MAX_DROP: Final = click.option(
    "--max-drop",
    type=click.FloatRange(min=0, min_open=True),
    metavar="D",
    help="Make the smallest model whose metric drops by at most D on --val.",
)
STRICT: Final = click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 where the outputs diverge by more than is usual, see docs/accuracy.md.",
)

options: Final = several((DATA, TARGET_SIZE, MAX_DROP, VAL, METRIC, MEMORY, MASK_INPUT, STRICT))
"""Give a command the options of data and budgets."""

quantize_options: Final = several((DATA, MAX_DROP, VAL, METRIC, MEMORY, MASK_INPUT, STRICT))
"""The same without the size of the file, which does not depend on how coarse int8 weights are."""

"""The options that several commands have. Their names and values are those of the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from onnxdc.recipe import Recipe

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Decorator = Callable[[_Command], _Command]

INPUT: Final = click.argument("model", metavar="IN", type=click.Path(path_type=Path))
OUTPUT: Final = click.option(
    "-o", "--output", required=True, metavar="OUT", type=click.Path(path_type=Path), help="The file to write."
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
QUIET: Final = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")


def _read_recipe(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Recipe | None:
    return None if path is None else Recipe.from_toml(path)


RECIPE: Final = click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=_read_recipe,
    help="A TOML file that says what to do to which weight; the other options change its defaults.",
)

PRUNE: Final = (
    click.option("--density", type=float, help="Keep this share of each weight, the largest by magnitude."),
    click.option("--quality", type=float, help="Prune below this factor times the weight's standard deviation."),
    click.option("--threshold", type=float, help="Prune below this magnitude."),
    click.option("--global-density", type=float, help="Keep this share of all weights, ranked together."),
)
_SHARE: Final = (
    click.option("--bits", type=int, help="Share at most 2^BITS values a weight, 1 to 8."),
    click.option("--init", help="How k-means starts: linear, density or random."),
    click.option("--groups", type=int, help="Codebooks a weight, each for a part of the output channels."),
    click.option("--seed", type=int, help="Of random initialisation."),
)
_ENCODE: Final = (
    click.option("--index-bits", type=int, help="Bits of a gap before Huffman coding, 1 to 8."),
    click.option("--execution", help="Run the weights sparse, dense, or as promises to be faster: auto."),
    click.option(
        "--fuse/--no-fuse", default=None, help="Fuse what stands behind a sparse operator into it.  [default: fuse]"
    ),
)
MIN_ELEMENTS: Final = click.option("--min-elements", type=int, help="Leave smaller tensors alone.  [default: 256]")


def stage(*, prune: bool = False, share: bool = False, encode: bool = False) -> _Decorator[Any]:
    """The arguments of a command that writes a model, with the options of the stages that it has."""
    options = [INPUT, OUTPUT, *(PRUNE if prune else ()), *(_SHARE if share else ()), *(_ENCODE if encode else ())]
    options += [MIN_ELEMENTS, RECIPE] if prune or share or encode else []

    def decorate(command: _Command) -> _Command:
        for option in reversed([*options, JSON, QUIET]):
            command = option(command)
        return command

    return decorate

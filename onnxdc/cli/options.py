"""The options that several commands have. Those of the stages come from the table of keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from onnxdc import model_io
from onnxdc.model_io.feeds import load_arrays
from onnxdc.recipe import Recipe
from onnxdc.recipe.keys import Key, Stage, keys_of

_RECIPE_FILE: Final = "onnxdc.recipe"  # of what a command's context keeps: the path

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Decorator = Callable[[_Command], _Command]


class _Path(click.Path):
    """Paths, of files that may be missing: that is no wrong usage, and what reads them says it.

    An empty text, as of a variable that is not set, would stand for the current folder.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not os.fspath(value):
            self.fail("expected a path, got an empty text", param, ctx)
        return super().convert(value, param, ctx)


PATH: Final = _Path(path_type=Path)


def output_option(metavar: str, help_text: str, name: str = "output") -> _Decorator[Any]:
    """Return the option that says where to write; only a dry run does without."""

    def required(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is None and not context.params.get("dry_run") and not context.resilient_parsing:
            raise click.MissingParameter(ctx=context, param=parameter)
        return path

    return click.option(
        *("-o", "--output", name),
        metavar=metavar,
        type=PATH,
        callback=required,
        help=f"{help_text}  [required]",
    )


INPUT: Final = click.argument("model", metavar="IN", type=PATH)
DRY_RUN: Final = click.option(
    *("-n", "--dry-run"),
    is_flag=True,
    is_eager=True,  # whether an output is needed depends on it
    help="Do and tell everything, but write nothing; then no output is needed.",
)
OUTPUT: Final = output_option("OUT", "The file to write.")
PAGE: Final = output_option("HTML", "The page to write.")
FOLDER: Final = output_option("FOLDER", "The folder to write.")
INPUTS: Final = click.option("--inputs", metavar="X.NPZ", type=PATH, help="An array for each input; made up without.")
LABELS: Final = click.option("--labels", metavar="NAME", help="The array in X.NPZ with the right class of each item.")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
QUIET: Final = click.option("-q", "--quiet", is_flag=True, help="Print errors and warnings only.")
VERBOSE: Final = click.option(
    "-v", "--verbose", is_flag=True, help="Name everything that was folded or left as it is, instead of counting it."
)
CHECK: Final = click.option(
    "--check/--no-check", default=True, show_default=True, help="Run the result against the model before it is written."
)
FOLD: Final = click.option(
    "--fold/--no-fold",
    default=True,
    show_default=True,
    help="Fold what is constant, and store equal weights once, first.",
)
CUSTOM_OPS: Final = click.option(
    "--custom-ops",
    metavar="LIBRARY",
    type=PATH,
    multiple=True,
    help="A library of your own operators that the models need; may be given several times.",
)
WORKERS: Final = click.option(
    "--workers",
    metavar="ADDRESS",
    help="Do the work on weights on the workers of this scheduler of dask.distributed, such as tcp://HOST:8786, in a "
    "network that is trusted; see docs/workers.md.",
)
LIMIT: Final = click.option(
    "--limit",
    metavar="SIZE",
    help="Let the weights of a model take so much memory, such as 4GB.  [default: 256 MB, and 1,000 bytes for each "
    "byte of the file]",
)


def check_output(output: Path | None, *sources: object) -> None:
    """Refuse a path that cannot be written to, or is one of the files that the result is made from, recipe included.

    Raises:
        ModelError: It is.
    """
    sources = (*sources, click.get_current_context().meta.get(_RECIPE_FILE))
    if output is not None:
        model_io.check_output(output, [path for path in sources if isinstance(path, Path)])


def given_arrays(inputs: Path | None, labels: str | None) -> dict[str, Any]:
    """Return the arguments ``inputs`` and ``labels`` of a verb for the options of these names."""
    if labels is not None and inputs is None:
        raise click.UsageError("--labels needs --inputs")
    arrays = None if inputs is None else load_arrays(inputs, labels)
    return {"inputs": arrays, "labels": None if arrays is None or labels is None else arrays[labels]}


def _read_recipe(context: click.Context, _parameter: click.Parameter, path: Path | None) -> Recipe | None:
    context.meta[_RECIPE_FILE] = path
    return None if path is None else Recipe.from_toml(path)


RECIPE: Final = click.option(
    "--recipe",
    metavar="FILE",
    type=PATH,
    callback=_read_recipe,
    help="A TOML file that says what to do to which weight; the other options change its defaults.",
)


class _Checked(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """Values of a key of the table that are good; others are wrong usage.

    Args:
        key: The key.
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self._type = click.types.convert_type(key.type)
        self.name = self._type.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, of the type of the key."""
        converted = self._type.convert(value, param, ctx)
        accepts, words = self._key.check
        if not accepts(converted):
            self.fail(f"expected {words}, got {value}", param, ctx)
        return converted


def key_option(key: Key) -> _Decorator[Any]:
    """Return the option of a key of the table, with its default in the help."""
    name = f"--{key.name.replace('_', '-')}"
    help_text = f"{key.help}  [default: {key.default_text}]" if key.default_text else key.help
    if key.type is bool:
        return click.option(f"{name}/--no-{key.name.replace('_', '-')}", default=None, help=help_text)
    return click.option(name, type=click.Choice(key.choices) if key.choices else _Checked(key), help=help_text)


def key_options(*stages: Stage) -> list[_Decorator[Any]]:
    """Return the options of the keys that some stages heed."""
    return [key_option(key) for key in keys_of(*stages) if key.command_line]


def several(options: Iterable[_Decorator[Any]]) -> _Decorator[Any]:
    """Return a decorator that gives a command several options, in this order."""

    def decorate(command: _Command) -> _Command:
        for option in reversed([*options]):
            command = option(command)
        return command

    return decorate


def writes_model(*stages: Stage) -> _Decorator[Any]:
    """Return a decorator that gives a command the arguments it takes to read a model, work on it and write another.

    Args:
        stages: What it does; a command without stages takes no recipe.
    """
    keys = (*key_options(*stages), RECIPE) if stages else ()
    return several([INPUT, OUTPUT, *keys, DRY_RUN, JSON, QUIET, VERBOSE])

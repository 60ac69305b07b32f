"""The command that shows what a model loses at which size."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from onnxdc import api
from onnxdc.api.tuning import MOST_POINTS, POINTS
from onnxdc.cli import budget, options
from onnxdc.cli.output import print_dry_run, progress, show

_OUTPUT = options.output_option("FOLDER", "The folder to write.", "folder")
_POINTS = click.option(
    "--points", type=click.IntRange(2, MOST_POINTS), default=POINTS, show_default=True, help="How many models to make."
)
_MEASURING = (budget.DATA, budget.VAL, budget.METRIC, _POINTS, budget.MEMORY, budget.MASK_INPUT)
_MODELS = (options.FOLD, options.CUSTOM_OPS, *options.key_options("prune", "share", "encode"), options.RECIPE)


@click.command("tune")
@options.several([options.INPUT, _OUTPUT, *_MEASURING, *_MODELS, options.DRY_RUN, options.JSON, options.QUIET])
def tune(*, model: Path, folder: Path | None, dry_run: bool, as_json: bool, quiet: bool, **arguments: Any) -> None:
    """Show what the model IN loses at which size, and write a recipe for each into FOLDER.

    compress with one of them, and the same --data, makes that model. What was measured stays in FOLDER, and is not
    measured again. Without --data steps follow from the weights alone, and --val is needed to judge by.
    """
    with progress(quiet=quiet) as tell, tempfile.TemporaryDirectory() as passing:
        written = Path(passing) if dry_run or folder is None else folder
        tuning = api.tune(model, written, progress=tell, **arguments)
    show(tuning, as_json=as_json, quiet=quiet)
    if dry_run:
        print_dry_run(quiet=quiet)

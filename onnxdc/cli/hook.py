"""The commands ``onnxdc hook export`` and ``onnxdc hook import``."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from onnxdc import hooks, model_io
from onnxdc.cli import options
from onnxdc.cli.group import Group
from onnxdc.cli.output import show


@click.group(cls=Group)
def hook() -> None:
    """Hand a pruned or shared model over to training in any framework, and take it back."""


@hook.command("export")
@options.INPUT
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="The folder to write."
)
@click.option(
    "--stage",
    type=click.Choice(get_args(hooks.WeightStage)),
    help="Train all weights as if they were at this stage.  [default: what the values of each weight say]",
)
@options.JSON
@options.QUIET
def export_command(model: Path, output: Path, stage: hooks.WeightStage | None, as_json: bool, quiet: bool) -> None:
    """Write hook.json, hook.safetensors and training.onnx for the model IN."""
    show(hooks.summary(hooks.export(model, output, stage=stage)), as_json=as_json, quiet=quiet)


@hook.command("import")
@options.INPUT
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("trained", metavar="[TRAINED]", required=False, type=click.Path(path_type=Path))
@options.OUTPUT
@click.option(
    "--project",
    is_flag=True,
    help="Restore broken rules instead of refusing them: zero pruned elements and negative variances, and set shared "
    "values to the means of their clusters.",
)
@options.JSON
@options.QUIET
def import_command(
    model: Path, folder: Path, trained: Path | None, output: Path, project: bool, as_json: bool, quiet: bool
) -> None:
    """Put trained weights into the model IN that the hook in FOLDER was exported from.

    TRAINED is a safetensors file with an array for each weight, or a trained training.onnx; FOLDER/trained.safetensors
    by default.
    """
    own = [folder / name for name in (hooks.MANIFEST_FILE, hooks.TENSORS_FILE, hooks.TRAINED_FILE)]
    model_io.check_output(output, [model, *own, *([trained] if trained else [])])
    imported = hooks.import_(model, folder, trained, project=project)
    imported.save(output)
    show(imported.report, as_json=as_json, quiet=quiet)

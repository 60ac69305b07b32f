"""The commands ``onnxdc hook export`` and ``onnxdc hook import``."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from onnxdc import hooks
from onnxdc.cli import options
from onnxdc.cli.group import Group
from onnxdc.cli.output import print_dry_run, show


@click.group(cls=Group)
def hook() -> None:
    """Hand a pruned or shared model over to training in any framework, and take it back."""


@hook.command("export")
@options.INPUT
@options.FOLDER
@click.option(
    "--stage",
    type=click.Choice(get_args(hooks.WeightStage)),
    help="Train all weights as if they were at this stage.  [default: what the values of each weight say]",
)
@options.DRY_RUN
@options.JSON
@options.QUIET
def export_command(
    model: Path, output: Path | None, stage: hooks.WeightStage | None, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Write hook.json, hook.safetensors and training.onnx for the model IN."""
    exported = hooks.export(model, None if dry_run else output, stage=stage)
    show(hooks.summary(exported), as_json=as_json, quiet=quiet)
    if dry_run:
        print_dry_run(quiet=quiet)


@hook.command("import")
@options.INPUT
@click.argument("folder", metavar="FOLDER", type=options.PATH)
@click.argument("trained", metavar="[TRAINED]", required=False, type=options.PATH)
@options.OUTPUT
@click.option(
    "--project",
    is_flag=True,
    help="Restore broken rules instead of refusing them: zero pruned elements and negative variances, and set shared "
    "values to the means of their clusters.",
)
@options.DRY_RUN
@options.JSON
@options.QUIET
def import_command(
    *,
    model: Path,
    folder: Path,
    trained: Path | None,
    output: Path | None,
    project: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put trained weights into the model IN that the hook in FOLDER was exported from.

    TRAINED is a safetensors file with an array for each weight, or a trained training.onnx; FOLDER/trained.safetensors
    by default.
    """
    own = [folder / name for name in (hooks.MANIFEST_FILE, hooks.TENSORS_FILE, hooks.TRAINED_FILE)]
    options.check_output(output, model, *own, trained)
    imported = hooks.import_(model, folder, trained, project=project)
    if not dry_run and output is not None:
        imported.save(output)
    show(imported.report, as_json=as_json, quiet=quiet)
    if dry_run:
        print_dry_run(quiet=quiet)

"""The command that trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import onnxdc
from onnxdc.cli import options
from onnxdc.cli.output import print_dry_run, show
from onnxdc.training.options import TRAINING_KEYS
from onnxdc.training.report import Epoch

_OPTIONS = (
    options.INPUT,
    options.OUTPUT,
    click.option(
        "--data",
        required=True,
        metavar="NPZ",
        type=options.PATH,
        help="The training data: an array for each input, and the labels.",
    ),
    click.option(
        "--val",
        metavar="NPZ",
        type=options.PATH,
        help="Measure each epoch on these data, of the same form; keep the best one.",
    ),
    click.option("--labels", metavar="NAME", help="The name of the array with the labels.  [default: labels]"),
    click.option(
        "--teacher",
        metavar="MODEL",
        type=options.PATH,
        help="Learn the outputs of this model; labels may then be missing.",
    ),
    *map(options.key_option, TRAINING_KEYS),
    *options.key_options("prune"),
    options.RECIPE,
    click.option("--resume", is_flag=True, help="Go on from OUT.checkpoint, where the training was interrupted."),
    options.DRY_RUN,
    options.JSON,
    options.QUIET,
)


def _all_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("finetune")
@_all_options
def finetune(
    *,
    model: Path,
    output: Path | None,
    data: Path,
    val: Path | None,
    teacher: Path | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Train the model IN and keep its pruned weights pruned and its shared weights shared.

    With a density its weights are pruned while they are trained, with --grid they are trained for the bytes of the
    file. After each epoch OUT.checkpoint is written, from which --resume goes on. A dry run reads everything and
    measures the model as it is, but does not train.
    """
    options.check_output(output, model, data, val, teacher)
    result = onnxdc.finetune(
        model,
        data,
        val,
        teacher=teacher,
        checkpoint=None if output is None else output.with_name(f"{output.name}.checkpoint"),
        dry_run=dry_run,
        progress=None if quiet else _print_epoch,
        **arguments,
    )
    if not dry_run and output is not None:
        result.save(output)
    show(result.report, as_json=as_json, quiet=quiet)
    if dry_run:
        print_dry_run(quiet=quiet)


def _print_epoch(epoch: Epoch) -> None:
    click.echo(str(epoch), err=True)

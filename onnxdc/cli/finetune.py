"""The command that trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import onnxdc
from onnxdc import model_io
from onnxdc.cli import options
from onnxdc.training.options import LOSSES, LR_SCHEDULES, OPTIMIZERS, SCHEDULES, TrainingOptions
from onnxdc.training.report import Epoch

_DEFAULTS = TrainingOptions()
_PATH = click.Path(path_type=Path)


def _option(name: str, kind: Any, text: str) -> Any:
    """An option of ``TrainingOptions``, with its default; the library says which values are good."""
    default = getattr(_DEFAULTS, name.removeprefix("--").replace("-", "_"))
    shown = "" if default is None else f"  [default: {default}]"
    return click.option(name, type=kind, help=f"{text}{shown}")


_OPTIONS = (
    click.option("--data", required=True, metavar="NPZ", type=_PATH, help="An array for each input, and the labels."),
    click.option("--val", metavar="NPZ", type=_PATH, help="The same, to measure each epoch on; the best one is kept."),
    click.option("--labels", metavar="NAME", help="The array with the labels.  [default: labels]"),
    click.option("--teacher", metavar="MODEL", type=_PATH, help="Learn the outputs of this model; needs no labels."),
    _option("--loss", click.Choice(LOSSES), "What to make small."),
    _option("--epochs", int, "Passes over the data."),
    _option("--batch", int, "Items a step."),
    _option("--optimizer", click.Choice(OPTIMIZERS), "SGD has a momentum of 0.9."),
    _option("--lr", float, "Learning rate, at its highest."),
    _option("--lr-schedule", click.Choice(LR_SCHEDULES), "How the learning rate goes on."),
    _option("--warmup", float, "Share of the steps in which the learning rate rises."),
    _option("--weight-decay", float, "Of weights, not of biases."),
    *options.PRUNE,
    options.MIN_ELEMENTS,
    options.RECIPE,
    _option("--schedule", click.Choice(SCHEDULES), "How the density is reached."),
    _option("--rounds", int, "Of the iterative schedule."),
    _option("--ramp", float, "Share of the steps in which the gradual schedule reaches the density."),
    _option("--settle", float, "Share of the steps, at the end, in which the masks stay."),
    _option("--mask-interval", int, "Steps between two choices of the masks."),
    click.option("--regrow", is_flag=True, help="Let pruned weights return that outgrow others."),
    _option("--temperature", float, "Of distillation."),
    _option("--distill-weight", float, "The teacher's part in the loss, beside labels."),
    _option("--dropout", float, "On inputs of fully connected layers, adjusted to their density."),
    _option("--shift", int, "Move training images at random by up to so many pixels."),
    _option("--val-share", float, "Hold out this share of the data to measure each epoch on."),
    _option("--patience", int, "Stop after so many epochs without improvement."),
    _option("--seed", int, "Of everything random."),
    _option("--threads", int, "Of torch.  [default: torch's]"),
    click.option("--resume", is_flag=True, help="Go on from OUT.checkpoint after an interrupt."),
)


def _all_options(command: Any) -> Any:
    for option in reversed([options.INPUT, options.OUTPUT, *_OPTIONS, options.JSON, options.QUIET]):
        command = option(command)
    return command


@click.command("finetune")
@_all_options
def finetune(
    *,
    model: Path,
    output: Path,
    data: Path,
    val: Path | None,
    teacher: Path | None,
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Train the model IN and keep its pruned weights pruned and its shared weights shared.

    With a density its weights are pruned while they are trained. After each epoch OUT.checkpoint is written, from which
    --resume goes on.
    """
    model_io.check_output(output, [path for path in (model, data, val, teacher) if path is not None])
    result = onnxdc.finetune(
        model,
        data,
        val,
        teacher=teacher,
        checkpoint=output.with_name(f"{output.name}.checkpoint"),
        progress=None if quiet else _print_epoch,
        **arguments,
    )
    result.save(output)
    if as_json or not quiet:
        click.echo(result.report.to_json() if as_json else str(result.report))


def _print_epoch(epoch: Epoch) -> None:
    click.echo(str(epoch), err=True)

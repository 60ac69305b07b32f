"""Fine-tune a model: from a file and data to a model with trained values in the place of the old ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.errors import Interrupted, OptionError, OptionName
from onnxdc.hooks import put_back
from onnxdc.model_io import Source
from onnxdc.recipe import Recipe
from onnxdc.training.checkpoint import check_fresh, load_checkpoint, save_checkpoint
from onnxdc.training.data import Arrays
from onnxdc.training.loop import EpochDone
from onnxdc.training.options import TrainingOptions
from onnxdc.training.report import Epoch, Score, TrainedWeight, TrainingReport
from onnxdc.training.setup import Data, Task, prepare
from onnxdc.training.surroundings import memory_named, torch_set_up


@dataclass
class Finetuned:
    """A model with trained values.

    Attributes:
        model: a standard model, as the one that was read but for the values of its weights.
        report: what came of the training.
        checkpoint: the file that a training can go on from; it is removed when the model is saved.
    """

    model: ir.Model
    report: TrainingReport
    checkpoint: Path | None = None

    def to_proto(self) -> onnx.ModelProto:
        """The model as the ``onnx`` package has it; below 2 GB."""
        return ir.to_proto(self.model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, all of it or nothing; then the checkpoint has served.

        Raises:
            ModelError: ``path`` cannot be written, or is the file that the model was read from.
        """
        model_io.save(self.model, path)
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)


def finetune(
    model: Source,
    data: Arrays,
    val: Arrays | None = None,
    *,
    labels: str | None = None,
    teacher: Source | None = None,
    recipe: Recipe | None = None,
    density: float | None = None,
    quality: float | None = None,
    threshold: float | None = None,
    global_density: float | None = None,
    min_elements: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: EpochDone | None = None,
    **options: Any,
) -> Finetuned:
    """Train a model further, and keep its pruned weights pruned and its shared weights shared.

    Pruned elements stay zero, and shared values move as one, by the sum of the gradients of their members. With a
    density, dense and pruned weights are pruned while they are trained. The same seed and number of threads give the
    same values.

    Args:
        model: a path, or a model in memory, which is left as it is.
        data: arrays named as the model's inputs, and the labels; or an ``.npz`` file of them. The first axis of each
            counts the items.
        val: the same, to measure each epoch on; the best epoch is kept. Without, and without ``val_share``, the last.
        labels: the name of the labels, ``"labels"`` if None: integers for ``"cross_entropy"``, else what the outputs
            should be.
        teacher: a model whose outputs are learnt; then labels may be missing, unless they are named.
        recipe: which weights to prune; its other keys do not count here.
        density, quality, threshold, global_density, min_elements: change its defaults.
        checkpoint: a file that is written after each epoch, to ``resume`` from.
        resume: go on from the checkpoint. The result is that of a training that nothing interrupted.
        progress: called after each epoch.
        options: see ``TrainingOptions``.

    Raises:
        ModelError: a model cannot be read or trained, or data do not fit its inputs.
        OptionError: an option is out of its range, or does not go with another one.
        RecipeError: a density is out of range, a rule matches no weight, or a shared weight is to be pruned.
        TrainingError: data or labels that cannot be used, a loss that is no number, too little memory, a checkpoint of
            another training.
        Interrupted: Ctrl-C was pressed, or ``progress`` raised KeyboardInterrupt; the message says how to go on.
    """
    chosen = TrainingOptions.of(**options)
    if chosen.patience is not None and val is None and not chosen.val_share:
        raise OptionError(OptionName("patience"), ": expected validation data to measure progress on, got none")
    if val is not None and chosen.val_share:
        raise OptionError(OptionName("val_share"), ": expected no other validation data next to it, got some")
    file = None if checkpoint is None else Path(checkpoint)
    if resume and file is None:
        raise OptionError(OptionName("resume"), ": expected a checkpoint, got none")
    if file is not None and not resume:
        check_fresh(file)
    recipe = (recipe or Recipe()).with_options(
        density=density,
        quality=quality,
        threshold=threshold,
        global_density=global_density,
        min_elements=min_elements,
    )
    with torch_set_up(chosen), memory_named(chosen):
        task = prepare(model, Data(data, val, labels), teacher, recipe, chosen)
        loop = task.loop
        before = loop.evaluate(loop.measured_on)
        if resume and file is not None:
            loop.resume(load_checkpoint(file, task.run))
        _run(task, file, progress)
        return Finetuned(task.model, _finished(task, before), file)


def _run(task: Task, file: Path | None, progress: EpochDone | None) -> None:
    """Train, with a checkpoint after each epoch, and say how to go on when interrupted."""
    loop = task.loop
    saved = len(loop.done)

    def epoch_done(epoch: Epoch) -> None:
        nonlocal saved
        if file is not None:
            save_checkpoint(file, task.run, loop.state())
            saved = epoch.number
        if progress is not None:
            progress(epoch)

    try:
        loop.run(epoch_done)
    except KeyboardInterrupt:
        if not saved:
            raise Interrupted("there is no checkpoint yet to go on from") from None
        raise Interrupted(OptionName("resume"), f" goes on after epoch {saved} of {loop.options.epochs}") from None


def _finished(task: Task, before: Score) -> TrainingReport:
    """Put the best values into the model, and say what came of it."""
    loop, network = task.loop, task.loop.network
    assert loop.best is not None, "the masks have settled before the last epoch ends"
    network.module.load_state_dict(loop.best.network)
    after = loop.evaluate(loop.measured_on)
    put_back(task.model, network.values())
    hooked = network.hook.weights
    measured_on = "training" if loop.validation is None else "validation"
    weights = tuple(
        TrainedWeight(name, hooked[name].values.size, float(np.mean(hooked[name].mask)), network.density([name]))
        for name in network.weights
    )
    return TrainingReport(weights, tuple(loop.done), loop.best.epoch, before, after, measured_on)

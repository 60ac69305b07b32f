"""Fine-tune a model: from a file and data to a model with trained values instead of the old ones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from onnxdc.errors import Interrupted, OptionError, OptionName
from onnxdc.graph.constants import read_constant
from onnxdc.graph.weights import named_constants
from onnxdc.hooks import put_back
from onnxdc.model_io import Source
from onnxdc.recipe import Recipe
from onnxdc.recipe.keys import keys_of
from onnxdc.report.changed_model import ChangedModel
from onnxdc.training.checkpoint import check_fresh, load_checkpoint, restoring, save_checkpoint
from onnxdc.training.data import Arrays
from onnxdc.training.environment import deterministic_torch, memory_errors_told
from onnxdc.training.grid_model import encoded_bytes
from onnxdc.training.keywords import FinetuneOptions
from onnxdc.training.loop import EpochDone
from onnxdc.training.options import TrainingOptions
from onnxdc.training.report import Epoch, Score, TrainedWeight, TrainingReport
from onnxdc.training.setup import Data, Task, prepare
from onnxdc.training.written import answers_of


@dataclass(repr=False)
class Finetuned(ChangedModel[TrainingReport]):
    """A model with trained values; all else of it is as in the model that was read.

    Attributes:
        model: The model.
        report: What came of the training.
        checkpoint: The file that a training can go on from, which is removed when the model is saved; None without one.
    """

    checkpoint: Path | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, all of it or nothing; then the checkpoint has served.

        Raises:
            ModelError: ``path`` cannot be written, or is a file that the model was read from.
        """
        super().save(path)
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
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: EpochDone | None = None,
    dry_run: bool = False,
    **options: Unpack[FinetuneOptions],
) -> Finetuned:
    """Train a model further, and keep its pruned weights pruned and its shared weights shared.

    Pruned elements stay zero, and shared values move as one, by the sum of the gradients of their members. With a
    density, dense and pruned weights are pruned while they are trained. The same seed and number of threads give the
    same values.

    Args:
        model: A path, or a model in memory, which is left as it is.
        data: Arrays named as the model's inputs, and the labels; or an ``.npz`` file of them. The first axis of each
            counts the items.
        val: Data of the same form to measure each epoch on; the best epoch is kept. Without, and without ``val_share``,
            it is the last.
        labels: The name of the labels, ``"labels"`` if None: integers for ``"cross_entropy"``, else what the outputs
            should be.
        teacher: A model whose outputs are learnt; then labels may be missing, unless they are named.
        recipe: Which weights to prune; its other keys do not count here.
        checkpoint: A file that is written after each epoch, to ``resume`` from.
        resume: Whether to go on from the checkpoint. The result is that of a training that nothing interrupted.
        progress: Called after each epoch.
        dry_run: Whether to read and check everything, measure the model as it is, and stop there.
        options: Change the defaults of the training, see ``TrainingOptions`` or docs/finetune.md; and those of the
            recipe: one of ``density``, ``quality``, ``threshold`` and ``global_density`` says how to prune,
            ``min_elements`` what to leave as it is.

    Raises:
        ModelError: A model cannot be read or trained, or data do not fit its inputs.
        OptionError: An option is out of its range, or does not go with another one.
        RecipeError: A density is out of range, a rule matches no weight, or a shared weight is to be pruned.
        TrainingError: Data or labels cannot be used, a loss is no number, memory is too little, or a checkpoint is of
            another training.
        Interrupted: Ctrl-C was pressed, or ``progress`` raised KeyboardInterrupt; the message says how to go on.
    """
    given: Mapping[str, Any] = options
    pruning = {key.name: given[key.name] for key in keys_of("prune") if key.name in given}
    chosen = TrainingOptions.of(**{name: value for name, value in given.items() if name not in pruning})
    for name, what in (("patience", "measure progress on"), ("max_drop", "judge by")):
        if getattr(chosen, name) is not None and val is None and not chosen.val_share:
            raise OptionError(OptionName(name), f": expected validation data to {what}, got none")
    if val is not None and chosen.val_share:
        raise OptionError(OptionName("val_share"), ": expected no other validation data next to it, got some")
    file = None if checkpoint is None else Path(checkpoint)
    if resume and file is None:
        raise OptionError(OptionName("resume"), ": expected a checkpoint, got none")
    if file is not None and not resume:
        check_fresh(file)
    recipe = (recipe or Recipe()).with_options(**pruning)
    with deterministic_torch(chosen), memory_errors_told(chosen):
        task = prepare(model, Data(data, val, labels), teacher, recipe, chosen)
        loop = task.loop
        before = loop.score(task.original, loop.measured_on)
        if dry_run:
            return Finetuned(task.model, _report(task, before, before))
        if resume and file is not None:
            state = load_checkpoint(file, task.run)
            with restoring(file):
                loop.resume(state)
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
    """Put the best values into the model, and report what came of the training."""
    loop, network = task.loop, task.loop.network
    if loop.best is None:
        assert loop.search is not None, "all has settled before the last epoch ends"
        raise loop.search.nothing_found()
    network.module.load_state_dict(loop.best.network)
    put_back(task.model, network.values())
    answers = answers_of(task.model, loop.options)
    report = _report(task, before, loop.score(answers, loop.measured_on))
    if loop.search is None:
        return report
    return dataclasses.replace(report, drop=loop.search.drop_of(answers), max_drop=loop.search.largest)


def _report(task: Task, before: Score, after: Score) -> TrainingReport:
    """Report what came of the training, if there was any, by the values in the model."""
    loop, network = task.loop, task.loop.network
    before_training = {name: network.hook.weights[name].values for name in network.weights}
    values = {constant.name: constant.value for constant in named_constants(task.model)}
    measured_on = "training" if loop.validation is None else "validation"
    weights = tuple(
        TrainedWeight(name, array.size, _density(array), _density(read_constant(values[name], name)))
        for name, array in before_training.items()
    )
    best = 0 if loop.best is None else loop.best.epoch
    report = TrainingReport(weights, tuple(loop.done), best, before, after, measured_on, folds=task.folds)
    if loop.multiply_adds is not None and loop.done:
        counted = loop.multiply_adds
        report = dataclasses.replace(report, multiply_adds=counted.sparse, dense_multiply_adds=counted.dense)
    if not network.grids or not loop.done:
        return report
    nbytes, asked = encoded_bytes(task.model, task.recipe, {}), loop.grids.rate.target
    return dataclasses.replace(report, encoded_bytes=nbytes, target_bytes=asked)


def _density(values: np.ndarray) -> float:
    return int(np.count_nonzero(values)) / max(1, values.size)

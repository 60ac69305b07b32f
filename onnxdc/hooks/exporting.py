"""Hand a model over to training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from onnxdc import model_io
from onnxdc.errors import ModelError
from onnxdc.hooks.files import writing
from onnxdc.hooks.hook import TrainingHook
from onnxdc.hooks.reading import read_hook
from onnxdc.hooks.training_graph import build_rules
from onnxdc.hooks.weight import WeightStage
from onnxdc.model_io import Source

TRAINING_GRAPH_FILE: Final = "training.onnx"


def export(
    model: Source, folder: str | os.PathLike[str] | None = None, *, stage: WeightStage | None = None
) -> TrainingHook:
    """Make the training hook of a pruned or a shared model, and write it to files if a folder is given.

    Args:
        model: A path, or a model in memory; it is left as it is.
        folder: The folder to write ``hook.json``, ``hook.safetensors`` and ``training.onnx`` to; made if need be.
        stage: The stage of all weights; without it the values of each weight say whether it is dense, pruned or shared,
            see ``reading.read_hook``.

    Raises:
        HookError: The folder cannot be written to, nothing can be trained, or ``stage`` is ``"shared"`` and a weight is
            not.
        OptionError: ``stage`` is no stage of a weight.
        ModelError: The model cannot be read, is the training graph in ``folder``, is compressed, or has a weight with
            NaN or infinity.
    """
    loaded = model_io.load(model, upgrade=False)
    where = model_io.name_of(model)
    try:
        hook = read_hook(loaded, stage)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    if folder is not None:
        if isinstance(model, str | os.PathLike) and Path(folder).is_dir():  # before an old hook in it is gone
            model_io.check_output(Path(folder) / TRAINING_GRAPH_FILE, [Path(model)])
        build_rules(loaded, hook)
        with writing(folder) as path:
            model_io.save(loaded, path / TRAINING_GRAPH_FILE)
        hook.save(folder)
    return hook

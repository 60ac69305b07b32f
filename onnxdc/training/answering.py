"""Hold the data of a training against what the network answers, and ask the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from onnxdc.errors import ModelError, OptionError, OptionName
from onnxdc.model_io.feeds import InputSpec
from onnxdc.training.data import Batch, check_labels
from onnxdc.training.environment import device_of
from onnxdc.training.network import Network
from onnxdc.training.options import TrainingOptions
from onnxdc.training.outputs import logits
from onnxdc.training.teacher import Teacher


def check_batch(specs: Sequence[InputSpec], options: TrainingOptions, data: Batch | None, where: str) -> None:
    """Refuse batches of another size than that which the model fixes."""
    for spec in specs:
        size = spec.shape[0]
        if isinstance(size, int) and data is not None and (size != options.batch or len(data) % size):
            raise OptionError(
                OptionName("batch"),
                f": {where} takes {size} items at a time, got batches of {options.batch} and {len(data)} items",
            )


def answered(
    data: Batch, network: Network, teacher: Teacher | None, options: TrainingOptions, where: str, labels: str
) -> Batch:
    """Check data against what the network answers, and return them with the teacher's answers."""
    parts = list(data.parts(options.batch))
    outputs = _probe(network, parts[0], options, where)
    if data.labels is not None:
        check_labels(data.labels, outputs, f"{where}: {labels}", options.loss)
    if teacher is None:
        return data
    answers = torch.cat([teacher(part.inputs) for part in parts])
    teacher.check(outputs, answers[: len(outputs)])
    return Batch(data.inputs, data.labels, answers)


def _probe(network: Network, batch: Batch, options: TrainingOptions, where: str) -> torch.Tensor:
    """Return what the network answers to a first batch: sizes that the model leaves open show only now."""
    try:
        with torch.no_grad():
            inputs = batch.to(device_of(options)).inputs
            return logits(network.module.eval()(*inputs), options.loss, options.class_axis)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error

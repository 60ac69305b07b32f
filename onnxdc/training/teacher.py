"""A teacher: another model, run by onnxruntime, whose answers the student learns."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.errors import ModelError
from onnxdc.hooks.reading import model_digest
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import InputSpec, input_specs
from onnxdc.runtime import session
from onnxdc.runtime.ort import onnxruntime
from onnxdc.training.options import TrainingOptions
from onnxdc.training.outputs import bypass_activation, logits


class Teacher:
    """Answers in the form in which the loss takes them: before a last Softmax or Sigmoid that the loss contains.

    Args:
        model: The model of the teacher.
        specs: The inputs of the student, which it must have too.
        options: The options of the training, of which ``loss``, ``class_axis`` and ``threads`` count.

    Attributes:
        digest: The digest of the model.

    Raises:
        ModelError: The model cannot be read or run, is compressed, or has other inputs.
    """

    def __init__(self, model: Source, specs: list[InputSpec], options: TrainingOptions) -> None:
        self._name, self._options = model_io.name_of(model), options
        loaded = model_io.load(model)
        if is_compressed(loaded):
            raise ModelError(f"{self._name}: a compressed teacher: decode it first")
        own = {spec.name: spec.dtype for spec in input_specs(loaded, self._name)}
        wanted = {spec.name: spec.dtype for spec in specs}
        if own != wanted:
            raise ModelError(f"{self._name}: expected a teacher with inputs {_listed(wanted)}, got {_listed(own)}")
        self.digest = model_digest(loaded)
        bypass_activation(loaded, options.loss, options.class_axis)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4  # what it refuses comes back as an exception too
        settings.intra_op_num_threads = options.threads or 0
        self._inputs = [spec.name for spec in specs]
        self._session = session(loaded, native=False, sess_options=settings)

    def __call__(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return its answers, ``[items, ...]``.

        Raises:
            ModelError: It refuses the inputs.
        """
        feed = {name: array.numpy() for name, array in zip(self._inputs, inputs, strict=True)}
        try:
            first = self._session.run([self._session.get_outputs()[0].name], feed)[0]
        except Exception as error:  # onnxruntime raises many types, which share no base
            raise ModelError(f"{self._name}: cannot run: {' '.join(str(error).split())}") from error
        return logits(torch.from_numpy(first), self._options.loss, self._options.class_axis)

    def check(self, outputs: torch.Tensor, answers: torch.Tensor) -> None:
        """Refuse a teacher whose answers have another shape than the student's.

        Raises:
            ModelError: They have.
        """
        if outputs.shape != answers.shape:
            expected, got = list(outputs.shape[1:]), list(answers.shape[1:])
            raise ModelError(f"{self._name}: expected a teacher with an output of {expected} an item, got {got}")


def _listed(inputs: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in inputs.items()) or "none"

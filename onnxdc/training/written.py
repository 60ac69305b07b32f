"""What comes of a training as a file: its bytes once it is encoded, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.hooks import put_back
from onnxdc.model_io import Source
from onnxdc.recipe import Recipe
from onnxdc.torch import OnnxModule
from onnxdc.training.environment import device_of
from onnxdc.training.grid_model import encoded_bytes
from onnxdc.training.options import TrainingOptions
from onnxdc.training.outputs import bypass_activation, logits
from onnxdc.training.scoring import Answers


def answers_of(model: Source, options: TrainingOptions) -> Answers:
    """Return what answers as a model does, with the values that it holds and without anything of its training.

    Args:
        model: The model; it is left as it is.
        options: The options, of which ``loss``, ``class_axis`` and ``device`` count.

    Raises:
        ModelError: It cannot be read or run.
    """
    copy, device = model_io.load(model), device_of(options)
    bypass_activation(copy, options.loss, options.class_axis)
    module = OnnxModule(copy, {}).eval().to(device)
    return lambda batch: logits(module(*batch.to(device).inputs), options.loss, options.class_axis)


@dataclass(frozen=True)
class Written:
    """The file that a model with other values would be.

    Attributes:
        model: The model, which is left as it is.
        recipe: What ``encode`` is told.
        options: The options of the training.
    """

    model: ir.Model
    recipe: Recipe
    options: TrainingOptions

    def nbytes(self, values: Mapping[str, np.ndarray]) -> int:
        """Return the bytes of the encoded file with other values, by the names of constants of the model."""
        return encoded_bytes(self.model, self.recipe, values)

    def answers(self, values: Mapping[str, np.ndarray]) -> Answers:
        """Return what answers as the model does with other values."""
        copy = self.model.clone()
        put_back(copy, values)
        return answers_of(copy, self.options)

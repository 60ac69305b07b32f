"""An ONNX graph as a trainable module."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from onnxdc import model_io
from onnxdc.errors import HookError, ModelError
from onnxdc.graph.constants import read_constant
from onnxdc.graph.weights import named_constants
from onnxdc.hooks import HookedWeight, TrainingHook, check_model, read_hook
from onnxdc.hooks.exporting import TRAINING_GRAPH_FILE
from onnxdc.hooks.training_graph import undo_rules
from onnxdc.model_io import Source
from onnxdc.torch.grid import GridStart
from onnxdc.torch.parametrizations import default_grids, parametrization
from onnxdc.torch.program import run
from onnxdc.torch.reader import read
from onnxdc.torch.types import to_numpy, to_torch


def module(
    model: Source, hook: TrainingHook | str | os.PathLike[str] | None = None, *, grid: bool = False
) -> OnnxModule:
    """Make a trainable module of a model.

    Args:
        model: A path, or a model in memory, not compressed; or the folder of a hook, which has its model within: there
            weights on grids begin with the latent values and the steps of ``training.onnx``. It is left as it is.
        hook: The hook of the model, or its folder, to say which constants are trained and what they must keep; read
            from the model without one.
        grid: Whether each weight is on a grid of its own, see ``parametrizations.default_grids`` and ``grid.Grid``.

    Raises:
        ModelError: The model cannot be read, is compressed, or has operators without a form in PyTorch, each named.
        HookError: Nothing in it can be trained, the hook is of another model, or the folder has none.
    """
    if isinstance(hook, str | os.PathLike):
        hook = TrainingHook.load(hook)
    if isinstance(model, str | os.PathLike) and Path(model).is_dir():
        hook = TrainingHook.load(model) if hook is None else hook
        loaded = model_io.load(Path(model) / TRAINING_GRAPH_FILE, upgrade=False)
        grids = undo_rules(loaded, hook)
    else:
        grids = {}
        if hook is not None:
            check_model(hook, model_io.load(model, upgrade=False), model_io.name_of(model))
        loaded = model_io.load(model)
    try:
        weights = dict((read_hook(loaded) if hook is None else hook).weights)
        weights |= {name: dataclasses.replace(weights[name], grid=trained) for name, trained in grids.items()}
        return OnnxModule(loaded, weights, default_grids(weights) if grid else {})
    except ModelError as error:
        raise ModelError(f"{model_io.name_of(model)}: {error}") from error


class OnnxModule(nn.Module):
    """The graph of a model, run by operators of PyTorch.

    Weights, biases, scales and shifts are parameters; pruned and shared weights have parametrizations that keep their
    rules (``parametrizations.py``). All other constants are buffers; only running statistics are part of the
    ``state_dict``. As in PyTorch's own layers, while the module trains, and only then, Dropout nodes are active, and
    BatchNormalization takes the statistics of the batch and moves the running ones.

    Attributes:
        names: The names of the trained constants in the model -> those of the parameters here.
        statistics: The names of running statistics in the model -> those of their buffers here.
        dropouts: The layers of the Dropout nodes, by the names of their outputs in the model.
    """

    def __init__(
        self, model: ir.Model, weights: Mapping[str, HookedWeight], grids: Mapping[str, GridStart] | None = None
    ) -> None:
        """Read a model whose constants in ``weights`` are trained, those in ``grids`` on grids of their own.

        The errors are those of ``module``.
        """
        super().__init__()
        reading = read(model)
        self.names: dict[str, str] = {}
        self.statistics: dict[str, str] = {}
        self._program = reading.program
        self._inputs = [v.name or "" for v in model.graph.inputs if v.name not in model.graph.initializers]
        self._constants: dict[int, str] = {}
        onnx_names = {constant.value: constant.name for constant in named_constants(model)}
        self._dropouts = {key: nn.Dropout(rate) for key, (_, rate) in reading.dropouts.items()}
        self.dropout_layers = nn.ModuleList(self._dropouts.values())
        self.dropouts = {name: self._dropouts[key] for key, (name, _) in reading.dropouts.items()}
        self._grids = grids or {}
        unknown = set(weights).difference(onnx_names.values())
        if unknown:
            raise HookError(f"{min(unknown)}: the model has no such constant: the hook is of another model")
        for key, value in reading.constants.items():
            self._add(key, onnx_names[value], to_torch(read_constant(value)), weights.get(onnx_names[value]))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the outputs of the model: a tensor, or a tuple where there are several.

        Args:
            inputs: The inputs in the order of the model's, those that have a constant as their default left out.

        Raises:
            ModelError: The number of inputs is wrong, or a node cannot run on what it gets.
        """
        if len(inputs) != len(self._inputs):
            expected = f"{len(self._inputs)} inputs ({', '.join(self._inputs)})"
            raise ModelError(f"expected {expected}, got {len(inputs)}")
        values: dict[int, Tensor | None] = {key: getattr(self, name) for key, name in self._constants.items()}
        outputs = run(self._program, values, self._dropouts, inputs, self.training)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def state(self) -> dict[str, np.ndarray]:
        """Return what training changes, its rules kept, by the names in the model, for ``onnxdc.hooks.import_``."""
        with torch.no_grad():
            return {name: to_numpy(getattr(self, own)) for name, own in (self.names | self.statistics).items()}

    def _add(self, key: int, name: str, values: Tensor, weight: HookedWeight | None) -> None:
        """Add a parameter for a constant that is trained, a buffer for any other."""
        own = self._constants[key] = _identifier(name, self)
        if weight is None:
            self.register_buffer(own, values, persistent=False)
            return
        if tuple(values.shape) != weight.shape:
            raise ModelError(f"{name}: expected shape {list(weight.shape)} as in the hook, got {list(values.shape)}")
        if weight.stage == "statistic":
            self.statistics[name] = own
            self.register_buffer(own, values)
            return
        self.names[name] = own
        self.register_parameter(own, nn.Parameter(values))
        rule = parametrization(weight, grid=self._grids.get(name))
        if rule is not None:
            parametrize.register_parametrization(self, own, rule)


def _identifier(name: str, owner: nn.Module) -> str:
    """Return a name for a parameter of the owner: without dots, and not taken by anything that a module has."""
    own = re.sub(r"\W", "_", name) or "_"
    while hasattr(owner, own) or hasattr(nn.ModuleDict, own):
        own += "_"
    return own

"""The network that is trained: parameters for the optimizer, weights under masks, values as ONNX has them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from onnxdc.errors import ModelError
from onnxdc.hooks.hook import TrainingHook
from onnxdc.passes.halves.narrow import LARGEST_BYTE, best_exponent, borne_exponents, byte_exponents
from onnxdc.torch.grid import Grid
from onnxdc.torch.module import OnnxModule
from onnxdc.torch.parametrizations import Masked
from onnxdc.training.grids import GridWeight
from onnxdc.training.options import TrainingOptions
from onnxdc.training.pruning import MaskedWeight

_BORNE = 0.5  # of the standard deviation: a step of a byte, twice what vectors are rounded to, which changes it
_MOMENTUM = 0.9
_USUAL_SIZE = 0.1  # the root mean square of a weight on a grid whose learning rate is the one that is given


@dataclass
class Network:
    """A graph as a module, and what is known about its weights.

    Attributes:
        module: The module of the graph.
        hook: The weights of the model, as they are before training.
        weights: The names of the weights that reports count: no biases and scales.
        masked: The weights that have a mask, by name.
        grids: The weights that are on grids of their own, by name.
    """

    module: OnnxModule
    hook: TrainingHook
    weights: Sequence[str]
    masked: dict[str, MaskedWeight] = field(default_factory=dict)
    grids: dict[str, GridWeight] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        module: OnnxModule,
        hook: TrainingHook,
        weights: Sequence[str],
        masked: Collection[str],
        *,
        byte_biases: bool = False,
    ) -> Network:
        """Make a network whose pruned weights, and those named in ``masked``, have masks.

        Beside weights that are shared or on grids, vectors that are rounded to float16 stay so; with ``byte_biases``
        those stay whole multiples of a step that are that.

        Raises:
            ModelError: Nothing in it can be trained, or a weight to be masked is none of the module's.
        """
        if not module.names:
            raise ModelError("nothing to train: the model has no weight that reaches its output")
        network = cls(module, hook, weights)
        for name in masked:
            if name not in module.names:
                raise ModelError(f"{name}: cannot be pruned while training: no operator that is trained uses it")
        are_shared = any(weight.stage == "shared" for weight in hook.weights.values()) or any(
            isinstance(rule, Grid) for rule in module.modules()
        )
        vectors = {name: weight.values for name, weight in hook.weights.items() if weight.values.ndim == 1}
        steps = {name: _byte_steps(vector) if byte_biases else set() for name, vector in vectors.items()}
        exponent = best_exponent(list(vectors.values()), list(steps.values()))
        for name, attribute in module.names.items():
            if name in masked and not parametrize.is_parametrized(module, attribute):
                mask = torch.ones_like(getattr(module, attribute), dtype=torch.bool)
                parametrize.register_parametrization(module, attribute, Masked(mask))
            original, rule = _parameter(module, attribute)
            if isinstance(rule, Masked):
                network.masked[name] = MaskedWeight(original, rule)
            elif isinstance(rule, Grid):
                network.grids[name] = GridWeight(original, rule)
            if original.dtype.itemsize < torch.float32.itemsize:
                _keep_precise(module, attribute)
            elif rule is None and are_shared and name in vectors:
                if exponent is not None and exponent in steps[name]:
                    parametrize.register_parametrization(module, attribute, _AsBytes(2.0**exponent))
                elif _is_half(vectors[name]):
                    parametrize.register_parametrization(module, attribute, _AsHalf())
        return network

    def optimizer(self, options: TrainingOptions, step_lr: float) -> torch.optim.Optimizer:
        """Make the optimizer of all parameters; only weights decay, not biases, scales and steps.

        Each group of parameters has a ``scale``, the factor of its learning rate.

        Args:
            options: The options.
            step_lr: The learning rate of steps at its highest.
        """
        groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
        for name, attribute in self.module.names.items():
            parameter, _ = _parameter(self.module, attribute)
            decays = len(self.hook.weights[name].shape) > 1
            factor = 1.0 if options.optimizer == "sgd" else self._factor(name)
            groups.setdefault((decays, factor), []).append(parameter)
        parameters = [
            {"params": group, "weight_decay": options.weight_decay if decays else 0.0, "scale": scale}
            for (decays, scale), group in groups.items()
        ]
        if self.grids:
            steps = [weight.grid.log_step for weight in self.grids.values()]
            parameters.append({"params": steps, "weight_decay": 0.0, "scale": step_lr / options.lr})
        if options.optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=options.lr, momentum=_MOMENTUM, nesterov=True)
        kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
        return kind(parameters, lr=options.lr)

    def _factor(self, name: str) -> float:
        """Return the factor of the learning rate of what is trained: for a weight on a grid it is in proportion.

        Steps of Adam are as long in any weight, and those of a network whose BatchNormalization is folded differ in
        size twenty-fold: what the large ones need destroys the small ones, and the network with them.
        """
        if name not in self.grids:
            return 1.0
        kept = self.hook.weights[name].values
        kept = kept[kept != 0].astype(np.float64)
        return math.sqrt(np.mean(np.square(kept))) / _USUAL_SIZE if kept.size else 1.0

    def original(self, attribute: str) -> nn.Parameter:
        """Return what the optimizer moves of an attribute of the module."""
        return _parameter(self.module, attribute)[0]

    def nonzeros(self, name: str) -> int:
        """Count the elements of a weight that are not zero, or not pruned."""
        if name in self.grids:
            return self.grids[name].nonzeros()
        if name in self.masked:
            return int(self.masked[name].masked.mask.sum())
        return int(np.count_nonzero(self.hook.weights[name].mask))

    def density(self, names: Collection[str]) -> float:
        """Return nnz over elements of some weights together."""
        size = sum(math.prod(self.hook.weights[name].shape) for name in names)
        return sum(self.nonzeros(name) for name in names) / max(1, size)

    def is_finite(self) -> bool:
        """Tell whether all that training changes is finite in the type that the model has."""
        changed = (*self.module.names.values(), *self.module.statistics.values())
        return all(bool(torch.isfinite(getattr(self.module, name)).all()) for name in changed)

    def values(self) -> Mapping[str, np.ndarray]:
        """Return all that was trained, by the names in the model; pruned elements are 0.0, none is -0.0."""
        return {name: array + np.zeros((), array.dtype) for name, array in self.module.state().items()}


class _Rounded(nn.Module):
    """A value of float32 as the model has it: what the optimizer moves is precise.

    Steps of a training are often smaller than half the distance between two values of float16, and squares of
    gradients smaller than all of them (Micikevicius et al., ICLR 2018, section 3.1).
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, precise: torch.Tensor) -> torch.Tensor:
        return precise.to(self.dtype)


class _AsHalf(nn.Module):
    """A value of float32 as float16 has it; the gradient counts as that of the precise one (straight through)."""

    def forward(self, precise: torch.Tensor) -> torch.Tensor:
        half = precise.detach().to(torch.float16).to(precise.dtype)
        half = torch.where(torch.isfinite(half), half, precise.detach())
        return precise + (half - precise.detach())

    def right_inverse(self, half: torch.Tensor) -> torch.Tensor:
        return half


class _AsBytes(nn.Module):
    """A value of float32 as a byte times a step has it, with the gradient of the precise one (straight through)."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, precise: torch.Tensor) -> torch.Tensor:
        codes = (precise.detach() / self.step).round().clamp(-LARGEST_BYTE, LARGEST_BYTE)
        return precise + (codes * self.step - precise.detach())

    def right_inverse(self, rounded: torch.Tensor) -> torch.Tensor:
        return rounded


def _byte_steps(vector: np.ndarray) -> set[int]:
    """Return the exponents of the steps that a vector is whole multiples of, and may be held to."""
    return set(byte_exponents(vector)).intersection(borne_exponents(vector, _BORNE))


def _is_half(values: np.ndarray) -> bool:
    """Tell whether float16 holds values of float32 exactly."""
    if values.dtype != np.float32:
        return False
    with np.errstate(over="ignore"):
        return bool(np.array_equal(values.astype(np.float16).astype(np.float32), values))


def _keep_precise(module: nn.Module, attribute: str) -> None:
    """Let the optimizer move float32 in the place of float16 or bfloat16; the rules of the attribute come first."""
    parametrize.register_parametrization(module, attribute, _Rounded(getattr(module, attribute).dtype), unsafe=True)
    original, _ = _parameter(module, attribute)
    original.data = original.data.float()


def _parameter(module: nn.Module, attribute: str) -> tuple[nn.Parameter, nn.Module | None]:
    """Return what the optimizer moves of an attribute of a module, and the rule that makes the attribute of it."""
    if not parametrize.is_parametrized(module, attribute):
        return getattr(module, attribute), None
    rules = cast(nn.ModuleDict, module.parametrizations)[attribute]
    return cast(nn.Parameter, rules.original), cast(parametrize.ParametrizationList, rules)[0]

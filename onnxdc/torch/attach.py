"""Train the user's own module under the rules of a hook."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from onnxdc.errors import HookError
from onnxdc.hooks import HookedWeight, TrainingHook
from onnxdc.torch.candidates import BUFFERS
from onnxdc.torch.grid import Grid
from onnxdc.torch.matching import Match, find_matches
from onnxdc.torch.parametrizations import FromCodebook, default_grids, parametrization
from onnxdc.torch.types import to_numpy, to_torch

_TABLE_INTERVAL: Final = 16  # steps from one table of code lengths to the next


def attach(
    module: nn.Module,
    hook: TrainingHook | str | os.PathLike[str],
    names: Mapping[str, str] | None = None,
    *,
    grid: bool = False,
) -> Attachment:
    """Make a module keep the rules of a hook while it is trained.

    Each weight of the hook is looked for in the module: at the path that ``names`` gives, else under its own name, else
    by its values, in any order of axes. The parameters that match take the values of the ONNX model, and so do running
    statistics. Pruned and shared weights get parametrizations, which any optimizer, scheduler, autocast and
    ``state_dict`` work with. A shared weight's parameter becomes its codebook: make the optimizer after this.

    Args:
        module: The module; it is changed in place, or left as it is if this raises.
        hook: The hook of the model, or its folder.
        names: Name in the ONNX model -> path of the parameter or buffer, for weights that match nothing, or several
            parameters.
        grid: Whether each weight is on a grid of its own, for whose bits the loss pays: see ``Attachment.rate``.

    Raises:
        HookError: A pruned or shared weight matches nothing, or several parameters, or has another shape;
            BatchNormalization is folded into a weight; or two weights share a parameter, but not a rule.
    """
    hook = hook if isinstance(hook, TrainingHook) else TrainingHook.load(hook)
    matches, unmatched = find_matches(module, hook, names or {})
    first: dict[tuple[str, ...], str] = {}
    for name, match in matches.items():
        other = first.setdefault(match.paths, name)
        if not _agree(hook, matches, name, other):
            raise HookError(f"{name}: shares the parameter {match.paths[0]} with {other}, but not its values")
    grids = default_grids(hook.weights) if grid else {}
    rules = {
        name: parametrization(hook.weights[name], matches[name].axes, grid=grids.get(name)) for name in first.values()
    }
    for name in first.values():
        _constrain(module, hook.weights[name], matches[name], rules[name])
    return Attachment(module, hook, matches, unmatched, _running_statistics(module, matches))


@dataclass(eq=False)
class Attachment:
    """A module under the rules of a hook.

    Attributes:
        module: The module of the user.
        hook: The hook with the rules.
        matches: Where each weight lies in the module, by its name in the ONNX model.
        unmatched: The names of the dense weights and running statistics without a match: the module may train them, but
            ``state`` knows nothing of it.
        statistics: The running statistics of the module that no weight was matched with, as they were when the rules
            came.
    """

    module: nn.Module
    hook: TrainingHook
    matches: Mapping[str, Match]
    unmatched: tuple[str, ...]
    statistics: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        self._grids = list(_grids(self.module, self.matches))
        self._asked = 0

    def rate(self) -> Tensor:
        """Return the bits that the integers of all weights on grids take, a scalar that gradients flow from.

        Add it to the loss of each step, times what a bit may cost. Every sixteenth call makes the tables of code
        lengths anew.
        """
        if self._asked % _TABLE_INTERVAL == 0:
            for latent, grid in self._grids:
                grid.measure(latent.detach())
        self._asked += 1
        return sum((grid.rate(latent) for latent, grid in self._grids), start=torch.zeros(()))

    def steps(self) -> list[nn.Parameter]:
        """Return the logarithms of the steps of weights on grids, for an optimizer's group of their own."""
        return [grid.log_step for _, grid in self._grids]

    def freeze(self) -> None:
        """Fix the integers of weights on grids, for the last part of a training: steps and biases go on."""
        for latent, grid in self._grids:
            grid.freeze(latent)

    def state(self) -> dict[str, np.ndarray]:
        """Return the values of all weights as the ONNX model has them, rules kept, for ``onnxdc.hooks.import_``.

        Those without a match are as in the hook.

        Raises:
            HookError: Running statistics moved that nothing was matched with: those of the ONNX model stay, with which
                the weights were not trained.
        """
        for path, now in _running_statistics(self.module, self.matches).items():
            if path in self.statistics and not torch.equal(now, self.statistics[path]):
                raise HookError(
                    f"{path}: moved in training, but nothing in the ONNX model is matched with it: say in `names` what "
                    "is, or train with BatchNormalization in evaluation (eval() of these layers after each train())"
                )
        return {name: self._values(weight) for name, weight in self.hook.weights.items()}

    def detach(self) -> None:
        """Leave plain parameters with the values that the rules gave; whoever calls it twice changes nothing."""
        for match in {match.paths: match for match in self.matches.values()}.values():
            _release(self.module, match)

    def _values(self, weight: HookedWeight) -> np.ndarray:
        match = self.matches.get(weight.name)
        if match is None:
            return weight.values
        with torch.no_grad():
            values = to_numpy(_tensor(self.module, match.paths[0]))
        return np.ascontiguousarray(values.transpose(np.argsort(match.axes)).astype(weight.dtype))


def _grids(module: nn.Module, matches: Mapping[str, Match]) -> Iterator[tuple[nn.Parameter, Grid]]:
    """Yield what is trained of each weight on a grid, and its rule."""
    for path in {match.paths[0] for match in matches.values()}:
        owner, name = _owner(module, path)
        if parametrize.is_parametrized(owner, name):
            rules = owner.get_submodule(f"parametrizations.{name}")
            rule = rules.get_submodule("0")
            if isinstance(rule, Grid):
                yield rules.get_parameter("original"), rule


def _running_statistics(module: nn.Module, matches: Mapping[str, Match]) -> dict[str, Tensor]:
    """Copy the running statistics without a match, by their paths."""
    matched = {path for match in matches.values() for path in match.paths}
    return {
        path: buffer.cpu().clone()
        for path, buffer in module.named_buffers()
        if path not in matched and path.endswith(tuple(BUFFERS.values()))
    }


def _agree(hook: TrainingHook, matches: Mapping[str, Match], name: str, other: str) -> bool:
    """Tell whether two weights have the same values and rules in the parameter that they share."""
    a, b = hook.weights[name], hook.weights[other]
    return a.stage == b.stage and np.array_equal(
        a.values.transpose(matches[name].axes), b.values.transpose(matches[other].axes)
    )


def _owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    parent, _, name = path.rpartition(".")
    return module.get_submodule(parent), name


def _tensor(module: nn.Module, path: str) -> Tensor:
    owner, name = _owner(module, path)
    value = getattr(owner, name)
    assert isinstance(value, Tensor), f"{path} is no tensor"
    return value


def _constrain(module: nn.Module, weight: HookedWeight, match: Match, rule: nn.Module | None) -> None:
    """Give a parameter the weight's values and rule; modules that shared it share what the rule is made of."""
    parameter = _tensor(module, match.paths[0])
    values = to_torch(np.ascontiguousarray(weight.values.transpose(match.axes)))
    with torch.no_grad():
        parameter.copy_(values)
    if rule is None:
        return
    rule.to(parameter.device)
    # Registering changes the shape of a shared weight's parameter: the other modules must not see it half done.
    for path in match.paths[1:]:
        owner, name = _owner(module, path)
        setattr(owner, name, nn.Parameter(parameter.detach().clone(), parameter.requires_grad))
    lists = []
    for path in match.paths:
        owner, name = _owner(module, path)
        parametrize.register_parametrization(owner, name, rule)
        lists.append(owner.get_submodule(f"parametrizations.{name}"))
    for other in lists[1:]:
        other.original = lists[0].get_parameter("original")
    if isinstance(rule, FromCodebook) and weight.codebook is not None:
        with torch.no_grad():  # also the entries that no element uses
            lists[0].get_parameter("original").copy_(to_torch(weight.codebook[1:]))


def _release(module: nn.Module, match: Match) -> None:
    """Make a parametrized weight a plain parameter, shared by the modules that shared it."""
    owner, name = _owner(module, match.paths[0])
    if not parametrize.is_parametrized(owner, name):
        return
    for path in match.paths[1:]:  # removing changes the parameter in place: each of them once
        other, own = _owner(module, path)
        rules = other.get_submodule(f"parametrizations.{own}")
        original = rules.get_parameter("original")
        rules.original = nn.Parameter(original.detach().clone(), original.requires_grad)
        parametrize.remove_parametrizations(other, own)
    parametrize.remove_parametrizations(owner, name)
    for path in match.paths[1:]:
        other, own = _owner(module, path)
        setattr(other, own, getattr(owner, name))

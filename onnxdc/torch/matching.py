"""Find what holds the weights of an ONNX model in a module: by their names, else by their values.

Weights, biases, scales and shifts are looked for among its parameters, running statistics among its buffers.

Values are compared where a weight is kept, as the module may not be pruned yet. What was shared since lies near the
parameter's values, not at them. The axes of a parameter may come in another order than in ONNX.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from onnxdc.errors import HookError
from onnxdc.graph.slots import Statistic
from onnxdc.hooks import HookedWeight, TrainingHook
from onnxdc.torch.types import to_numpy

# Distances, relative to the norm of the weight: of values that went through a file and a folded constant, and of those
# that were shared; two unrelated weights are about 1.4 apart, and two codewords for a normal distribution 0.7.
_EQUAL: Final = 1e-5
_CLOSE: Final = 0.75

# A folded BatchNormalization explains at least this share of the squared distance. The noise of sharing may look like
# factors where the elements outnumber these by less.
_EXPLAINED: Final = 0.5
_LEFT_OF_SHARED: Final = 64

# What PyTorch's layers call their buffers.
BUFFERS: Final[dict[Statistic, str]] = {"mean": "running_mean", "variance": "running_var"}

_MAX_PERMUTED_RANK: Final = 4
_RECURRENT: Final = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True)
class Match:
    """Where a weight lies in a module.

    Attributes:
        paths: of its parameter or buffer; several where modules share it.
        axes: ``weight.transpose(axes)`` has the layout of the parameter.
    """

    paths: tuple[str, ...]
    axes: tuple[int, ...]


@dataclass(frozen=True)
class _Candidate:
    """A parameter or buffer: all its paths, its values, and how far equal ones may be: those of 16 bits are rounded."""

    paths: tuple[str, ...]
    values: np.ndarray
    equal: float


def match(module: nn.Module, hook: TrainingHook, names: Mapping[str, str]) -> tuple[dict[str, Match], tuple[str, ...]]:
    """The matches by the weights' names, and the names of the dense weights and statistics that have none.

    Args:
        module: of the user; not changed.
        hook: of the model.
        names: for some of the weights the path of the parameter or buffer.

    Raises:
        HookError: a pruned or shared weight is found nowhere, or at several places, or has another shape or other
            values at the place that its name or ``names`` says; or BatchNormalization is folded into a weight.
    """
    for name in names:
        if name not in hook.weights:
            raise HookError(f"{name}: no such weight in the hook, expected one of {', '.join(hook.weights)}")
    found: dict[str, Match] = {}
    for statistic in (None, *BUFFERS):
        weights = {name: weight for name, weight in hook.weights.items() if weight.statistic == statistic}
        found |= _match(weights, _candidates(module, statistic), names, module)
    return found, tuple(name for name in hook.weights if name not in found)


def _match(
    weights: Mapping[str, HookedWeight], candidates: list[_Candidate], names: Mapping[str, str], module: nn.Module
) -> dict[str, Match]:
    """The matches of weights that can lie in any of the candidates; arguments and errors are those of ``match``."""
    found: dict[str, Match] = {}
    by_content = []
    for name, weight in weights.items():
        if name in names:
            found[name] = _as_told(weight, names[name], candidates)
        elif (place := _in_place(weight, candidates)) is not None:
            found[name] = place
        else:
            by_content.append(weight)
    taken = {match.paths for match in found.values()}
    for weight in by_content:
        free = [candidate for candidate in candidates if candidate.paths not in taken]
        places = _by_content(weight, free) or _by_content(weight, candidates)
        if not places:
            _refuse_folded(weight, candidates)
        if len(places) == 1:
            found[weight.name] = places[0]
        elif not weight.is_free:
            raise HookError(f"{weight.name}: {_why_not(weight, places, candidates, module)}")
    for name, place in found.items():
        _refuse_folded(weights[name], [each for each in candidates if each.paths == place.paths])
    return found


def _candidates(module: nn.Module, statistic: Statistic | None) -> list[_Candidate]:
    """What can hold a statistic; or else the floating-point parameters that have no parametrization yet."""
    paths: dict[Tensor, list[str]] = {}
    for path, tensor in _tensors(module, statistic):
        if tensor.is_floating_point() and "parametrizations" not in path.split("."):
            paths.setdefault(tensor, []).append(path)
    return [
        _Candidate(tuple(each), to_numpy(tensor), max(_EQUAL, torch.finfo(tensor.dtype).eps))
        for tensor, each in paths.items()
    ]


def _tensors(module: nn.Module, statistic: Statistic | None) -> Iterator[tuple[str, Tensor]]:
    if statistic is None:
        yield from module.named_parameters(remove_duplicate=False)
    else:
        buffers = module.named_buffers(remove_duplicate=False)
        yield from ((path, buffer) for path, buffer in buffers if path.split(".")[-1] == BUFFERS[statistic])


def _at(path: str, candidates: list[_Candidate]) -> _Candidate | None:
    return next((candidate for candidate in candidates if path in candidate.paths), None)


def _in_place(weight: HookedWeight, candidates: list[_Candidate]) -> Match | None:
    """The match of what has the weight's name, None where it has other values; a statistic's name alone is enough."""
    candidate = _at(weight.name, candidates)
    tolerance = _CLOSE if weight.statistic is None else np.inf
    axes = None if candidate is None else _nearest(weight, candidate, tolerance)
    return None if candidate is None or axes is None else Match(candidate.paths, axes)


def _as_told(weight: HookedWeight, path: str, candidates: list[_Candidate]) -> Match:
    """The match that ``names`` says, whatever the values."""
    candidate = _at(path, candidates)
    if candidate is None:
        known = ", ".join(path for candidate in candidates for path in candidate.paths)
        raise HookError(f"{weight.name}: the module has no parameter {path!r} to constrain, expected one of {known}")
    layouts = list(_layouts(weight, candidate))
    if not layouts:
        expected, got = list(weight.shape), list(candidate.values.shape)
        raise HookError(f"{weight.name}: expected shape {expected} in some order of axes, got {got} in {path}")
    axes = _nearest(weight, candidate, _CLOSE)
    if axes is not None:
        return Match(candidate.paths, axes)
    usual = weight.layout.get("torch")
    return Match(candidate.paths, usual if usual in layouts else layouts[0])


def _layouts(weight: HookedWeight, candidate: _Candidate) -> Iterator[tuple[int, ...]]:
    """The orders of axes that give the weight the candidate's shape, ONNX's own first."""
    rank, shape = len(weight.shape), candidate.values.shape
    if sorted(shape) != sorted(weight.shape):
        return
    orders = itertools.permutations(range(rank)) if rank <= _MAX_PERMUTED_RANK else [tuple(range(rank))]
    yield from (axes for axes in orders if tuple(weight.shape[axis] for axis in axes) == shape)


def _distance(weight: HookedWeight, candidate: _Candidate, axes: tuple[int, ...]) -> float:
    """How far the kept elements lie from the candidate's, relative to their norm."""
    kept = weight.mask.transpose(axes)
    values = weight.values.transpose(axes)[kept].astype(np.float64)
    difference, norm = np.linalg.norm(candidate.values[kept].astype(np.float64) - values), np.linalg.norm(values)
    return float(difference / norm) if norm else float(np.inf if difference else 0)


def _nearest(weight: HookedWeight, candidate: _Candidate, tolerance: float) -> tuple[int, ...] | None:
    """The order of axes in which the values lie nearest, None if that is too far."""
    distances = [(_distance(weight, candidate, axes), axes) for axes in _layouts(weight, candidate)]
    distance, axes = min(distances, key=lambda pair: pair[0], default=(np.inf, ()))
    return axes if distance <= tolerance else None


def _by_content(weight: HookedWeight, candidates: list[_Candidate]) -> list[Match]:
    """All places with the weight's values; of shared weights, whose values have moved, only the nearest of them."""
    near = [
        (distance, Match(candidate.paths, axes))
        for candidate in candidates
        for axes in _layouts(weight, candidate)
        if (distance := _distance(weight, candidate, axes)) <= (_CLOSE if weight.stage == "shared" else candidate.equal)
    ]
    nearest = min((distance for distance, _ in near), default=0.0)
    found = [place for distance, place in near if distance <= nearest + _EQUAL]
    usual = [place for place in found if place.axes == weight.layout.get("torch")]
    symmetric = len({place.paths for place in found}) == 1
    return usual if symmetric and usual else found


def _why_not(weight: HookedWeight, places: list[Match], candidates: list[_Candidate], module: nn.Module) -> str:
    """Why a weight has no single place."""
    if places:
        paths = ", ".join(dict.fromkeys(path for place in places for path in place.paths))
        return f"its values are in several places ({paths}), or in several orders of axes: say in `names` which it is"
    named = _at(weight.name, candidates)
    if named is not None and list(_layouts(weight, named)):
        return "the parameter of this name has other values: give it in `names` to have them replaced by the model's"
    if named is not None:
        return f"expected shape {list(weight.shape)} in some order of axes, got {list(named.values.shape)}"
    reason = f"no parameter of the module has its values, in any order of axes (shape {list(weight.shape)})"
    if weight.op_type in _RECURRENT:
        return f"{reason}: PyTorch's {weight.op_type} has its gates in another order; use onnxdc.torch.module"
    done = [path for path, part in module.named_modules() if hasattr(part, "parametrizations")]
    return f"{reason}; parametrized already: {', '.join(path or 'the module' for path in done)}" if done else reason


def _refuse_folded(weight: HookedWeight, candidates: list[_Candidate]) -> None:
    """HookError if the weight is one of the candidates with BatchNormalization folded into it."""
    for candidate in candidates:
        if _is_folded(weight, candidate):
            raise HookError(
                f"{weight.name}: it is the parameter {candidate.paths[0]} times a factor for each output channel: "
                "BatchNormalization is folded into it; fold it in the module, too (torch.nn.utils.fuse_conv_bn_eval), "
                "or export without folding"
            )


def _is_folded(weight: HookedWeight, candidate: _Candidate) -> bool:
    """Whether the weight is the candidate times one factor for each output channel, as folding makes it.

    The channels lie along the first axis of PyTorch's layers, the second of transposed convolutions.
    """
    tolerance, least = (_CLOSE / 2, _LEFT_OF_SHARED) if weight.stage == "shared" else (100 * _EQUAL, 1)
    kept = np.count_nonzero(weight.mask)
    for axes in _layouts(weight, candidate):
        values = np.where(weight.mask, weight.values, 0).transpose(axes).astype(np.float64)
        original = np.where(weight.mask.transpose(axes), candidate.values, 0).astype(np.float64)
        norm, apart = np.linalg.norm(values), np.linalg.norm(values - original)
        for axis in range(min(2, values.ndim)) if apart > _EQUAL * norm else ():
            left = kept - values.shape[axis]
            rest = tuple(other for other in range(values.ndim) if other != axis)
            squares = (original**2).sum(rest, keepdims=True)
            factors = (values * original).sum(rest, keepdims=True) / np.where(squares == 0, 1, squares)
            behind = np.linalg.norm(values - factors * original)
            explains = left >= least and behind**2 / left <= (1 - _EXPLAINED) * apart**2 / kept
            if explains and behind <= tolerance * norm:
                return True
    return False

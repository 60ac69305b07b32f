"""Find what holds the weights of an ONNX model in a module: by their names, else by their values.

Weights, biases, scales and shifts are looked for among its parameters, running statistics among its buffers.
``candidates.py`` says what of the module can hold a weight, and how values are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from torch import nn

from onnxdc.errors import HookError
from onnxdc.hooks import HookedWeight, TrainingHook
from onnxdc.torch.candidates import BUFFERS, CLOSE, EQUAL, Candidate, find_candidates

_RECURRENT: Final = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True)
class Match:
    """Where a weight lies in a module.

    Attributes:
        paths: The paths of its parameter or buffer; several where modules share it.
        axes: The order of axes: ``weight.transpose(axes)`` has the layout of the parameter.
    """

    paths: tuple[str, ...]
    axes: tuple[int, ...]


def find_matches(
    module: nn.Module, hook: TrainingHook, names: Mapping[str, str]
) -> tuple[dict[str, Match], tuple[str, ...]]:
    """Find the weights of a hook in a module.

    Args:
        module: The module of the user; it is not changed.
        hook: The hook of the model.
        names: For some of the weights the path of the parameter or buffer.

    Returns:
        The matches by the weights' names, and the names of the dense weights and statistics that have none.

    Raises:
        HookError: A pruned or shared weight is found nowhere, or several times, or what its name or ``names`` says has
            another shape or other values; or BatchNormalization is folded into a weight.
    """
    for name in names:
        if name not in hook.weights:
            raise HookError(f"{name}: no such weight in the hook, expected one of {', '.join(hook.weights)}")
    matches: dict[str, Match] = {}
    for statistic in (None, *BUFFERS):
        weights = {name: weight for name, weight in hook.weights.items() if weight.statistic == statistic}
        matches |= _match(weights, find_candidates(module, statistic), names, module)
    return matches, tuple(name for name in hook.weights if name not in matches)


def _match(
    weights: Mapping[str, HookedWeight], candidates: list[Candidate], names: Mapping[str, str], module: nn.Module
) -> dict[str, Match]:
    """Match weights that can lie in any of the candidates; the errors are those of ``find_matches``."""
    matches: dict[str, Match] = {}
    nameless = []
    for name, weight in weights.items():
        if name in names:
            matches[name] = _as_told(weight, names[name], candidates)
        elif (by_name := _by_name(weight, candidates)) is not None:
            matches[name] = by_name
        else:
            nameless.append(weight)
    taken = {match.paths for match in matches.values()}
    for weight in nameless:
        free = [candidate for candidate in candidates if candidate.paths not in taken]
        possible = _by_values(weight, free) or _by_values(weight, candidates)
        if not possible:
            _refuse_folded(weight, candidates)
        if len(possible) == 1:
            matches[weight.name] = possible[0]
        elif not weight.is_free:
            raise HookError(f"{weight.name}: {_why_not(weight, possible, candidates, module)}")
    for name, match in matches.items():
        _refuse_folded(weights[name], [candidate for candidate in candidates if candidate.paths == match.paths])
    return matches


def _at(path: str, candidates: list[Candidate]) -> Candidate | None:
    return next((candidate for candidate in candidates if path in candidate.paths), None)


def _by_name(weight: HookedWeight, candidates: list[Candidate]) -> Match | None:
    """Match what has the weight's name, None where it has other values; a statistic's name alone is enough."""
    candidate = _at(weight.name, candidates)
    tolerance = CLOSE if weight.statistic is None else np.inf
    axes = None if candidate is None else candidate.nearest_order(weight, tolerance)
    return None if candidate is None or axes is None else Match(candidate.paths, axes)


def _as_told(weight: HookedWeight, path: str, candidates: list[Candidate]) -> Match:
    """Match what ``names`` says, whatever the values."""
    candidate = _at(path, candidates)
    if candidate is None:
        known = ", ".join(path for candidate in candidates for path in candidate.paths)
        raise HookError(f"{weight.name}: the module has no parameter {path!r} to constrain, expected one of {known}")
    orders = list(candidate.orders(weight))
    if not orders:
        expected, got = list(weight.shape), list(candidate.values.shape)
        raise HookError(f"{weight.name}: expected shape {expected} in some order of axes, got {got} in {path}")
    axes = candidate.nearest_order(weight, CLOSE)
    if axes is not None:
        return Match(candidate.paths, axes)
    usual = weight.layout.get("torch")
    return Match(candidate.paths, usual if usual in orders else orders[0])


def _by_values(weight: HookedWeight, candidates: list[Candidate]) -> list[Match]:
    """Match all that has the weight's values; of shared weights, whose values have moved, only the nearest."""
    near = [
        (distance, Match(candidate.paths, axes))
        for candidate in candidates
        for axes in candidate.orders(weight)
        if (distance := candidate.distance(weight, axes)) <= (CLOSE if weight.stage == "shared" else candidate.equal)
    ]
    smallest = min((distance for distance, _ in near), default=0.0)
    nearest = [match for distance, match in near if distance <= smallest + EQUAL]
    usual = [match for match in nearest if match.axes == weight.layout.get("torch")]
    symmetric = len({match.paths for match in nearest}) == 1
    return usual if symmetric and usual else nearest


def _why_not(weight: HookedWeight, possible: list[Match], candidates: list[Candidate], module: nn.Module) -> str:
    """Say why a weight has not one match."""
    if possible:
        paths = ", ".join(dict.fromkeys(path for match in possible for path in match.paths))
        return f"its values are in several places ({paths}), or in several orders of axes: say in `names` which it is"
    named = _at(weight.name, candidates)
    if named is not None and list(named.orders(weight)):
        return "the parameter of this name has other values: give it in `names` to have them replaced by the model's"
    if named is not None:
        return f"expected shape {list(weight.shape)} in some order of axes, got {list(named.values.shape)}"
    reason = f"no parameter of the module has its values, in any order of axes (shape {list(weight.shape)})"
    if weight.op_type in _RECURRENT:
        return f"{reason}: PyTorch's {weight.op_type} has its gates in another order; use onnxdc.torch.module"
    done = [path for path, part in module.named_modules() if hasattr(part, "parametrizations")]
    return f"{reason}; parametrized already: {', '.join(path or 'the module' for path in done)}" if done else reason


def _refuse_folded(weight: HookedWeight, candidates: list[Candidate]) -> None:
    """Raise HookError if the weight is one of the candidates with BatchNormalization folded into it."""
    for candidate in candidates:
        if candidate.is_folded_into(weight):
            raise HookError(
                f"{weight.name}: it is the parameter {candidate.paths[0]} times a factor for each output channel: "
                "BatchNormalization is folded into it; fold it in the module, too (torch.nn.utils.fuse_conv_bn_eval), "
                "or export without folding"
            )

"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator

# Takes the tensor, the axes, and whether to keep them with size 1.
_Reduction: TypeAlias = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):  # torch multiplies along one axis at a time
        x = x.prod(axis, keepdim=keep, dtype=x.dtype)
    return x


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.sum(axes, keepdim=keep, dtype=x.dtype)


_REDUCTIONS: Final[dict[str, _Reduction]] = {
    "ReduceL1": lambda x, axes, keep: _sum(x.abs(), axes, keep),
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep),
    "ReduceLogSum": lambda x, axes, keep: _sum(x, axes, keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: torch.logsumexp(x, axes, keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keep),
    "ReduceProd": _product,
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, axes, keep: _sum(x.square(), axes, keep),
}


def _reduce(call: Call, x: Tensor, axes: Tensor | None, reduction: _Reduction) -> Tensor:
    chosen = call.ints(axes, "axes")
    if not chosen:
        if call.get("noop_with_empty_axes", 0):
            return reduction(x.unsqueeze(0), [0], False)  # of one element each
        chosen = list(range(x.dim()))
    return reduction(x, [axis % x.dim() for axis in chosen], bool(call.get("keepdims", 1)))


def _register_table() -> None:
    for name, reduction in _REDUCTIONS.items():
        operator(name)(lambda call, x, axes=None, reduction=reduction: _reduce(call, x, axes, reduction))


_register_table()

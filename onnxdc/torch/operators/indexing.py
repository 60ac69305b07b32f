"""Operators that take or put elements by index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, Outputs, operator

# ONNX's reductions -> torch's.
_REDUCTIONS: Final = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _from_zero(indices: Tensor, size: int) -> Tensor:
    """Return indices that count from the front."""
    return torch.where(indices < 0, indices + size, indices)


@operator("Gather")
def gather(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Return the slices of an axis at indices, in the shape of the indices."""
    axis = call.get("axis", 0) % x.dim()
    flat = _from_zero(indices, x.shape[axis]).reshape(-1).to(x.device)
    return x.index_select(axis, flat).reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


@operator("GatherElements")
def gather_elements(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Return for each index the element at that index of an axis."""
    axis = call.get("axis", 0) % x.dim()
    return torch.gather(x, axis, _from_zero(indices, x.shape[axis]).to(torch.int64))


@operator("GatherND")
def gather_nd(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Return slices by the indices of all axes before them."""
    batch, depth = call.get("batch_dims", 0), indices.shape[-1]
    shape = (*indices.shape[:-1], *x.shape[batch + depth :])
    table = x.reshape(-1, *x.shape[batch:])
    chosen = indices.reshape(table.shape[0], -1, depth)
    first = torch.arange(table.shape[0], device=x.device).unsqueeze(1)
    return table[(first, *chosen.unbind(-1))].reshape(shape)


@operator("ScatterElements")
def scatter_elements(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Return the tensor with elements at indices of an axis replaced, or reduced with the updates."""
    axis, reduction = call.get("axis", 0) % x.dim(), call.get("reduction", "none")
    positive = _from_zero(indices, x.shape[axis]).to(torch.int64)
    if reduction == "none":
        return x.scatter(axis, positive, updates)
    return x.scatter_reduce(axis, positive, updates, _REDUCTIONS[reduction])


def _known_reduction(attributes: Mapping[str, Any], outputs: int) -> str | None:
    reduction = attributes.get("reduction", "none")
    return None if reduction in ("none", "add") else f"reduction {reduction!r} is not covered"


@operator("ScatterND", refuses=_known_reduction)
def scatter_nd(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Return the tensor with slices replaced, or with the updates added to them."""
    accumulate = call.get("reduction", "none") == "add"
    return x.index_put(indices.to(torch.int64).unbind(-1), updates, accumulate=accumulate)


@operator("OneHot")
def one_hot(call: Call, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """Return a new axis with one value at each index, and another elsewhere."""
    count, rank = int(depth), indices.dim() + 1
    axis = call.get("axis", -1) % rank
    shape = [count if other == axis else 1 for other in range(rank)]
    positive = _from_zero(indices, count).unsqueeze(axis)
    return torch.where(positive == torch.arange(count, device=indices.device).reshape(shape), values[1], values[0])


@operator("ArgMax")
def arg_max(call: Call, x: Tensor) -> Tensor:
    """Return the index of the largest element along an axis, int64."""
    return _first(call, x, largest=True)


@operator("ArgMin")
def arg_min(call: Call, x: Tensor) -> Tensor:
    """Return the index of the smallest element along an axis, int64."""
    return _first(call, x, largest=False)


def _first(call: Call, x: Tensor, *, largest: bool) -> Tensor:
    axis, keep = call.get("axis", 0), bool(call.get("keepdims", 1))
    find = torch.argmax if largest else torch.argmin
    if call.get("select_last_index", 0):
        last: Tensor = x.shape[axis] - 1 - find(x.flip(axis), dim=axis, keepdim=keep)
        return last
    return find(x, dim=axis, keepdim=keep)


@operator("TopK")
def top_k(call: Call, x: Tensor, k: Tensor | None = None) -> Outputs:
    """Return the largest or smallest elements along an axis, equal ones in their order, and their indices."""
    count = call.get("k") if k is None else int(k)
    axis = call.get("axis", -1)
    values, indices = x.sort(dim=axis, descending=bool(call.get("largest", 1)), stable=True)
    return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)


@operator("NonZero")
def non_zero(call: Call, x: Tensor) -> Tensor:
    """Return the indices of all elements that are not 0, ``[rank, count]``."""
    return x.nonzero().t()

"""Operators that move elements, make them, ask for their shape, or change their type."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, Outputs, operator
from onnxdc.torch.types import torch_type


@operator("Identity")
def identity(call: Call, x: Tensor) -> Tensor:
    """Return the input."""
    return x


@operator("Constant")
def constant(call: Call) -> Tensor:
    """Return a constant that is known only when a function is called; all others are read with the model."""
    value = next(iter(call.attributes.values()))
    return value if isinstance(value, Tensor) else torch.tensor(value)


@operator("Cast")
def cast(call: Call, x: Tensor) -> Tensor:
    """Return the elements in another type."""
    return x.to(torch_type(ir.DataType(call.get("to")), "Cast"))


@operator("CastLike")
def cast_like(call: Call, x: Tensor, like: Tensor) -> Tensor:
    """Return the elements in the type of another tensor."""
    return x.to(like.dtype)


@operator("Shape")
def shape(call: Call, x: Tensor) -> Tensor:
    """Return the shape, or a part of it, int64."""
    return torch.tensor(list(x.shape)[call.get("start", 0) : call.get("end")], dtype=torch.int64)


@operator("Size")
def size(call: Call, x: Tensor) -> Tensor:
    """Return the number of elements, int64."""
    return torch.tensor(x.numel())


@operator("Reshape")
def reshape(call: Call, x: Tensor, sizes: Tensor | None = None) -> Tensor:
    """Return the same elements in another shape; 0 copies a size, -1 is what is left."""
    wanted = call.ints(sizes, "shape") or []
    if not call.get("allowzero", 0):
        wanted = [x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    if -1 in wanted and x.numel() == 0:  # torch calls this ambiguous
        known = math.prod(size for size in wanted if size != -1)
        wanted = [(0 if known else 1) if size == -1 else size for size in wanted]
    return x.reshape(wanted)


@operator("Flatten")
def flatten(call: Call, x: Tensor) -> Tensor:
    """Return a matrix: the axes before one are its rows, those from it on its columns."""
    axis = call.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Transpose")
def transpose(call: Call, x: Tensor) -> Tensor:
    """Return the tensor with its axes in another order, reversed if none is given."""
    return x.permute(call.get("perm") or list(reversed(range(x.dim()))))


@operator("Squeeze")
def squeeze(call: Call, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Return the tensor without axes of size 1: those given, or all."""
    chosen = call.ints(axes, "axes")
    if chosen is None:
        return x.squeeze()
    for axis in chosen:
        if x.shape[axis] != 1:
            raise ValueError(f"expected size 1 at axis {axis}, got {x.shape[axis]}")
    return x.squeeze(tuple(chosen))


@operator("Unsqueeze")
def unsqueeze(call: Call, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Return the tensor with more axes of size 1, whose numbers in the result are given."""
    chosen = call.ints(axes, "axes") or []
    rank = x.dim() + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@operator("Concat")
def concat(call: Call, *inputs: Tensor) -> Tensor:
    """Return the inputs, one after the other along an axis."""
    return torch.cat(inputs, dim=call.get("axis"))


@operator("Split")
def split(call: Call, x: Tensor, sizes: Tensor | None = None) -> Outputs:
    """Return parts along an axis, of equal size unless sizes are given; the last part may be smaller."""
    axis, given = call.get("axis", 0), call.ints(sizes, "split")
    if given is not None:
        return tuple(torch.split_with_sizes(x, given, axis))
    parts, length = call.get("num_outputs", call.outputs), x.shape[axis]
    most = -(-length // parts)
    return tuple(torch.split_with_sizes(x, [min(most, length - most * part) for part in range(parts)], axis))


@operator("Slice")
def slice_(
    call: Call,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """Return ranges of some axes; bounds count from the end if they are negative, and are drawn into the axis."""
    first, last = call.ints(starts, "starts") or [], call.ints(ends, "ends") or []
    chosen = call.ints(axes, "axes") or list(range(len(first)))
    strides = call.ints(steps, "steps") or [1] * len(first)
    for axis, start, end, step in zip(chosen, first, last, strides, strict=True):
        indices = _indices(x.shape[axis], start, end, step)
        if step == 1:
            x = x.narrow(axis, indices.start, len(indices))
        else:
            x = x.index_select(axis, torch.tensor(list(indices), dtype=torch.int64, device=x.device))
    return x


def _indices(size: int, start: int, end: int, step: int) -> range:
    """Return the indices of a range of an axis; unlike in Python, one that goes down has a start within the axis."""
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return range(min(max(start, 0), size), min(max(end, 0), size), step)
    return range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)


@operator("Expand")
def expand(call: Call, x: Tensor, sizes: Tensor) -> Tensor:
    """Return the tensor, repeated along axes of size 1 to the shape that its own and a given one broadcast to."""
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(sizes.tolist())))


@operator("Tile")
def tile(call: Call, x: Tensor, repeats: Tensor) -> Tensor:
    """Return the tensor, repeated along each axis."""
    return torch.tile(x, repeats.tolist())


@operator("ConstantOfShape")
def constant_of_shape(call: Call, sizes: Tensor) -> Tensor:
    """Return a tensor of equal elements."""
    value = call.get("value", torch.zeros(1))
    return torch.full(sizes.tolist(), value.item(), dtype=value.dtype, device=sizes.device)


@operator("Range")
def range_(call: Call, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Return numbers in equal steps up to a limit, which is not one of them."""
    count = max(math.ceil((limit.item() - start.item()) / delta.item()), 0)
    return start + delta * torch.arange(count, dtype=start.dtype, device=start.device)


@operator("EyeLike")
def eye_like(call: Call, x: Tensor) -> Tensor:
    """Return ones on a diagonal of a matrix of zeros."""
    kind = torch_type(ir.DataType(call.get("dtype")), "EyeLike") if "dtype" in call.attributes else x.dtype
    return torch.ones(x.shape, dtype=kind, device=x.device).triu(call.get("k", 0)).tril(call.get("k", 0))


@operator("Trilu")
def triangle(call: Call, x: Tensor, k: Tensor | None = None) -> Tensor:
    """Return the upper or lower triangle of matrices, zeros elsewhere."""
    diagonal = 0 if k is None else int(k)
    return x.triu(diagonal) if call.get("upper", 1) else x.tril(diagonal)


@operator("DepthToSpace")
def depth_to_space(call: Call, x: Tensor) -> Tensor:
    """Return blocks of channels as blocks of pixels."""
    n, c, h, w = x.shape
    b = call.get("blocksize")
    if call.get("mode", "DCR") == "DCR":
        return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)
    return x.reshape(n, c // b**2, b, b, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)


@operator("SpaceToDepth")
def space_to_depth(call: Call, x: Tensor) -> Tensor:
    """Return blocks of pixels as blocks of channels."""
    n, c, h, w = x.shape
    b = call.get("blocksize")
    order = (0, 3, 5, 1, 2, 4) if call.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return x.reshape(n, c, h // b, b, w // b, b).permute(order).reshape(n, c * b**2, h // b, w // b)

"""Resize and Upsample: each element of the result is a weighted sum of a few taps along each axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator

_NEAREST: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": lambda x: np.floor(x),
    "ceil": lambda x: np.ceil(x),
}


def _refuses(attributes: Mapping[str, Any], outputs: int) -> str | None:
    if attributes.get("antialias", 0):
        return "antialias is not covered"
    if attributes.get("coordinate_transformation_mode") in ("tf_crop_and_resize", "tf_half_pixel_for_nn"):
        return f"coordinate_transformation_mode {attributes['coordinate_transformation_mode']!r} is not covered"
    return None


@operator("Resize", refuses=_refuses)
def resize(call: Call, x: Tensor, *given: Tensor | None) -> Tensor:
    """Return the tensor at another size, by the nearest element, or linear or cubic interpolation."""
    roi, scales, sizes = (None, *given, None)[:3] if call.version < 11 else (*given, None, None, None)[:3]
    del roi  # of tf_crop_and_resize alone
    mode = call.get("coordinate_transformation_mode", "half_pixel" if call.version >= 11 else "asymmetric")
    nearest = call.get("nearest_mode", "round_prefer_floor" if call.version >= 11 else "floor")
    axes = call.get("axes") or list(range(x.dim()))
    factors = _factors(call, x, axes, scales, sizes)
    for axis, (factor, size) in zip(axes, factors, strict=True):
        if factor != 1 or size != x.shape[axis]:
            positions = _positions(mode, size, x.shape[axis], factor)
            x = _along(x, axis, *_taps(call, nearest, positions, x.shape[axis]))
    return x


@operator("Upsample")
def upsample(call: Call, x: Tensor, scales: Tensor | None = None) -> Tensor:
    """Return the tensor at a larger size, as operator sets before 10 have it."""
    factors = call.get("scales") if scales is None else scales.tolist()
    for axis, factor in enumerate(factors):
        size = int(np.floor(x.shape[axis] * factor))
        if size != x.shape[axis]:
            positions = _positions("asymmetric", size, x.shape[axis], factor)
            x = _along(x, axis, *_taps(call, "floor", positions, x.shape[axis]))
    return x


def _factors(
    call: Call, x: Tensor, axes: list[int], scales: Tensor | None, sizes: Tensor | None
) -> list[tuple[float, int]]:
    """Return the scale and the new size of each of the axes."""
    lengths = [x.shape[axis] for axis in axes]
    if scales is not None and scales.numel():
        return [(f, int(np.floor(n * f))) for f, n in zip(scales.tolist(), lengths, strict=True)]
    assert sizes is not None, "Resize has neither scales nor sizes"
    wanted = [int(size) for size in sizes.tolist()]
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return [(size / length, size) for size, length in zip(wanted, lengths, strict=True)]
    factors = [size / length for size, length in zip(wanted, lengths, strict=True)]
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [(factor, int(np.floor(factor * length + 0.5))) for length in lengths]


def _positions(mode: str, size: int, length: int, scale: float) -> np.ndarray:
    """Return the coordinates in the input of the elements of the output, ``[size]``, in float32 as in runtimes."""
    out, factor = np.arange(size, dtype=np.float32), np.float32(scale)
    if mode == "align_corners":
        return out * (length - 1) / (size - 1) if size > 1 else np.zeros(size, np.float32)
    if mode == "asymmetric":
        return out / factor
    if mode == "pytorch_half_pixel" and size == 1:
        return np.zeros(size, np.float32)
    if mode == "half_pixel_symmetric":
        adjustment = size / (factor * length)
        return length / 2 * (1 - adjustment) + (out + 0.5) / factor - 0.5
    return (out + 0.5) / factor - 0.5


def _taps(call: Call, nearest: str, positions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices that each output takes, and their weights, both ``[size, taps]``."""
    mode = call.get("mode", "nearest")
    if mode == "nearest":
        indices = _NEAREST[nearest](positions)[:, None]
        return np.clip(indices, 0, length - 1), np.ones(indices.shape)
    first = np.floor(positions)
    ratio = (positions - first)[:, None]
    if mode == "linear":
        indices, weights = first[:, None] + np.arange(2), np.concatenate([1 - ratio, ratio], axis=1)
    else:
        indices = first[:, None] + np.arange(-1, 3)
        weights = _cubic(np.abs(positions[:, None] - indices), call.get("cubic_coeff_a", -0.75))
    if call.get("exclude_outside", 0):
        weights = np.where((indices >= 0) & (indices < length), weights, 0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(indices, 0, length - 1), weights


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """Return the kernel of cubic convolution (Keys 1981), for distances up to 2."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.asarray(np.where(distance <= 1, near, far))


def _along(x: Tensor, axis: int, indices: np.ndarray, weights: np.ndarray) -> Tensor:
    """Return the weighted sums of taps along an axis."""
    chosen = torch.from_numpy(indices.astype(np.int64)).to(x.device)
    if indices.shape[1] == 1:
        return x.index_select(axis, chosen[:, 0])
    shape = [-1 if other == axis % x.dim() else 1 for other in range(x.dim())]
    factors = torch.from_numpy(weights).to(x.dtype).to(x.device)
    parts = [x.index_select(axis, chosen[:, tap]) * factors[:, tap].reshape(shape) for tap in range(indices.shape[1])]
    return torch.stack(parts).sum(0)

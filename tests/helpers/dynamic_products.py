"""Products on integers as docs/format.md, section 9, defines them: in numpy, the sums in int64."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

LEAST = np.float32(2.0**-100)


def rounded_weight(matrix: np.ndarray, steps: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Integers and the scale of each row of a float32 matrix [outputs, K]; ``steps`` of rows, 0 where there is none."""
    largest = np.abs(matrix).max(axis=1, initial=0).astype(np.float32)
    scale = np.maximum(largest / np.float32(127), LEAST)
    if steps is not None:
        scale = np.where(steps > 0, steps, scale).astype(np.float32)
    return np.rint(matrix / scale[:, None]).astype(np.int64), scale


def rounded_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is left of rows [M, K] once they are bytes, less the zero point; and the scale of each, NaN without one."""
    finite = np.isfinite(x).all(axis=1)
    x = np.where(finite[:, None], x, np.float32(0)).astype(np.float32)
    low, high = np.minimum(x.min(axis=1, initial=0), 0), np.maximum(x.max(axis=1, initial=0), 0)
    scale = np.maximum(high / np.float32(255) - low / np.float32(255), LEAST)
    inverse = np.float32(1) / scale
    zero = np.rint(-low * inverse)
    data = np.clip(np.rint(x * inverse[:, None]) + zero[:, None], 0, 255) - zero[:, None]
    return data.astype(np.int64), np.where(finite, scale, np.float32(np.nan)).astype(np.float32)


def matrix_product(x: np.ndarray, weight: np.ndarray, steps: np.ndarray | None = None) -> np.ndarray:
    """float64 [M, N] of x [M, K] and a weight [K, N]."""
    data, scale = rounded_rows(x)
    integers, weight_scale = rounded_weight(weight.T, steps)
    return (data @ integers.T) * (scale[:, None] * weight_scale[None, :]).astype(np.float64)


def convolution(
    x: np.ndarray, weight: np.ndarray, attributes: Mapping[str, Any], steps: np.ndarray | None = None
) -> np.ndarray:
    """float64 [B, O, ...] of x [B, C, ...] and a weight [O, C / group, ...], with explicit pads."""
    rank = x.ndim - 2
    groups, kernel = attributes.get("group", 1), weight.shape[2:]
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads = attributes.get("pads", [0] * 2 * rank)
    data, scale = rounded_rows(x.reshape(len(x), -1))
    integers, weight_scale = rounded_weight(weight.reshape(len(weight), -1), steps)
    around = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    padded = np.pad(data.reshape(x.shape), around)
    out = [
        (size - (k - 1) * d - 1) // s + 1
        for size, k, d, s in zip(padded.shape[2:], kernel, dilations, strides, strict=True)
    ]
    sums = np.zeros((len(x), len(weight), *out), np.int64)
    rows, inputs = len(weight) // groups, weight.shape[1]
    integers = integers.reshape(weight.shape)
    for tap in product(*map(range, kernel)):
        places = [
            slice(t * d, t * d + (size - 1) * s + 1, s)
            for t, d, size, s in zip(tap, dilations, out, strides, strict=True)
        ]
        met = padded[(slice(None), slice(None), *places)]
        for group in range(groups):
            own = slice(group * rows, (group + 1) * rows)
            seen = met[:, group * inputs : (group + 1) * inputs]
            part = integers[(own, slice(None), *tap)]
            sums[:, own] += np.einsum("oc,bc...->bo...", part, seen)
    scales = (scale[:, None] * weight_scale[None, :]).astype(np.float64)
    return sums * scales.reshape(*scales.shape, *[1] * rank)

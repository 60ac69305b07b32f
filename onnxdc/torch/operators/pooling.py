"""Pooling over windows, and over all that is spatial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from onnxdc.torch.operators.registry import Call, operator
from onnxdc.torch.operators.windows import Windows, pad_order, windows


def _refuses(attributes: Mapping[str, Any], outputs: int) -> str | None:
    if outputs > 1:
        return "its second output, the indices, is not covered"
    if attributes.get("auto_pad", "NOTSET").startswith("SAME") and max(attributes.get("dilations", [1])) > 1:
        return "auto_pad with dilations, which runtimes read in two ways, is not covered"
    return None


@operator("MaxPool", refuses=_refuses)
def max_pool(call: Call, x: Tensor) -> Tensor:
    """Return the largest element of each window."""
    if len(call.get("kernel_shape")) > 3:
        raise ValueError(f"expected 1 to 3 spatial axes, got {len(call.get('kernel_shape'))}")
    w = _with_ceil(call, x)
    lowest = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    padded = functional.pad(x, w.padding, value=lowest) if any(w.padding) else x
    run = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[len(w.kernel) - 1]
    return run(padded, w.kernel, w.strides, 0, w.dilations)


@operator("AveragePool", refuses=_refuses)
def average_pool(call: Call, x: Tensor) -> Tensor:
    """Return the mean of each window, of what is in the input and, with ``count_include_pad``, in the padding, too."""
    w, plain = _with_ceil(call, x), windows(call, x.shape[2:], call.get("kernel_shape"))
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    if call.get("count_include_pad", 0):
        rest = [more - less for more, less in zip(w.end, plain.end, strict=True)]
        ones = functional.pad(functional.pad(ones, plain.padding, value=1.0), pad_order([0] * len(rest), rest))
    else:
        ones = functional.pad(ones, w.padding)
    return _sums(functional.pad(x, w.padding), w) / _sums(ones, w)


@operator("LpPool", refuses=_refuses)
def lp_pool(call: Call, x: Tensor) -> Tensor:
    """Return the p-norm of each window."""
    w, p = _with_ceil(call, x), call.get("p", 2)
    return _sums(functional.pad(x.abs().pow(p), w.padding), w).pow(1 / p)


@operator("GlobalAveragePool")
def global_average_pool(call: Call, x: Tensor) -> Tensor:
    """Return the mean of each channel."""
    return x.mean(dim=tuple(range(2, x.dim())), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(call: Call, x: Tensor) -> Tensor:
    """Return the largest element of each channel."""
    return x.amax(dim=tuple(range(2, x.dim())), keepdim=True)


def _sums(x: Tensor, w: Windows) -> Tensor:
    """Return the sums over windows of ``[N, C, ...]``, as convolutions with ones: ``avg_pool`` knows no dilations."""
    run = (functional.conv1d, functional.conv2d, functional.conv3d)[len(w.kernel) - 1]
    ones = torch.ones((1, 1, *w.kernel), dtype=x.dtype, device=x.device)
    sums = run(x.flatten(0, 1).unsqueeze(1), ones, None, w.strides, 0, w.dilations)
    return sums.reshape(x.shape[0], x.shape[1], *sums.shape[2:])


def _with_ceil(call: Call, x: Tensor) -> Windows:
    """Return the windows of a pooling node; ``ceil_mode`` pads on so that a last window that reaches out counts.

    A window that would start in the padding at the end does not.
    """
    sizes = x.shape[2:]
    w = windows(call, sizes, call.get("kernel_shape"))
    if not call.get("ceil_mode", 0) or call.get("auto_pad", "NOTSET").startswith("SAME"):
        return w
    end = []
    for size, span, stride, before, after in zip(sizes, w.spans, w.strides, w.begin, w.end, strict=True):
        count = -(-(size + before + after - span) // stride) + 1
        count -= (count - 1) * stride >= size + before
        end.append(max(after, (count - 1) * stride + span - size - before))
    return replace(w, end=end)

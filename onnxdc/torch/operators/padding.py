"""Padding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onnxdc.torch.operators.registry import Call, operator
from onnxdc.torch.operators.windows import pad_order


@operator("Pad")
def pad(
    call: Call, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    """Add elements before and after axes: a constant, the edge, or the tensor reflected or wrapped round."""
    counts = call.ints(pads, "pads") or []
    chosen = call.ints(axes, "axes") or list(range(x.dim()))
    begin, end = [0] * x.dim(), [0] * x.dim()
    for number, axis in enumerate(chosen):
        begin[axis], end[axis] = counts[number], counts[number + len(chosen)]
    mode = call.get("mode", "constant")
    if mode == "constant":
        fill = call.get("value", 0.0) if value is None else value.item()
        return functional.pad(x, pad_order(begin, end), value=fill)
    for axis, (before, after) in enumerate(zip(begin, end, strict=True)):
        if before or after:
            indices = np.pad(np.arange(x.shape[axis]), (max(before, 0), max(after, 0)), mode=mode)
            indices = indices[max(-before, 0) : indices.size - max(-after, 0)]
            x = x.index_select(axis, torch.from_numpy(indices).to(x.device))
    return x

"""Comparisons and truth values, element by element."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator, register_plain

register_plain(
    {
        "And": torch.logical_and,
        "Equal": torch.eq,
        "Greater": torch.gt,
        "GreaterOrEqual": torch.ge,
        "Less": torch.lt,
        "LessOrEqual": torch.le,
        "Or": torch.logical_or,
        "Xor": torch.logical_xor,
        "IsNaN": torch.isnan,
        "Not": torch.logical_not,
    }
)


@operator("IsInf")
def is_infinite(call: Call, x: Tensor) -> Tensor:
    """Tell which elements are infinite, of the signs that are asked for."""
    infinite = torch.isposinf(x) if call.get("detect_positive", 1) else torch.zeros_like(x, dtype=torch.bool)
    return infinite | torch.isneginf(x) if call.get("detect_negative", 1) else infinite


@operator("Where")
def where(call: Call, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return elements of ``a`` where the condition holds, else of ``b``."""
    return torch.where(condition, a, b)

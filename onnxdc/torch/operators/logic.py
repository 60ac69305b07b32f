"""Comparisons and truth values, element by element."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "And": torch.logical_and,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
}

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {"IsNaN": torch.isnan, "Not": torch.logical_not}


def _register_tables() -> None:
    for name, unary in _UNARY.items():
        operator(name)(lambda call, x, unary=unary: unary(x))
    for name, binary in _BINARY.items():
        operator(name)(lambda call, a, b, binary=binary: binary(a, b))


_register_tables()


@operator("IsInf")
def is_infinite(call: Call, x: Tensor) -> Tensor:
    """Whether an element is infinite, of the signs that are asked for."""
    found = torch.isposinf(x) if call.get("detect_positive", 1) else torch.zeros_like(x, dtype=torch.bool)
    return found | torch.isneginf(x) if call.get("detect_negative", 1) else found


@operator("Where")
def where(call: Call, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Elements of ``a`` where the condition holds, else of ``b``."""
    return torch.where(condition, a, b)

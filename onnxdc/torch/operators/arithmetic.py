"""Arithmetic, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator, register_plain

register_plain(
    {
        "Abs": torch.abs,
        "Acos": torch.acos,
        "Acosh": torch.acosh,
        "Asin": torch.asin,
        "Asinh": torch.asinh,
        "Atan": torch.atan,
        "Atanh": torch.atanh,
        "Ceil": torch.ceil,
        "Cos": torch.cos,
        "Cosh": torch.cosh,
        "Erf": torch.erf,
        "Exp": torch.exp,
        "Floor": torch.floor,
        "Log": torch.log,
        "Neg": torch.neg,
        "Reciprocal": torch.reciprocal,
        "Round": torch.round,  # halves to even, as in ONNX
        "Sign": torch.sign,
        "Sin": torch.sin,
        "Sinh": torch.sinh,
        "Sqrt": torch.sqrt,
        "Tan": torch.tan,
        "Add": torch.add,
        "Sub": torch.sub,
        "Mul": torch.mul,
    }
)


def _reduce(pair: Callable[[Tensor, Tensor], Tensor], *inputs: Tensor) -> Tensor:
    return reduce(pair, inputs)


register_plain(
    {"Max": partial(_reduce, torch.maximum), "Min": partial(_reduce, torch.minimum), "Sum": partial(_reduce, torch.add)}
)


@operator("Div")
def divide(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Return the quotient; of integers, towards zero."""
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


@operator("Pow")
def power(call: Call, base: Tensor, exponent: Tensor) -> Tensor:
    """Return the power, in the type of the base."""
    return torch.pow(base, exponent).to(base.dtype)


@operator("Mod")
def remainder(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Return the remainder: with the sign of the divisor, or with ``fmod`` with that of the dividend."""
    return torch.fmod(a, b) if call.get("fmod", 0) else torch.remainder(a, b)


@operator("Mean")
def mean(call: Call, *inputs: Tensor) -> Tensor:
    """Return the mean of the inputs."""
    return reduce(torch.add, inputs) / len(inputs)


@operator("Clip")
def clip(call: Call, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Return the nearest value between two bounds."""
    if low is None and "min" in call.attributes:
        low = x.new_tensor(call.get("min"))
    if high is None and "max" in call.attributes:
        high = x.new_tensor(call.get("max"))
    return x if low is None and high is None else torch.clamp(x, low, high)


@operator("CumSum")
def cumulative_sum(call: Call, x: Tensor, axis: Tensor) -> Tensor:
    """Return the sums of all elements up to each one along an axis."""
    dim = int(axis)
    ordered = x.flip(dim) if call.get("reverse", 0) else x
    sums = ordered.cumsum(dim, dtype=x.dtype)
    if call.get("exclusive", 0):
        sums = sums - ordered
    return sums.flip(dim) if call.get("reverse", 0) else sums

"""Arithmetic, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
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
}

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul}

_VARIADIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Sum": torch.add,
}


def _register_tables() -> None:
    for name, unary in _UNARY.items():
        operator(name)(lambda call, x, unary=unary: unary(x))
    for name, binary in _BINARY.items():
        operator(name)(lambda call, a, b, binary=binary: binary(a, b))
    for name, pair in _VARIADIC.items():
        operator(name)(lambda call, *inputs, pair=pair: reduce(pair, inputs))


_register_tables()


@operator("Div")
def divide(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """The quotient; of integers, towards zero."""
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


@operator("Pow")
def power(call: Call, base: Tensor, exponent: Tensor) -> Tensor:
    """The power, in the type of the base."""
    return torch.pow(base, exponent).to(base.dtype)


@operator("Mod")
def remainder(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """The remainder: with the sign of the divisor, or with ``fmod`` with that of the dividend."""
    return torch.fmod(a, b) if call.get("fmod", 0) else torch.remainder(a, b)


@operator("Mean")
def mean(call: Call, *inputs: Tensor) -> Tensor:
    """The mean of the inputs."""
    return reduce(torch.add, inputs) / len(inputs)


@operator("Clip")
def clip(call: Call, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """The nearest value between two bounds."""
    if low is None and "min" in call.attributes:
        low = x.new_tensor(call.get("min"))
    if high is None and "max" in call.attributes:
        high = x.new_tensor(call.get("max"))
    return x if low is None and high is None else torch.clamp(x, low, high)


@operator("CumSum")
def cumulative_sum(call: Call, x: Tensor, axis: Tensor) -> Tensor:
    """The sums of all elements up to each one along an axis."""
    dim = int(axis)
    ordered = x.flip(dim) if call.get("reverse", 0) else x
    sums = ordered.cumsum(dim, dtype=x.dtype)
    if call.get("exclusive", 0):
        sums = sums - ordered
    return sums.flip(dim) if call.get("reverse", 0) else sums

"""Activations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from onnxdc.torch.operators.registry import Call, operator, register_plain

register_plain(
    {
        "HardSwish": functional.hardswish,
        "Mish": functional.mish,
        "Relu": functional.relu,
        "Sigmoid": torch.sigmoid,
        "Softplus": functional.softplus,
        "Softsign": functional.softsign,
        "Tanh": torch.tanh,
    }
)


@operator("LeakyRelu")
def leaky_relu(call: Call, x: Tensor) -> Tensor:
    """Return ``x``, or ``alpha * x`` below zero."""
    return functional.leaky_relu(x, call.get("alpha", 0.01))


@operator("PRelu")
def parametric_relu(call: Call, x: Tensor, slope: Tensor) -> Tensor:
    """Return ``x``, or ``slope * x`` below zero; the slope broadcasts as in numpy, not along the channels."""
    return torch.where(x < 0, slope * x, x)


@operator("ThresholdedRelu")
def thresholded_relu(call: Call, x: Tensor) -> Tensor:
    """Return ``x`` above ``alpha``, else 0."""
    return torch.where(x > call.get("alpha", 1.0), x, torch.zeros_like(x))


@operator("Elu")
def elu(call: Call, x: Tensor) -> Tensor:
    """Return ``x``, or ``alpha * (exp(x) - 1)`` below zero."""
    return functional.elu(x, call.get("alpha", 1.0))


@operator("Celu")
def celu(call: Call, x: Tensor) -> Tensor:
    """Return ``x``, or ``alpha * (exp(x / alpha) - 1)`` below zero."""
    return functional.celu(x, call.get("alpha", 1.0))


@operator("Selu")
def selu(call: Call, x: Tensor) -> Tensor:
    """Return ``gamma`` times Elu."""
    alpha, gamma = call.get("alpha", 1.67326319217681884765625), call.get("gamma", 1.05070102214813232421875)
    return functional.elu(x, alpha).mul(gamma)


@operator("HardSigmoid")
def hard_sigmoid(call: Call, x: Tensor) -> Tensor:
    """Return ``alpha * x + beta`` between 0 and 1."""
    return torch.clamp(call.get("alpha", 0.2) * x + call.get("beta", 0.5), 0, 1)


@operator("Gelu")
def gelu(call: Call, x: Tensor) -> Tensor:
    """Return ``x`` times the normal distribution function, or its approximation by tanh."""
    return functional.gelu(x, approximate=call.get("approximate", "none"))


@operator("Swish")
def swish(call: Call, x: Tensor) -> Tensor:
    """Return ``x * sigmoid(alpha * x)``."""
    return x * torch.sigmoid(call.get("alpha", 1.0) * x)


@operator("Softmax")
def softmax(call: Call, x: Tensor) -> Tensor:
    """Return exponentials that sum to 1 along an axis; before operator set 13 along all axes from the one given."""
    return _along(call, x, torch.softmax)


@operator("LogSoftmax")
def log_softmax(call: Call, x: Tensor) -> Tensor:
    """Return the logarithm of Softmax."""
    return _along(call, x, torch.log_softmax)


def _along(call: Call, x: Tensor, function: Callable[[Tensor, int], Tensor]) -> Tensor:
    if call.version >= 13:
        return function(x, call.get("axis", -1))
    axis = call.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return function(x.flatten(axis) if axis < x.dim() else x.unsqueeze(axis), axis).reshape(x.shape)

"""Normalization, and Dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from onnxdc.torch.operators.registry import Call, Outputs, operator


def _inference_form(attributes: Mapping[str, Any], outputs: int) -> str | None:
    if attributes.get("training_mode", 0) or outputs > 1:
        return "expected the running statistics, got training_mode, which takes those of the batch"
    return None


@operator("BatchNormalization", refuses=_inference_form)
def batch_normalization(call: Call, x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Normalize each channel by its running statistics, or by those of the batch while the module trains.

    Those of the batch move the running ones. They cannot be used where a channel has a single value, or where a
    running statistic is a parameter, too.
    """
    of_batch = call.training and x.numel() > x.shape[1] and not (mean.requires_grad or variance.requires_grad)
    momentum = 1 - call.get("momentum", 0.9)  # ONNX counts what is kept, PyTorch what is new
    return functional.batch_norm(x, mean, variance, scale, b, of_batch, momentum, call.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def instance_normalization(call: Call, x: Tensor, scale: Tensor, b: Tensor) -> Tensor:
    """Normalize each channel of each instance by its own statistics."""
    return functional.group_norm(x, x.shape[1], scale, b, call.get("epsilon", 1e-5))


@operator("GroupNormalization")
def group_normalization(call: Call, x: Tensor, scale: Tensor, b: Tensor) -> Tensor:
    """Normalize groups of channels of each instance by their own statistics.

    Before operator set 21 all channels of a group have one scale.
    """
    groups = call.get("num_groups")
    if call.version < 21:
        scale, b = (factor.repeat_interleave(x.shape[1] // groups) for factor in (scale, b))
    return functional.group_norm(x, groups, scale, b, call.get("epsilon", 1e-5))


@operator("LayerNormalization")
def layer_normalization(call: Call, x: Tensor, scale: Tensor, b: Tensor | None = None) -> Outputs:
    """Normalize all axes from one on by their own statistics."""
    axis, epsilon = call.get("axis", -1) % x.dim(), call.get("epsilon", 1e-5)
    shape = x.shape[axis:]
    if scale.shape == shape and (b is None or b.shape == shape):
        y = functional.layer_norm(x, shape, scale, b, epsilon)
    else:
        y = functional.layer_norm(x, shape, None, None, epsilon) * scale
        y = y if b is None else y + b
    if call.outputs == 1:
        return y
    variance, mean = torch.var_mean(x, dim=tuple(range(axis, x.dim())), correction=0, keepdim=True)
    return y, mean, torch.rsqrt(variance + epsilon)


@operator("RMSNormalization")
def rms_normalization(call: Call, x: Tensor, scale: Tensor) -> Tensor:
    """Normalize all axes from one on by their root of the mean of squares."""
    dims = tuple(range(call.get("axis", -1) % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(dims, keepdim=True) + call.get("epsilon", 1e-5)) * scale


@operator("MeanVarianceNormalization")
def mean_variance_normalization(call: Call, x: Tensor) -> Tensor:
    """Normalize the given axes by their own statistics."""
    variance, mean = torch.var_mean(x, dim=call.get("axes", [0, 2, 3]), correction=0, keepdim=True)
    return (x - mean) / (torch.sqrt(variance) + 1e-9)  # the constant of the operator's definition


@operator("LRN")
def local_response_normalization(call: Call, x: Tensor) -> Tensor:
    """Normalize each element by the squares of the channels around its own."""
    size = call.get("size")
    before = (size - 1) // 2
    squares = functional.pad(x.square().movedim(1, -1), (before, size - 1 - before))
    sums = squares.unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    base: Tensor = call.get("bias", 1.0) + call.get("alpha", 1e-4) / size * sums
    return x / base.pow(call.get("beta", 0.75))


@operator("LpNormalization")
def lp_normalization(call: Call, x: Tensor) -> Tensor:
    """Normalize vectors along an axis by their p-norm; zeros stay zeros."""
    norms = torch.linalg.vector_norm(x, call.get("p", 2), dim=call.get("axis", -1), keepdim=True)
    return x / torch.where(norms == 0, torch.ones_like(norms), norms)


def _no_mask(attributes: Mapping[str, Any], outputs: int) -> str | None:
    return "its second output, the mask, is not covered" if outputs > 1 else None


@operator("Dropout", refuses=_no_mask)
def dropout(call: Call, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None) -> Tensor:
    """Put zeros at random while the module trains, whatever the model says; change nothing in evaluation."""
    assert call.dropout is not None, "every Dropout node has its layer"
    return call.dropout(x)

"""BatchNormalization, as inference runs it, goes into the linear operator before it.

With ``factor = scale / sqrt(variance + epsilon)`` for each channel,
``BN(X W + b) = X (W factor) + b factor + offset``, where ``offset = bias - mean factor``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import replace_constant
from onnxdc.graph.slots import int_attribute
from onnxdc.graph.walk import node_name
from onnxdc.passes.fold.matmul_add import why_no_gemm
from onnxdc.passes.fold.site import FoldSite

_LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class _Affine:
    """What a BatchNormalization computes: ``factor * Y + offset`` for each channel of Y; both float64 ``[C]``."""

    factor: np.ndarray
    offset: np.ndarray


def try_fold_batch_norm(site: FoldSite) -> str | None:
    """Make the BatchNormalization the operator before it, with other weights, or say why not."""
    batch_norm = site.node
    producer = None if batch_norm.inputs[0] is None else batch_norm.inputs[0].producer()
    if producer is None or producer.domain or producer.op_type not in _LINEAR:
        return f"follows {'an input' if producer is None else producer.op_type}, no operator with a weight"
    if any(attribute.is_ref() for node in (batch_norm, producer) for attribute in node.attributes.values()):
        return "an attribute is that of the function"
    affine = _read_affine(site)
    if isinstance(affine, str):
        return affine
    reason = site.why_not_absorb(producer) or (why_no_gemm(site, producer) if producer.op_type == "MatMul" else None)
    if reason is not None:
        return reason
    weight = site.constant(producer.inputs[1])
    if weight is None or producer.inputs[1] is None:
        return f"the weight of {node_name(producer)} is not constant"
    if len(producer.inputs[1].uses()) > 1 or producer.inputs[1].is_graph_output():
        return f"the weight {producer.inputs[1].name} is used elsewhere too"
    return _fold(site, producer, weight, affine)


def _fold(site: FoldSite, producer: ir.Node, weight: np.ndarray, affine: _Affine) -> str | None:
    bias_value = producer.inputs[2] if len(producer.inputs) > 2 else None
    bias = _bias(site, producer, bias_value, len(affine.factor))
    if isinstance(bias, str):
        return bias
    factor = _factor_for(producer, weight, affine.factor)
    if factor is None:
        return f"{len(affine.factor)} channels do not fit the weight of {node_name(producer)}, {weight.shape}"
    scaled = weight.astype(np.float64)
    scaled *= factor
    scaled += 0.0  # a pruned weight stays pruned: only +0.0 is, and a negative factor makes -0.0 of it
    with np.errstate(over="ignore"):
        new_weight = scaled.astype(weight.dtype)
        new_bias = (bias * affine.factor + affine.offset).astype(weight.dtype)
    if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
        return f"the folded weight of {node_name(producer)} is not finite in {weight.dtype}"
    X, W = producer.inputs[:2]
    assert X is not None, "a linear operator has an input"
    assert W is not None, "a constant weight"
    replace_constant(W, new_weight)
    C = site.put(bias_value, new_bias, f"{W.name}.bias")
    attributes = {name: value for name, value in producer.attributes.items() if name != "beta"}
    site.take_over(producer, "Gemm" if producer.op_type == "MatMul" else producer.op_type, [X, W, C], **attributes)
    return None


def _read_affine(site: FoldSite) -> _Affine | str:
    """Read what the BatchNormalization does, or say why that is not known."""
    node = site.node
    if any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        return "training mode: its statistics are used"
    if int_attribute(node, "training_mode", 0) != 0 or (site.opset < 7 and int_attribute(node, "is_test", 0) != 1):
        return "training mode"
    if int_attribute(node, "spatial", 1) != 1:
        return "spatial = 0: its statistics are not those of channels"
    arrays = [site.constant(value) for value in node.inputs[1:5]]
    known = [array.astype(np.float64) for array in arrays if array is not None]
    if len(known) != 4:
        return "its scale, bias, mean and variance are not all constant"
    if known[0].ndim != 1 or len({array.shape for array in known}) != 1:
        return f"its scale, bias, mean and variance have shapes {', '.join(str(array.shape) for array in known)}"
    scale, bias, mean, variance = known
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    # The operator adds epsilon in float32, where a decimal such as 1e-5 is another number.
    variance = variance + float(np.float32(epsilon))
    if not (variance > 0).all():
        return "its variance plus epsilon is not positive"
    factor = scale / np.sqrt(variance)
    return _Affine(factor, bias - mean * factor)


def _bias(site: FoldSite, producer: ir.Node, value: ir.Value | None, channels: int) -> np.ndarray | str:
    """Return the bias that the producer adds to each channel, float64 ``[channels]``, or say why there is none."""
    if value is None:
        return np.zeros(channels)
    array = site.constant(value)
    if array is None:
        return f"the bias of {node_name(producer)} is not constant"
    if array.ndim > 2 or (array.ndim == 2 and array.shape[0] != 1) or array.size not in (1, channels):
        return f"the bias of {node_name(producer)} has shape {array.shape}, expected one value for each channel"
    beta = producer.attributes.get_float("beta", 1.0) if producer.op_type == "Gemm" else 1.0
    return np.broadcast_to(array.astype(np.float64).ravel() * beta, (channels,))


def _factor_for(producer: ir.Node, weight: np.ndarray, factor: np.ndarray) -> np.ndarray | None:
    """Return the factor of each channel, shaped so that it multiplies the weight; None if the two do not fit."""
    if weight.ndim < 2:
        return None
    if producer.op_type == "ConvTranspose":
        groups = int_attribute(producer, "group", 1)
        if not groups or weight.shape[0] % groups or weight.shape[1] * groups != len(factor):
            return None
        # [C_in, C_out / groups, ...]: the rows of a group make its own part of the output channels.
        rows = np.repeat(factor.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        return rows.reshape(*rows.shape, *[1] * (weight.ndim - 2))
    transposed = producer.op_type == "Gemm" and int_attribute(producer, "transB", 0) == 1
    axis = 0 if transposed or producer.op_type == "Conv" else 1
    if weight.shape[axis] != len(factor):
        return None
    return factor.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])

"""MatMul + Add of a bias is one Gemm."""

from __future__ import annotations

import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor
from onnxdc.passes.fold.site import FoldSite

# Operators whose output has the rank of their first input.
_SAME_RANK = frozenset(
    {"BatchNormalization", "Cast", "Clip", "Dropout", "Elu", "Gelu", "HardSigmoid", "Identity", "LeakyRelu"}
    | {"LogSoftmax", "Relu", "Selu", "Sigmoid", "Softmax", "Softplus", "Tanh"}
)


def matmul_before(add: ir.Node) -> ir.Node | None:
    """Return the MatMul that makes an input of this Add; None if there is none."""
    producers = (value.producer() for value in add.inputs if value is not None)
    return next((node for node in producers if node is not None and node.op_type == "MatMul" and not node.domain), None)


def try_make_gemm(site: FoldSite) -> str | None:
    """Make one Gemm of an Add and the MatMul before it, or say why not.

    Needs a matrix on either side, one of them constant, and a constant bias for each column.
    """
    add = site.node
    matmul = matmul_before(add)
    assert matmul is not None, f"no MatMul before {add.name}"
    A, B = matmul.inputs
    bias = add.inputs[1] if add.inputs[0] is matmul.outputs[0] else add.inputs[0]
    reason = site.why_not_absorb(matmul) or why_no_gemm(site, matmul)
    if reason is not None:
        return reason
    array = site.constant(bias)
    if A is None or B is None or bias is None or array is None:
        return "its bias is not constant"
    shape = _shape(B)
    columns = None if shape is None else shape[1]
    if array.ndim == 0 or array.ndim > 2 or array.size != array.shape[-1] or array.shape[-1] not in (1, columns):
        return f"its bias has shape {array.shape}, expected one value for each of {columns} columns"
    site.take_over(matmul, "Gemm", [A, B, bias])
    return None


def why_no_gemm(site: FoldSite, matmul: ir.Node) -> str | None:
    """Say why this MatMul is no Gemm; None if it is one."""
    if site.opset < 7:
        return f"operator set {site.opset}, the Gemm of 7 is needed"
    ranks = [rank(value) for value in matmul.inputs]
    if None in ranks:
        return "the rank of its input is not known"
    if ranks != [2, 2]:
        return f"ranks {ranks[0]} and {ranks[1]}, expected 2 and 2"
    if all(site.constant(value) is None for value in matmul.inputs):
        return "neither side is constant"
    return None


def rank(value: ir.Value | None) -> int | None:
    """Return the rank of a value, as the model says it or as the operators before it imply; None if unknown."""
    while value is not None:
        shape = _shape(value)
        if shape is not None:
            return len(shape)
        node = value.producer()
        if node is None or node.domain:
            return None
        if node.op_type in ("Flatten", "Gemm"):
            return 2
        if node.op_type == "Reshape" and len(node.inputs) == 2 and node.inputs[1] is not None:
            target = constant_tensor(node.inputs[1])
            return None if target is None else target.size
        value = node.inputs[0] if node.op_type in _SAME_RANK and value is node.outputs[0] else None
    return None


def _shape(value: ir.Value) -> ir.Shape | None:
    constant = constant_tensor(value)
    return value.shape if constant is None else ir.Shape(constant.shape.numpy())

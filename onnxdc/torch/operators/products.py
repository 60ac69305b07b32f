"""Products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxdc.torch.operators.registry import Call, operator


@operator("MatMul")
def matrix_product(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Return the product of matrices, over all axes before the last two."""
    return torch.matmul(a, b)


@operator("Gemm")
def gemm(call: Call, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Return ``alpha * A @ B + beta * C``."""
    a = a.t() if call.get("transA", 0) else a
    b = b.t() if call.get("transB", 0) else b
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    if c is None:
        return a @ b if alpha == 1 else alpha * (a @ b)
    return torch.addmm(c, a, b, alpha=alpha, beta=beta)


@operator("Einsum")
def einsum(call: Call, *inputs: Tensor) -> Tensor:
    """Return a sum of products by Einstein's convention."""
    return torch.einsum(call.get("equation"), *inputs)

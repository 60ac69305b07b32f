"""Sparse products with what exporters write after them, and the operator that each becomes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from onnxdc.passes.result import Result
from onnxdc.recipe import Options, Recipe
from onnxdc.recipe.keys import Activation
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal


@dataclass(frozen=True)
class Tail:
    """Nodes from ``c`` to ``y``.

    Attributes:
        text: the nodes.
        activation: what they are, as the operators of the domain say it.
        opset: the first operator set that has them.
        constants: initializers.
    """

    text: str
    activation: str
    opset: int = 11
    constants: dict[str, float] = field(default_factory=dict)


_SIX = {"three": 3.0, "zero": 0.0, "six": 6.0, "sixth": 1 / 6}
_CLIP_SIX = "s = Add(c, three)  t = Clip(s, zero, six)"
_ROOT = {"one": 1.0, "half": 0.5, "root": 2**0.5, "inverse": 0.5**0.5}
_ERF = {"by division": "d = Div(c, root)  e = Erf(d)", "by product": "d = Mul(c, inverse)  e = Erf(d)"}
_GELU = {
    "last": "f = Add(e, one)  g = Mul(c, f)  y = Mul(g, half)",
    "first": "h = Mul(c, half)  f = Add(one, e)  y = Mul(h, f)",
    "inside": "f = Add(e, one)  g = Mul(half, f)  y = Mul(g, c)",
}

TAILS = {
    "relu": Tail("y = Relu(c)", "Relu"),
    "clip": Tail("y = Clip(c, low, high)", "Clip", 11, {"low": -0.5, "high": 1.5}),
    "clip from below": Tail("y = Clip(c, low)", "Clip", 11, {"low": 0.25}),
    "clip without bounds": Tail("y = Clip(c)", "Clip"),
    "leaky relu": Tail("y = LeakyRelu <alpha = 0.2> (c)", "LeakyRelu"),
    "leaky relu by default": Tail("y = LeakyRelu (c)", "LeakyRelu"),
    "silu": Tail("s = Sigmoid(c)  y = Mul(c, s)", "Silu"),
    "silu the other way": Tail("s = Sigmoid(c)  y = Mul(s, c)", "Silu"),
    "hard swish": Tail("y = HardSwish(c)", "HardSwish", 14),
    "hard sigmoid": Tail("s = HardSigmoid <alpha = 0.16666667> (c)  y = Mul(c, s)", "HardSwish"),
    "relu6, divided": Tail(f"{_CLIP_SIX}  u = Mul(c, t)  y = Div(u, six)", "HardSwish", 11, _SIX),
    "relu6, multiplied": Tail(f"{_CLIP_SIX}  u = Mul(t, c)  y = Mul(u, sixth)", "HardSwish", 11, _SIX),
    "relu6 divided": Tail(f"{_CLIP_SIX}  u = Div(t, six)  y = Mul(c, u)", "HardSwish", 11, _SIX),
    "relu6 multiplied": Tail(f"{_CLIP_SIX}  u = Mul(sixth, t)  y = Mul(c, u)", "HardSwish", 11, _SIX),
    "gelu": Tail("y = Gelu(c)", "Gelu", 20),
    "gelu by tanh": Tail('y = Gelu <approximate = "tanh"> (c)', "GeluTanh", 20),
    **{
        f"gelu {scaled}, half {place}": Tail(f"{erf}  {rest}", "Gelu", 11, _ROOT)
        for scaled, erf in _ERF.items()
        for place, rest in _GELU.items()
    },
}

# The product's nodes, which yield c; its operator without the activation.
PRODUCTS = {
    "conv": ("c = Conv <pads = [1, 1, 1, 1]> (x, W, B)", "SparseQuantConv"),
    "conv without bias": ("c = Conv <pads = [1, 1, 1, 1]> (x, W)", "SparseQuantConv"),
    "conv and residual": ("p = Conv <pads = [1, 1, 1, 1]> (x, W, B)  c = Add(p, x)", "SparseQuantConvAdd"),
    "residual and conv": ("p = Conv <pads = [1, 1, 1, 1]> (x, W, B)  c = Add(x, p)", "SparseQuantConvAdd"),
    "gemm": ("c = Gemm <transB = 1, alpha = 0.5> (x, W, B)", "SparseQuantGemm"),
    "gemm and rows": ("c = Gemm <transB = 1> (x, W, R)", "SparseQuantGemm"),
    "matmul": ("c = MatMul(x, W)", "SparseQuantMatMul"),
    "matmul and bias": ("p = MatMul(x, W)  c = Add(p, B)", "SparseQuantMatMulBias"),
    "bias and matmul": ("p = MatMul(x, W)  c = Add(B, p)", "SparseQuantMatMulBias"),
}
_SHAPES = {"conv": ("N, 8, 7, 7", (8, 8, 3, 3)), "gemm": ("3, 40", (24, 40)), "matmul": ("N, M, 40", (40, 24))}


def _kind(product: str) -> str:
    return next(kind for kind in _SHAPES if kind in product)


def model(product: str, tail: Tail, opset: int = 17) -> ir.Model:
    """A product, by its name in ``PRODUCTS``, and what comes after it."""
    text, shape = PRODUCTS[product][0], _SHAPES[_kind(product)]
    arrays = {"W": weight(*shape[1], density=0.3)} | {
        name: np.array(value, np.float32) for name, value in tail.constants.items() if name in tail.text
    }
    outputs = 8 if _kind(product) == "conv" else 24
    arrays |= {"B": normal(outputs, seed=1)} if "B" in text else {}
    arrays |= {"R": normal(3, outputs, seed=2)} if "R" in text else {}
    rank = shape[0].count(",") + 1
    output = ", ".join("abcd"[:rank])
    return build(f"g (float[{shape[0]}] x) => (float[{output}] y) {{ {text}  {tail.text} }}", opset=opset, **arrays)


def feeds(product: str) -> dict[str, np.ndarray]:
    """Inputs that reach the flat ends of the activations."""
    shape = {"conv": (2, 8, 7, 7), "gemm": (3, 40), "matmul": (2, 3, 40)}[_kind(product)]
    return {"x": 6 * normal(*shape, seed=3)}


def encode_sparse(model: ir.Model, *, fuse: bool = True, activation: Activation = "float") -> Result:
    """The model with all its weights encoded for sparse operators."""
    options = Options(execution="sparse", activation=activation)
    return encode(model, Recipe(min_elements=16, fuse=fuse, defaults=options), force=True)

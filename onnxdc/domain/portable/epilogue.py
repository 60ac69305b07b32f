"""What is fused into a product, in standard ONNX operators of every operator set from 11 on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from onnx import TensorProto

from onnxdc.domain.operators import FLOAT, SLOPE, Operator
from onnxdc.domain.portable.body import Body, Reference


def epilogue(body: Body, operator: Operator, output: str) -> str:
    """Append what ``operator`` does to the output of its product; return the name of the result."""
    if operator.added:
        output = body.op("Add", output, operator.fused_inputs[0])
    return _ACTIVATIONS[operator.activation](body, output)


def _number(body: Body, value: float) -> str:
    return body.constant(value, TensorProto.FLOAT)


def _silu(body: Body, x: str) -> str:
    return body.op("Mul", x, body.op("Sigmoid", x))


def _hard_swish(body: Body, x: str) -> str:
    return body.op("Mul", x, body.op("HardSigmoid", x, alpha=1 / 6, beta=0.5))


# Not the operator Gelu of later sets, which onnx.reference does not have; onnxruntime makes one of these nodes.
def _gelu(body: Body, x: str) -> str:
    error = body.op("Erf", body.op("Div", x, _number(body, math.sqrt(2))))
    return body.op("Mul", body.op("Mul", x, body.op("Add", error, _number(body, 1.0))), _number(body, 0.5))


def _gelu_tanh(body: Body, x: str) -> str:
    # 0.044715 is the coefficient of the approximation (Hendrycks and Gimpel 2016), as ONNX's own Gelu has it.
    cube = body.op("Mul", body.op("Mul", x, x), body.op("Mul", x, _number(body, 0.044715)))
    inner = body.op("Mul", body.op("Add", x, cube), _number(body, math.sqrt(2 / math.pi)))
    gate = body.op("Add", body.op("Tanh", inner), _number(body, 1.0))
    return body.op("Mul", body.op("Mul", x, gate), _number(body, 0.5))


_ACTIVATIONS: Final[dict[str, Callable[[Body, str], str]]] = {
    "": lambda body, x: x,
    "Relu": lambda body, x: body.op("Relu", x),
    "Clip": lambda body, x: body.op("Clip", x, "min", "max"),
    "LeakyRelu": lambda body, x: body.op("LeakyRelu", x, alpha=Reference(SLOPE, FLOAT)),
    "Silu": _silu,
    "HardSwish": _hard_swish,
    "Gelu": _gelu,
    "GeluTanh": _gelu_tanh,
}

"""The body that makes the integers of a bias: onnxruntime folds it, and its quantized layers read what it yields."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from onnxdc.domain.operators import QUANTIZE_BIAS
from onnxdc.domain.portable.body import Body


def quantize_bias_function(opset: int) -> onnx.FunctionProto:
    """Write the operator that yields a bias as int32, and its scale, from one in float16 and the scales of its layer.

    Args:
        opset: The version of the default domain that the model imports, 11 or later.
    """
    body = Body(QUANTIZE_BIAS, ["bias", "x_scale", "step"], opset)
    scale = body.op("Mul", "x_scale", "step")
    wide = body.op("Cast", "bias", to=TensorProto.FLOAT)
    rounded = body.op("Round", body.op("Div", wide, scale))
    return body.function(body.op("Cast", rounded, to=TensorProto.INT32), scale)

"""The library in a few verbs. Each takes a model, as a path or in memory, and leaves it as it is.

In memory it is bytes, a binary file object that can seek, an ``onnx.ModelProto`` or an ``onnx_ir.Model``.
"""

from onnxdc.api.compression import compress
from onnxdc.api.quantizing import quantize
from onnxdc.api.result import CompressionResult
from onnxdc.api.stages import encode, prune, share
from onnxdc.api.tuning import tune
from onnxdc.api.unpack import decode, expand, inspect

__all__ = [
    "CompressionResult",
    "compress",
    "decode",
    "encode",
    "expand",
    "inspect",
    "prune",
    "quantize",
    "share",
    "tune",
]

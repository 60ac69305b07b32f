"""Deep Compression for ONNX models: prune, share weights, Huffman-code, and run the small file in onnxruntime."""

from onnxdc.api import (
    CompressionResult,
    compress,
    decode,
    decompress,
    encode,
    inspect,
    prune,
    share,
)
from onnxdc.errors import EncodeError, FormatError, ModelError, NativeError, OnnxdcError, RecipeError
from onnxdc.evaluate import verify
from onnxdc.native import isa, library_path
from onnxdc.recipe import Options, Recipe, Rule
from onnxdc.report import Report, WeightRow
from onnxdc.runtime import session
from onnxdc.verification import Verification

__all__ = [
    "CompressionResult",
    "EncodeError",
    "FormatError",
    "ModelError",
    "NativeError",
    "OnnxdcError",
    "Options",
    "Recipe",
    "RecipeError",
    "Report",
    "Rule",
    "Verification",
    "WeightRow",
    "compress",
    "decode",
    "decompress",
    "encode",
    "inspect",
    "isa",
    "library_path",
    "prune",
    "session",
    "share",
    "verify",
]

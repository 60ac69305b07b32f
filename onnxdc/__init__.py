"""Deep Compression for ONNX models: prune, share weights, Huffman-code, and run the small file in onnxruntime."""

from typing import TYPE_CHECKING, Any

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
from onnxdc.errors import (
    EncodeError,
    FormatError,
    ModelError,
    NativeError,
    OnnxdcError,
    OptionError,
    RecipeError,
    TrainingError,
)
from onnxdc.evaluate import verify
from onnxdc.native import isa, library_path
from onnxdc.recipe import Options, Recipe, Rule
from onnxdc.report import Report, WeightRow
from onnxdc.runtime import session
from onnxdc.verification import Verification

if TYPE_CHECKING:
    from onnxdc.training.train import finetune as finetune

__all__ = [
    "CompressionResult",
    "EncodeError",
    "FormatError",
    "ModelError",
    "NativeError",
    "OnnxdcError",
    "OptionError",
    "Options",
    "Recipe",
    "RecipeError",
    "Report",
    "Rule",
    "TrainingError",
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


def __getattr__(name: str) -> Any:
    """``finetune`` when it is asked for: it needs torch, which the rest does without."""
    if name == "finetune":
        import onnxdc.torch  # noqa: F401 (first, as it says so where PyTorch is missing)
        from onnxdc.training.train import finetune

        return finetune
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Deep Compression for ONNX models: prune, share weights, Huffman-code, and run the small file in onnxruntime.

Public are this module and ``onnxdc.hooks``, ``onnxdc.torch`` and ``onnxdc.errors``; everything else may change.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

from onnxdc.api import CompressionResult, compress, decode, encode, inspect, prune, share
from onnxdc.errors import (
    FormatError,
    HookError,
    MissingExtraError,
    ModelError,
    NativeError,
    OnnxdcError,
    OptionError,
    RecipeError,
    TrainingError,
    WeightError,
)
from onnxdc.evaluate import verify
from onnxdc.recipe import Options, Recipe, Rule, Settings
from onnxdc.report import Report, WeightRow
from onnxdc.report.verification import Verification
from onnxdc.runtime import native, session
from onnxdc.runtime.native import isa, library_path

if TYPE_CHECKING:
    from onnxdc import hooks as hooks
    from onnxdc import torch as torch
    from onnxdc.training.train import finetune as finetune

    __version__: str

__all__ = [
    "CompressionResult",
    "FormatError",
    "HookError",
    "MissingExtraError",
    "ModelError",
    "NativeError",
    "OnnxdcError",
    "OptionError",
    "Options",
    "Recipe",
    "RecipeError",
    "Report",
    "Rule",
    "Settings",
    "TrainingError",
    "Verification",
    "WeightError",
    "WeightRow",
    "compress",
    "decode",
    "encode",
    "inspect",
    "isa",
    "library_path",
    "prune",
    "session",
    "share",
    "verify",
]

# Imported when they are asked for: they take their time, or need the packages of an extra.
_SUBMODULES: Final = ("hooks", "torch")

# ``import onnxdc.native`` is the short way to the library's own functions.
sys.modules[f"{__name__}.native"] = native


def __getattr__(name: str) -> Any:
    """Return ``finetune``, ``__version__`` or a submodule when somebody first asks for it."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "finetune":
        importlib.import_module(f"{__name__}.torch")  # first, as it says so where PyTorch is missing
        return importlib.import_module(f"{__name__}.training.train").finetune
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version(__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, "__version__", "finetune"})

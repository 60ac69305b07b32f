"""Deep Compression for ONNX models: prune, share weights, Huffman-code, and run the small file in onnxruntime.

Public are this module and ``onnxdc.hooks``, ``onnxdc.torch``, ``onnxdc.integrations`` and ``onnxdc.errors``; everything
else may change.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from onnxdc import errors as errors
    from onnxdc import hooks as hooks
    from onnxdc import integrations as integrations
    from onnxdc import torch as torch
    from onnxdc.api import (
        CompressionResult,
        compress,
        decode,
        describe,
        diff,
        encode,
        expand,
        inspect,
        prune,
        quantize,
        share,
        tune,
    )
    from onnxdc.errors import (
        FormatError,
        HookError,
        MissingExtraError,
        ModelError,
        NativeError,
        OnnxdcError,
        OnnxruntimeError,
        OptionError,
        RecipeError,
        TrainingError,
        WeightError,
        WorkersError,
    )
    from onnxdc.evaluate import verify
    from onnxdc.page import Page
    from onnxdc.recipe import Options, Recipe, Rule, Settings
    from onnxdc.report import Report, WeightRow
    from onnxdc.report.difference import Difference
    from onnxdc.report.tuning import Tuning
    from onnxdc.report.verification import Verification
    from onnxdc.runtime import native as native
    from onnxdc.runtime import session
    from onnxdc.runtime.native import isa, library_path
    from onnxdc.training.train import finetune as finetune

    __version__: str

__all__ = [
    "CompressionResult",
    "Difference",
    "FormatError",
    "HookError",
    "MissingExtraError",
    "ModelError",
    "NativeError",
    "OnnxdcError",
    "OnnxruntimeError",
    "OptionError",
    "Options",
    "Page",
    "Recipe",
    "RecipeError",
    "Report",
    "Rule",
    "Settings",
    "TrainingError",
    "Tuning",
    "Verification",
    "WeightError",
    "WeightRow",
    "WorkersError",
    "compress",
    "decode",
    "describe",
    "diff",
    "encode",
    "expand",
    "inspect",
    "isa",
    "library_path",
    "prune",
    "quantize",
    "session",
    "share",
    "tune",
    "verify",
]

# Where each name comes from when somebody first asks for it. The command line starts at once that way, and can be
# interrupted while the rest is loaded; and an extra's packages need not be there.
_HOMES: Final = {
    "api": (
        *("CompressionResult", "compress", "decode", "encode", "expand", "inspect", "prune", "quantize", "share"),
        *("describe", "diff", "tune"),
    ),
    "errors": (
        *("FormatError", "HookError", "MissingExtraError", "ModelError", "NativeError", "OnnxdcError"),
        *("OnnxruntimeError", "OptionError", "RecipeError", "TrainingError", "WeightError", "WorkersError"),
    ),
    "evaluate": ("verify",),
    "page": ("Page",),
    "recipe": ("Options", "Recipe", "Rule", "Settings"),
    "report": ("Report", "WeightRow"),
    "report.difference": ("Difference",),
    "report.tuning": ("Tuning",),
    "report.verification": ("Verification",),
    "runtime": ("native", "session"),
    "runtime.native": ("isa", "library_path"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}
_SUBMODULES: Final = ("errors", "hooks", "integrations", "torch")


def __getattr__(name: str) -> Any:
    """Return a public name or a submodule when somebody first asks for it."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name == "finetune":
        importlib.import_module(f"{__name__}.torch")  # first, as it says so where PyTorch is missing
        value = importlib.import_module(f"{__name__}.training.train").finetune
    elif name == "__version__":
        value = importlib.import_module("importlib.metadata").version(__name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES, "__version__", "finetune"})

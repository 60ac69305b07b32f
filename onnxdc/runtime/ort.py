"""onnxruntime, as everything here imports it, or one line that says why it does not import."""

from __future__ import annotations

from importlib import metadata

import numpy as np

from onnxdc.errors import OnnxruntimeError

_FIRST_WITH_NUMPY_2 = (1, 19)


def _check_numpy() -> None:
    """Refuse an onnxruntime that was compiled for numpy 1 beside numpy 2, before it prints pages.

    Raises:
        OnnxruntimeError: It is one.
    """
    try:
        version = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:  # another package brings it: onnxruntime-gpu
        return
    if int(np.__version__.split(".")[0]) >= 2 and tuple(map(int, version.split(".")[:2])) < _FIRST_WITH_NUMPY_2:
        raise OnnxruntimeError(
            f"onnxruntime {version} does not run with numpy {np.__version__}: expected numpy<2 or onnxruntime>=1.19"
        )


_check_numpy()
try:
    import onnxruntime
except ImportError as error:
    raise OnnxruntimeError(f"onnxruntime does not import: {' '.join(str(error).split())}") from error

__all__ = ["onnxruntime"]

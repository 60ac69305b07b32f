"""Sessions for a model in each of the ways to run it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np
import onnxruntime

import onnxdc
from common.expanding import expand_file
from onnxdc import native

Way: TypeAlias = Literal["dense", "native", "portable", "registered", "expanded"]
Feed: TypeAlias = dict[str, np.ndarray]
Outputs: TypeAlias = list[np.ndarray]

_ERRORS_ONLY: Final = 3  # of onnxruntime's log


class Runner(Protocol):
    """What runs a model: a session of onnxruntime, or something that looks like one."""

    def run(self, output_names: None, feed: Feed, /) -> Any:
        """Return all outputs, in a sequence."""


def load(path: Path, way: Way, threads: int | None = 0) -> onnxruntime.InferenceSession:
    """Make a session for a model.

    Args:
        path: The model; compressed unless the way is ``"dense"``.
        way: How to run it: ``"dense"`` and ``"portable"`` both mean onnxruntime alone, ``"native"`` is
            ``onnxdc.session``, ``"registered"`` onnxruntime with the native library, and ``"expanded"`` the same for
            the file that the library makes of the model first.
        threads: How many it gets: 0 for as many as onnxruntime likes, None for the pool that all sessions share.
    """
    options = onnxruntime.SessionOptions()
    if threads is None:
        options.use_per_session_threads = False
    else:
        options.intra_op_num_threads = threads
    return open_session(path, way, options)


def open_session(path: Path, way: Way, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Make a session with options of one's own."""
    options.log_severity_level = _ERRORS_ONLY
    if way == "native":
        return onnxdc.session(path, native=True, sess_options=options)
    if way in ("registered", "expanded"):
        options.register_custom_ops_library(native.library_path())
    if way == "expanded":
        return _open_expanded(path, options)
    return _open(path, options)


def _open_expanded(path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    with tempfile.TemporaryDirectory() as folder:
        expanded = Path(folder, "expanded.onnx")
        expand_file(path, expanded)
        return _open(expanded, options)


def _open(path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

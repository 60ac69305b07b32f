"""Sessions for a model in each of the three ways to run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np
import onnxruntime

import onnxdc

Way: TypeAlias = Literal["dense", "native", "portable"]
Feed: TypeAlias = dict[str, np.ndarray]
Outputs: TypeAlias = list[np.ndarray]

_ERRORS_ONLY: Final = 3  # of onnxruntime's log


class Runner(Protocol):
    """What runs a model: a session of onnxruntime, or something that looks like one."""

    def run(self, output_names: None, feed: Feed, /) -> Any:
        """Return all outputs, in a sequence."""


def load(path: Path, way: Way, threads: int | None = 0) -> onnxruntime.InferenceSession:
    """Make a session for a model; ``"dense"`` and ``"portable"`` both mean onnxruntime alone.

    Args:
        path: The model; compressed unless the way is ``"dense"``.
        way: How to run it.
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
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

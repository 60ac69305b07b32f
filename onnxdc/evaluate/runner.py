"""Sessions to compare: a model in onnxruntime, natively and portably, with somebody's own operators if need be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Limit
from onnxdc.errors import CustomOpsError, LimitError, ModelError
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import Feed, forget_impossible_sizes
from onnxdc.runtime import session, why_not_native
from onnxdc.runtime.ort import onnxruntime

_QUIET: Final = 4  # of onnxruntime's log: what it refuses comes back as an exception too
_REASON: Final = 300  # characters that are shown of it


@dataclass(frozen=True)
class Runner:
    """A session, and what messages call it."""

    name: str
    session: onnxruntime.InferenceSession

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        return [output.name for output in self.session.get_outputs()]

    def run(self, feed: Feed, names: Sequence[str] | None = None) -> list[np.ndarray]:
        """Return the outputs as arrays, all or those of these names, see ``_array`` for sequences and maps.

        Raises:
            ModelError: onnxruntime cannot run the model on these inputs.
        """
        try:
            return [_array(output) for output in self.session.run(names, feed)]
        except Exception as error:  # onnxruntime raises many types, which share no base
            raise ModelError(f"{self.name}: cannot run: {_in_one_line(error)}") from error


def runners(
    model: Source, custom_ops: Sequence[str | os.PathLike[str]] = (), limit: Limit | None = None
) -> Iterator[Runner]:
    """Yield the sessions of a model: natively, if it is compressed and the library loads, and portably.

    Args:
        model: The model.
        custom_ops: Libraries of somebody's own operators, which every session gets.
        limit: The bytes that the weights may take in each session, see ``session``.

    Raises:
        ModelError: The model cannot be read, or onnxruntime refuses it or a library.
    """
    loaded = model_io.load(model, upgrade=False)
    name, compressed = model_io.name_of(model), is_compressed(loaded)
    if forget_impossible_sizes(loaded):
        model = loaded
    del loaded
    ways: list[tuple[str, bool]] = [(" (native)", True)] if compressed and not why_not_native() else []
    ways.append((" (portable)" if compressed else "", False))
    for way, native in ways:
        options = session_options(custom_ops)
        try:
            created = session(model, native=native, sess_options=options, limit=limit)
        except LimitError:
            if native or len(ways) == 1:
                raise
            return  # the native run is enough; the notes of the verification say so
        yield Runner(name + way, created)


def session_options(custom_ops: Sequence[str | os.PathLike[str]]) -> onnxruntime.SessionOptions:
    """Return options of a session that knows the operators of these libraries.

    Raises:
        CustomOpsError: A library is not there, or onnxruntime cannot register it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    for library in [os.fspath(path) for path in custom_ops]:
        if not os.path.isfile(library):
            raise CustomOpsError(f"{library}: expected a library of custom operators, got no such file")
        try:
            options.register_custom_ops_library(os.path.abspath(library))
        except Exception as error:  # onnxruntime raises many types, which share no base
            raise CustomOpsError(
                f"{library}: onnxruntime cannot register it as a library of custom operators: {_in_one_line(error)}"
            ) from error
    return options


def _array(output: Any) -> np.ndarray:
    """Return an output as an array: the values of maps in rows, the elements of a sequence one after the other."""
    if isinstance(output, dict):
        output = [output]
    if isinstance(output, list) and output and all(isinstance(each, dict) for each in output):
        return np.asarray([list(each.values()) for each in output])
    if isinstance(output, list) and output:
        return np.concatenate([np.asarray(each).reshape(-1) for each in output])
    return np.asarray([] if output is None else output)


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _REASON else f"{text[: _REASON - 3]}..."

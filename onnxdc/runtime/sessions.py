"""Sessions of onnxruntime that run compressed models, natively if the library loads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Limit
from onnxdc.errors import FormatError, ModelError, NativeError
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.numeric import decoding
from onnxdc.passes.decode import Decoder, charge_portable, decode_dense_nodes
from onnxdc.runtime import native as library
from onnxdc.runtime.loan import on_loan
from onnxdc.runtime.ort import onnxruntime
from onnxdc.shown import MESSAGE_LENGTH, shown

Native: TypeAlias = bool | Literal["auto"]
Provider: TypeAlias = str | tuple[str, dict[str, Any]]


def why_not_native() -> str | None:
    """Say why the native library cannot be used, None if it can."""
    try:
        library.isa()
    except NativeError as error:
        return str(error)
    return None


def best_decoder() -> Decoder:
    """Return the native decoder if the library loads, else the one in Python: both give the same bits and errors."""
    return decoding.decode_weight if why_not_native() else library.decode_weight


@contextmanager
def naming(model: Source) -> Iterator[None]:
    """Put the model's name into errors that do not have it: a FormatError, and a ModelError of a pass."""
    try:
        yield
    except FormatError as error:
        raise error.at(f"{model_io.name_of(model)}: {error.where}") from error
    except ModelError as error:
        raise type(error)(f"{model_io.name_of(model)}: ", *error.args) from error


def session(
    model: Source,
    *,
    native: Native = "auto",
    sess_options: onnxruntime.SessionOptions | None = None,
    providers: Sequence[Provider] = ("CPUExecutionProvider",),
    provider_options: Sequence[Mapping[str, Any]] | None = None,
    limit: Limit | None = None,
) -> onnxruntime.InferenceSession:
    """Create a session of onnxruntime for a model, compressed or not.

    With the native library sparse operators run on the compressed weights, and the weights that are executed dense are
    decoded before onnxruntime sees them, which loads faster than decoding by the portable body.

    Args:
        model: A path, or a model in memory, which is left as it is.
        native: What to run: True for the native library, or an error, False for the portable bodies, ``"auto"`` for
            the library if it loads, and a RuntimeWarning if it does not.
        sess_options: Your own options; the library is registered with them, so they serve one session.
        providers: The execution providers, as for ``onnxruntime.InferenceSession``.
        provider_options: Their options, as for ``onnxruntime.InferenceSession``.
        limit: The bytes that the weights may take, as a number or as ``"4GB"``; without it 256 MB, and 1,000 bytes for
            each byte of the model.

    Raises:
        NativeError: ``native`` is True and the library does not load.
        FormatError: A compressed weight breaks a rule of the format.
        ModelError: The model cannot be read, its weights would take more than the limit, or onnxruntime refuses it.
        OptionError: The limit is no size.
    """
    options = sess_options or onnxruntime.SessionOptions()
    reason = why_not_native() if native else None
    if reason and native is True:
        raise NativeError(reason)
    if reason:
        warnings.warn(f"running the portable bodies: {reason}", RuntimeWarning, stacklevel=2)
    path = os.fspath(model) if isinstance(model, str | os.PathLike) else None
    loaded = model_io.load(model, upgrade=False)
    changed = False
    budget = budget_of(loaded, limit)
    with naming(model):
        if native and not reason:
            _register(options)
            changed = is_compressed(loaded)
            decode_dense_nodes(loaded, decoder=library.decode_weight, budget=budget)
        else:
            charge_portable(loaded, budget)

    def create(file: str) -> onnxruntime.InferenceSession:
        try:
            return onnxruntime.InferenceSession(file, options, list(providers), provider_options)
        except Exception as error:  # onnxruntime raises many types, which share no base
            raise ModelError(f"{model_io.name_of(model)}: onnxruntime refuses it: {_in_one_line(error)}") from error

    # Our copy of the model goes before onnxruntime makes its own. For the same reason the model does not go there as
    # bytes, which a session keeps for as long as it lives.
    if path is not None and not changed:
        del loaded
        return create(path)
    with on_loan(loaded) as file:
        del loaded
        return create(file)


def _register(options: onnxruntime.SessionOptions) -> None:
    try:
        options.register_custom_ops_library(library.library_path())
    except Exception as error:
        raise NativeError(
            f"onnxruntime {onnxruntime.__version__} refuses the library: {_in_one_line(error)}"
        ) from error


def _in_one_line(error: Exception) -> str:
    return shown(" ".join(str(error).split()), MESSAGE_LENGTH)

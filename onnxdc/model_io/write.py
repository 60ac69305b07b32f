"""Write a model to a file, all of it or nothing; a file that it was read from is never touched.

A model is one file if it fits. Its tensors go to ``<name>.onnx.data`` next to it only if they must, since
protobuf cannot hold 2 GB, or if the model has tensors in external data already and holds more than 256 MB.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import google.protobuf.message
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io.files import FILES, needs_external_data, placed, replacing


def save(model: ir.Model, path: str | os.PathLike[str]) -> int:
    """Write a model to a file, all of it or nothing.

    The model, and its external data if it needs any, are written under temporary names next to ``path``, and renamed
    when both are complete.

    Returns:
        The bytes that were written, those of the external data included.

    Raises:
        ModelError: ``path`` is a file that the model was read from, it cannot be written, or the model without its
            initializers exceeds what protobuf can hold.
    """
    check_output(path, model.meta.get(FILES, ()))
    target, data = _targets(path)
    try:
        with contextlib.ExitStack() as stack:
            whole = stack.enter_context(replacing(target))
            # Leaving goes backwards: the data is in place before the model that needs it.
            file = stack.enter_context(replacing(data)) if needs_external_data(model) else None
            stack.enter_context(placed(model, file, data.name))
            _write(model, whole, path)
            return whole.tell() + (file.tell() if file else 0)
    except OSError as error:
        raise ModelError(f"{path}: cannot write: {error.strerror or error}") from error


def check_output(path: str | os.PathLike[str], sources: Iterable[Path]) -> None:
    """Refuse a path that ``save`` could not write to, before the work that leads there.

    Args:
        path: The path that the model is to have.
        sources: The files that it is made from.

    Raises:
        ModelError: ``path`` is one of the sources, is a directory, or lies in none.
    """
    target, data = _targets(path)
    for source in sources:
        if _same_file(source, target) or _same_file(source, data):
            raise ModelError(f"{path}: the output would overwrite {source}, which it is made from")
    if target.is_dir():
        raise ModelError(f"{path}: cannot write: it is a directory")
    try:
        os.stat(os.path.join(target.parent, "."))  # fails where the parent is a file, too
    except OSError as error:
        raise ModelError(f"{path}: cannot write: {error.strerror or error}") from error


def _targets(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return the files of a model to be written, and of its external data; a link stays a link."""
    target = Path(os.path.realpath(path))
    return target, target.with_name(target.name + ".data")


def _same_file(a: Path, b: Path) -> bool:
    """Tell whether two paths lead to one file, through links of either kind too."""
    return a.exists() and b.exists() and os.path.samefile(a, b)


def _write(model: ir.Model, file: IO[bytes], where: str | os.PathLike[str]) -> None:
    """Write the model as protobuf."""
    try:
        file.write(ir.to_proto(model).SerializeToString())
    except (google.protobuf.message.EncodeError, ValueError) as error:
        raise ModelError(f"{where}: cannot write: the model exceeds the 2 GB of a protobuf message") from error

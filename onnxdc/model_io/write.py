"""Write a model to a file, all of it or nothing; a file that it was read from is never touched.

A model is one file wherever it fits. Its tensors go to a data file next to it only where they must, since protobuf
cannot hold 2 GB, or where the model has tensors in external data already and holds more than 256 MB.

Two files cannot be replaced at once, so the data file gets a name of its own: that of the model, and the digest of
what is in it. It is in place before the model that refers to it, and the old data stay until that model is in place.
Whatever happens in between, the model that is there finds the data that it was written with.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import google.protobuf.message
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io.atomic import check_replaceable, put, temporary_file
from onnxdc.model_io.check import root_cause
from onnxdc.model_io.files import FILES, inside, needs_external_data, outside, write_data
from onnxdc.model_io.proto import to_proto

_DIGITS: Final = 16  # of the digest: 64 bits tell the data of one model from each other


def save(model: ir.Model, path: str | os.PathLike[str]) -> int:
    """Write a model to a file, all of it or nothing.

    External data, if the model needs any, goes to ``<path>.<digest>.data``. Such a file that only the replaced model
    needed is removed.

    Returns:
        The bytes that were written, those of the external data included.

    Raises:
        ModelError: ``path`` is a file that the model was read from, it cannot be written, or the model without its
            initializers exceeds what protobuf can hold.
    """
    sources = model.meta.get(FILES, ())
    check_output(path, sources)
    target = Path(os.path.realpath(path))
    try:
        if needs_external_data(model):
            return _save_pair(model, target, sources)
        with inside(model):
            content = _serialized(model, path)
        with temporary_file(target) as file, _without_old_data(target, sources):
            file.write(content)
            put(file, target, like=target)
            return len(content)
    except OSError as error:
        raise ModelError(f"{path}: cannot write: {error.strerror or error}") from error


def write_one_file(model: ir.Model, file: IO[bytes]) -> None:
    """Write a model with all its data to an open file.

    Raises:
        ModelError: The model exceeds what protobuf can hold.
        OSError: The file cannot be written.
    """
    with inside(model):
        file.write(_serialized(model, "model"))
    file.flush()


def check_output(path: str | os.PathLike[str], sources: Iterable[Path]) -> None:
    """Refuse a path that ``save`` could not write to, before the work that leads there.

    Args:
        path: The path that the model is to have.
        sources: The files that it is made from.

    Raises:
        ModelError: ``path`` is one of the sources, is something else than a regular file, or lies in no folder that
            can be written to.
    """
    if os.fspath(path) == "-":
        raise ModelError("-: cannot write: expected the name of a regular file, got standard output")
    for source in sources:
        if _same_file(source, path):
            raise ModelError(f"{path}: the output would overwrite {source}, which it is made from")
    try:
        check_replaceable(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot write: {error.strerror or error}") from error


def _save_pair(model: ir.Model, target: Path, sources: Iterable[Path]) -> int:
    """Write a model and its data file."""
    with temporary_file(target) as data:
        extents = write_data(model, data)
        place = target.with_name(f"{target.name}.{extents.digest[:_DIGITS]}.data")
        with outside(model, extents, place.name):
            content = _serialized(model, target)
        with temporary_file(target) as file, _without_old_data(target, sources, place):
            file.write(content)
            put(data, place, like=target)
            put(file, target, like=target)
        return len(content) + place.stat().st_size


@contextlib.contextmanager
def _without_old_data(target: Path, sources: Iterable[Path], new: Path | None = None) -> Iterator[None]:
    """Remove the data files that the model at ``target`` does not need, once it is replaced or could not be.

    Args:
        target: The model that is replaced.
        sources: Files that stay in any case.
        new: The data file of the model that replaces it.
    """
    old = set()
    with contextlib.suppress(OSError):
        old = {path for path in _own_data(target) if not any(_same_file(path, source) for source in sources)}
    if new is not None and not os.path.lexists(new):
        old.add(new)  # there is no model yet that needs it
    try:
        yield
    finally:
        # Which model is in place is asked of the disk: an interrupt may come between the rename and the next line.
        with contextlib.suppress(OSError):
            for path in old - _own_data(target):
                path.unlink(missing_ok=True)


def _own_data(target: Path) -> set[Path]:
    """Return the data files that were written with the model that is there: they have its name, and it has theirs.

    Raises:
        OSError: The model or its folder cannot be read.
    """
    pattern = re.compile(rf"{re.escape(target.name)}\.[0-9a-f]{{{_DIGITS}}}\.data")
    named = {path for path in target.parent.iterdir() if pattern.fullmatch(path.name)}
    if not named or not target.exists():
        return set()
    content = target.read_bytes()
    return {path for path in named if os.fsencode(path.name) in content and path.is_file() and not path.is_symlink()}


def _same_file(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    """Tell whether two paths lead to one file, through links of either kind too."""
    return os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)


def _serialized(model: ir.Model, where: str | os.PathLike[str]) -> Any:
    """Return the model as protobuf."""
    try:
        return to_proto(model).SerializeToString()
    except ir.serde.SerdeError as error:
        raise ModelError(f"{where}: cannot write: {root_cause(error)}") from error
    except (google.protobuf.message.EncodeError, ValueError) as error:
        raise ModelError(f"{where}: cannot write: the model exceeds the 2 GB of a protobuf message") from error

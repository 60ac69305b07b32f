"""Lend a model in memory to a library that reads files: nobody else can read it, and nothing is left of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.errors import ModelError
from onnxdc.model_io.files import fits_protobuf
from onnxdc.model_io.write import write_one_file

_DESCRIPTORS = "/proc/self/fd"


@contextmanager
def on_loan(model: ir.Model) -> Iterator[str]:
    """Write a model and yield a path from which it can be read until the context ends.

    The file has no name where the system allows for that (Linux), so that it is gone with the process, whatever ends
    it. Otherwise, and where protobuf cannot hold a model, it lies in a folder that is open to its user alone.

    Raises:
        ModelError: There is no room for it.
    """
    try:
        if os.path.isdir(_DESCRIPTORS) and fits_protobuf(model):
            with _written(model) as file:
                del model  # the one who lends it may want to be rid of it
                yield f"{_DESCRIPTORS}/{file.fileno()}"
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.onnx")
                model_io.save(model, path)
                del model
                yield str(path)
    except OSError as error:
        raise ModelError(f"model: cannot write a temporary copy: {error.strerror or error}") from error


def _written(model: ir.Model) -> IO[bytes]:
    """Return a file without a name that holds the model: on the disk, or in memory where there is no room on it."""
    try:
        return _filled(tempfile.TemporaryFile(), model)
    except OSError:
        return _filled(os.fdopen(os.memfd_create("onnxdc"), "w+b"), model)


def _filled(file: IO[bytes], model: ir.Model) -> IO[bytes]:
    try:
        write_one_file(model, file)
    except BaseException:
        file.close()
        raise
    return file

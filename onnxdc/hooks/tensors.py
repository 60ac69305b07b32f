"""The arrays of a hook in a file of safetensors, whose header is not believed before it is checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import safetensors
import safetensors.numpy

from onnxdc.errors import HookError
from onnxdc.model_io.atomic import replacing
from onnxdc.model_io.regular import open_regular, read_at
from onnxdc.shown import shown

TENSORS_FILE: Final = "hook.safetensors"
MOST_JSON_BYTES: Final = 2**24  # of a manifest, and of a header of safetensors: ten thousand weights take a third
_LENGTH_BYTES: Final = 8  # that say how long the header of a safetensors file is


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write a safetensors file, all of it or nothing."""
    with replacing(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        safetensors.numpy.save_file(dict(tensors), file.name)
        os.chmod(file.name, mode)  # it puts a file of its own there, for its owner alone


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file.

    Raises:
        HookError: There is no such file, it is damaged, or numpy does not have the type of a tensor.
    """
    where = os.fspath(path)
    try:
        _check_header(where)
        return dict(safetensors.numpy.load_file(where))
    except OSError as error:
        raise HookError(f"{where}: cannot read: {error.strerror or error}") from error
    except (KeyError, AttributeError) as error:  # safetensors looks types up in numpy
        raise HookError(f"{where}: has a tensor of a type that numpy has not: {shown(error)}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise HookError(f"{where}: not a safetensors file: {shown(error)}") from error


def _check_header(path: str) -> None:
    """Check the length of the header of a safetensors file; the package checks each tensor against the file's size.

    Raises:
        OSError: The file cannot be read, or is no regular one.
        ValueError: The header is longer than the file, or than any that names tensors.
    """
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        if size < _LENGTH_BYTES:
            raise ValueError(f"expected {_LENGTH_BYTES} bytes or more, got {size}")
        length = int.from_bytes(read_at(descriptor, 0, _LENGTH_BYTES), "little")
    finally:
        os.close(descriptor)
    most = min(size - _LENGTH_BYTES, MOST_JSON_BYTES)
    if length > most:
        raise ValueError(f"expected a header of at most {most} bytes, got {length}")

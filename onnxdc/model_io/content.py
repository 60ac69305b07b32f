"""The bytes that a model is parsed from: those of a file, of a file object, or in memory."""

from __future__ import annotations

import os
from typing import Protocol, TypeAlias, runtime_checkable

from onnxdc.errors import ModelError
from onnxdc.model_io.regular import open_regular, read_at

Bytes: TypeAlias = bytes | bytearray | memoryview


@runtime_checkable
class BinaryFile(Protocol):
    """A file object, such as ``open(path, "rb")``, ``io.BytesIO`` and those of zipfile and fsspec, that can seek."""

    def read(self, size: int = -1, /) -> bytes:
        """Return that many bytes, or all that are left."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""

    def tell(self) -> int:
        """Return the place."""


def read_path(path: str) -> memoryview:
    """Return what is in a file.

    It is read at once and not mapped, so that a file that shrinks meanwhile is an error and does not end the process.

    Raises:
        ModelError: The file cannot be read, or is no regular file.
    """
    try:
        descriptor = open_regular(path)
        try:
            return memoryview(read_at(descriptor, 0, os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ModelError(f"{path}: cannot read: {error.strerror or error}") from error


def read_memory(source: Bytes | BinaryFile, where: str) -> memoryview:
    """Return bytes as they are, or what a file object holds from its place on.

    The file object is left at its place, as a verb may read a model more than once.

    Raises:
        ModelError: The file object cannot be read, cannot seek, or gives text.
        TypeError: It is something else.
    """
    content = _read(source, where) if isinstance(source, BinaryFile) else source
    if isinstance(content, str):
        raise ModelError(f"{where}: expected a file object of bytes, got one of text")
    return memoryview(content).cast("B")


def _read(file: BinaryFile, where: str) -> bytes:
    try:
        place = file.tell()
        content = file.read()
        file.seek(place)
    except (OSError, ValueError) as error:  # a file that cannot seek raises both at once, a closed one the latter
        raise ModelError(f"{where}: expected an open file object that can seek: {error}") from error
    return content

"""A place for what is made once and needed often: in memory while there is room, else in a temporary file."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Callable
from typing import IO, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Shelf(Generic[Key, Value]):
    """Values by keys.

    The file has no name where the system allows for that (Linux), so that nothing is left of it.

    Args:
        memory: The bytes that values may take in memory; what comes when that is full goes to the file.
        nbytes: Returns the bytes of a value.
    """

    def __init__(self, memory: int, nbytes: Callable[[Value], int]) -> None:
        self._room, self._nbytes = memory, nbytes
        self._held: dict[Key, Value] = {}
        self._starts: dict[Key, int] = {}  # where each value begins in the file
        self._file: IO[bytes] | None = None

    def __contains__(self, key: Key) -> bool:
        return key in self._held or key in self._starts

    def __getitem__(self, key: Key) -> Value:
        if self._file is None or key in self._held:
            return self._held[key]
        self._file.seek(self._starts[key])
        value: Value = pickle.load(self._file)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Put a value under a key that has none yet."""
        assert key not in self, f"{key} is there already"
        needed = self._nbytes(value)
        if needed <= self._room:
            self._room -= needed
            self._held[key] = value
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="onnxdc-")  # noqa: SIM115 - it is closed with the shelf
            weakref.finalize(self, self._file.close)
        self._starts[key] = self._file.seek(0, 2)
        pickle.dump(value, self._file, protocol=pickle.HIGHEST_PROTOCOL)

"""Read ``.npz`` files that may come from a stranger: only arrays asked for, and none that is out of proportion."""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np

from onnxdc.errors import ModelError

# The arrays that are read of a file of n bytes have at most SURE + n * RATIO bytes: photographs and texts deflate to a
# half, handwritten digits to a fifth, masks to a twentieth, zeros to a thousandth.
SURE: Final = 2**28
RATIO: Final = 32

_PLAIN: Final = "biufcSUmM"  # kinds of numpy types: numbers, texts, dates; no objects and no structures
_LENGTH_BYTES: Final = {(1, 0): 2, (2, 0): 4}  # of the length of the header, by version
_READ_HEADER: Final = {2: np.lib.format.read_array_header_1_0, 4: np.lib.format.read_array_header_2_0}
_LONGEST_HEADER: Final = 10_000


@dataclass(frozen=True)
class _Header:
    """What an array in a file says of itself."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


class NpzFile(Mapping[str, np.ndarray]):
    """The arrays of an ``.npz`` file, each read and checked when it is asked for.

    Raises:
        ModelError: The file is no archive; for an array, it cannot be read, or it is too large for the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._read: dict[str, int] = {}  # the bytes of each array that was read
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise ModelError(f"{path}: cannot read: expected a regular file")
            self._limit = SURE + RATIO * os.stat(path).st_size
            with zipfile.ZipFile(path) as archive:
                self._members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        except (ModelError, MemoryError):
            raise
        except Exception as error:  # a damaged archive makes zipfile raise whatever its parts do
            reason = (
                error.strerror if isinstance(error, OSError) and error.strerror else "not an .npz file of plain arrays"
            )
            raise ModelError(f"{path}: cannot read: {reason}") from error

    def __getitem__(self, name: str) -> np.ndarray:
        member = self._members[name]
        try:
            with zipfile.ZipFile(self._path) as archive:
                return self._array(archive, member, name)
        except (ModelError, KeyboardInterrupt):
            raise
        except Exception as error:  # a damaged member makes zipfile, zlib and numpy raise whatever their parts do
            raise ModelError(f"{self._path}: {name}: cannot read: {_reason(error)}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _array(self, archive: zipfile.ZipFile, member: str, name: str) -> np.ndarray:
        """Check what an array says of itself, before anything of its size is allocated, and read it."""
        where = f"{self._path}: {name}"
        with archive.open(member) as file:
            header = _read_header(file, where)
            start = file.tell()
        held = archive.getinfo(member).file_size - start
        if header.dtype.kind not in _PLAIN or header.dtype.subdtype is not None:
            raise ModelError(f"{where}: expected an array of numbers or texts, got {_short(header)}")
        if any(size < 0 for size in header.shape) or header.nbytes != held:
            raise ModelError(f"{where}: expected {header.nbytes} bytes for {_short(header)}, the file holds {held}")
        total = header.nbytes + sum(nbytes for read, nbytes in self._read.items() if read != name)
        if total > self._limit:
            raise ModelError(
                f"{where}: {_short(header)} makes {total} bytes to read of a file that may have {self._limit} "
                f"({SURE} and {RATIO} for each of its own); without compression there is no such limit"
            )
        self._read[name] = header.nbytes
        with archive.open(member) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def load_arrays(path: str | os.PathLike[str], required: str | None = None) -> NpzFile:
    """Open an ``.npz`` file; its arrays are read when they are asked for.

    Args:
        path: The path of the file.
        required: The name of an array that must be in it.

    Raises:
        ModelError: The file cannot be read, or the array is missing.
    """
    arrays = NpzFile(path)
    if required is not None and required not in arrays:
        raise ModelError(f"{path}: no array {required}, got {', '.join(arrays) or 'none'}")
    return arrays


def _read_header(file: IO[bytes], where: str) -> _Header:
    """Read the header of an array, which is a literal of Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of headers that Python 2 wrote
            width = _LENGTH_BYTES[np.lib.format.read_magic(file)]
            length = file.read(width)
            if int.from_bytes(length, "little") > _LONGEST_HEADER:
                raise ValueError
            content = io.BytesIO(length + file.read(int.from_bytes(length, "little")))
            shape, _, dtype = _READ_HEADER[width](content)
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError):
        raise
    except Exception as error:  # a parser of Python's literals: SyntaxError, RecursionError, MemoryError, ...
        raise ModelError(f"{where}: expected an array of NumPy's format, got a header that is none") from error
    return _Header(dtype, shape)


def _reason(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return "its compression is not supported"
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return "it is encrypted"
    if isinstance(error, MemoryError):
        return "out of memory"
    return "it is damaged"


def _short(header: _Header) -> str:
    text = str(header)
    return text if len(text) <= 80 else f"{text[:77]}..."

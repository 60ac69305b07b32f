"""External data: which files may hold it, and reading from them what was checked.

A file is opened once. That it is a regular file, that it lies in a folder of the model and how long it is are asked of
the open file, and the data are read from it, so that nothing can be put in its place in between. Data are read, not
mapped: a file that shrinks meanwhile gives an error, where a map would end the process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io.check_tensors import nbytes_of
from onnxdc.model_io.scopes import Scope, scopes, tensors

_BLOCK: Final = 1 << 24  # bytes that are copied at a time
_MAX_OFFSET: Final = 2**63 - 1


def open_regular(path: str | os.PathLike[str]) -> int:
    """Open a file for reading; the descriptor, which the caller closes.

    Raises:
        OSError: The file cannot be opened, or is no regular file: a folder, a pipe, a socket, a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "not a regular file: it is a pipe, a socket or a device", os.fspath(path))


def read_at(descriptor: int, offset: int, count: int) -> bytearray:
    """Read bytes of an open file.

    Raises:
        OSError: The file ends before.
    """
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        got = os.preadv(descriptor, [view[done : done + (1 << 30)]], offset + done)
        if not got:
            raise OSError(errno.EIO, f"it has become shorter: expected {count} bytes from {offset} on, got {done}")
        done += got
    return content


class DataFile:
    """An open file with external data, closed when nothing refers to it any more."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @property
    def size(self) -> int:
        """Its bytes now."""
        return os.fstat(self._descriptor).st_size

    def real_path(self) -> str:
        """Return where the open file lies, with all links followed."""
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/self/fd/{self._descriptor}")
        return os.path.realpath(self.path)

    def read(self, offset: int, count: int) -> bytearray:
        """Read bytes; OSError if the file ends before."""
        return read_at(self._descriptor, offset, count)


class DataTensor(ir.ExternalTensor):
    """A tensor in an open file. Its values are read whenever somebody asks for them, and not kept."""

    def __init__(self, tensor: ir.ExternalTensor, file: DataFile) -> None:
        super().__init__(
            tensor.location,
            tensor.offset,
            tensor.length,
            tensor.dtype,
            shape=tensor.shape,
            name=tensor.name,
            doc_string=tensor.doc_string,
            metadata_props=dict(tensor.metadata_props),
            base_dir=tensor.base_dir,
        )
        self.file = file

    @property
    def path(self) -> str:
        """The file that it lies in."""
        return self.file.path

    def numpy(self) -> np.ndarray:
        """Read the values."""
        content, shape = self._content(), self.shape.numpy()
        if self.dtype.bitwidth < 8:
            proto = onnx.TensorProto(data_type=self.dtype.value, dims=shape, raw_data=bytes(content))
            return ir.TensorProtoTensor(proto).numpy()
        dtype = np.dtype(self.dtype.numpy()).newbyteorder("<")
        return np.frombuffer(content, dtype).reshape(shape)

    def __array__(self, dtype: Any = None) -> np.ndarray:
        return self.numpy().__array__(dtype)

    def tobytes(self) -> bytes:
        """Read the bytes."""
        return bytes(self._content())

    def tofile(self, file: IO[bytes]) -> None:
        """Copy the bytes to the end of an open file, a block at a time."""
        start, end = self.offset or 0, (self.offset or 0) + self.nbytes
        for offset in range(start, end, _BLOCK):
            file.write(self._read(offset, min(_BLOCK, end - offset)))

    def _content(self) -> bytearray:
        return self._read(self.offset or 0, self.nbytes)

    def _read(self, offset: int, count: int) -> bytearray:
        try:
            return self.file.read(offset, count)
        except OSError as error:
            raise ModelError(f"{self.name}: external data {self.file.path}: {error.strerror or error}") from error


def open_data(scopes: list[Scope], where: str, path: str | None) -> dict[str, DataFile]:
    """Open and check the external data of all scopes of a model.

    Args:
        scopes: The scopes of a model.
        where: What to call the model.
        path: The file of the model; None for one from memory, whose data lie below the current directory.

    Returns:
        The open files by their location.

    Raises:
        ModelError: A location leads outside of the model's folders, to nothing or to no regular file, or a tensor is
            not as long as its shape says; the error names the tensor, the file and what was expected.
    """
    folders = _folders(path)
    files: dict[str, DataFile] = {}
    for scope in scopes:
        for name, tensor in tensors(scope):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                _check(tensor, f"{where}: {name}", files, folders)
    return files


def _folders(path: str | None) -> list[str]:
    """Return where the data of a model may lie: the folder of the file that was named, and of the one it links to."""
    if path is None:
        return [os.path.realpath(os.curdir)]
    named, real = os.path.dirname(os.path.abspath(path)), os.path.dirname(os.path.realpath(path))
    return list(dict.fromkeys([named, os.path.realpath(named), real]))


def _check(tensor: onnx.TensorProto, where: str, files: dict[str, DataFile], folders: list[str]) -> None:
    """Check one tensor, and open its file if it is not open yet."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if tensor.data_type == onnx.TensorProto.STRING:
        raise ModelError(f"{where}: texts cannot lie in external data")
    if location not in files:
        files[location] = _open(location, where, folders)
    expected = nbytes_of(tensor)
    offset = _integer(entries, "offset", 0, where)
    length = _integer(entries, "length", expected, where)
    if length != expected:
        raise ModelError(f"{where}: expected external data of {expected} bytes, got {length}")
    _check_extent(files[location], offset, length, where)


def _check_extent(file: DataFile, offset: int, length: int, where: str) -> None:
    end, size = offset + length, file.size
    if end > size:
        raise ModelError(f"{where}: external data {file.path} is truncated: expected {end} bytes, got {size}")


def _integer(entries: dict[str, str], key: str, default: int, where: str) -> int:
    text = entries.get(key) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > _MAX_OFFSET:
        raise ModelError(f"{where}: external data: expected an integer for {key}, got {text[:40]!r}")
    return int(text)


def _open(location: str, where: str, folders: list[str]) -> DataFile:
    if not location or "\0" in location:
        raise ModelError(f"{where}: external data: expected the name of a file, got {location[:40]!r}")
    outside = ModelError(f"{where}: external data {location!r} lies outside of the model's directory")
    if os.path.isabs(location) or ".." in Path(location).parts:
        raise outside
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in folders:
        path = os.path.join(folder, location)
        try:
            file = DataFile(path, open_regular(path))
        except OSError as error:
            failure = error if error.errno != errno.ENOENT else failure
            continue
        if not any(_lies_in(file.real_path(), allowed) for allowed in folders):
            raise outside
        return file
    path = os.path.join(folders[0], location)
    raise ModelError(f"{where}: external data {path}: {failure.strerror or failure}") from failure


def _lies_in(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def open_tensor(tensor: ir.ExternalTensor, files: dict[str, DataFile]) -> DataTensor:
    """Open the file of a tensor of a model in memory, whose data lie below the directory that the tensor names.

    Args:
        tensor: The tensor.
        files: The files that are open already, by their paths; a new one is added.

    Raises:
        ModelError: As for ``open_data``.
    """
    where, folder = f"model: {tensor.name}", os.path.abspath(tensor.base_dir or os.curdir)
    path = os.path.join(folder, tensor.location)
    if path not in files:
        files[path] = _open(os.fspath(tensor.location), where, list(dict.fromkeys([folder, os.path.realpath(folder)])))
    _check_extent(files[path], tensor.offset or 0, tensor.nbytes, where)
    return DataTensor(tensor, files[path])


def with_data(proto: onnx.ModelProto, files: Mapping[str, DataFile]) -> onnx.ModelProto:
    """Return a copy of a model that holds its external data itself; the model itself if it has none."""
    if not files:
        return proto
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    for scope in scopes(whole):
        for _, tensor in tensors(scope):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                entries = {entry.key: entry.value for entry in tensor.external_data}
                content = files[entries["location"]].read(int(entries.get("offset") or 0), nbytes_of(tensor))
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
                tensor.raw_data = bytes(content)
    return whole

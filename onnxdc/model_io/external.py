"""External data: which files may hold it, and whether they do.

A file is opened once. That it is a regular file, that it lies in a folder of the model and how long it is are asked of
the open file, and the data are read from it, so that nothing can be put in its place in between.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io.check_tensors import nbytes_of
from onnxdc.model_io.data_file import DataFile, DataTensor
from onnxdc.model_io.regular import open_regular
from onnxdc.model_io.scopes import Scope, scopes, tensors

_MAX_OFFSET: Final = 2**63 - 1


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

"""External data that are open: a file, which stays open while something refers to it, and the tensors in it."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.model_io.regular import read_at

_BLOCK: Final = 1 << 24  # bytes that are copied at a time


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

    def without_texts(self) -> DataTensor:
        """Return a tensor of the same data without doc_string and metadata_props."""
        bare = DataTensor(self, self.file)
        bare.doc_string = None
        bare.metadata_props.clear()
        return bare

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
        for block in self.blocks():
            file.write(block)

    def blocks(self) -> Iterator[bytearray]:
        """Yield the bytes, a block at a time."""
        start, end = self.offset or 0, (self.offset or 0) + self.nbytes
        for offset in range(start, end, _BLOCK):
            yield self._read(offset, min(_BLOCK, end - offset))

    def _content(self) -> bytearray:
        return self._read(self.offset or 0, self.nbytes)

    def _read(self, offset: int, count: int) -> bytearray:
        try:
            return self.file.read(offset, count)
        except OSError as error:
            raise ModelError(f"{self.name}: external data {self.file.path}: {error.strerror or error}") from error

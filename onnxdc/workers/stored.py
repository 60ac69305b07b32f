"""Weights in files that workers may see, too: they get a reference in place of the values."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np

from onnxdc.graph.weights import Weight
from onnxdc.model_io.data_file import DataTensor
from onnxdc.model_io.regular import open_regular, read_at


@dataclass(frozen=True)
class StoredWeight:
    """The values of a weight in a file of external data.

    Attributes:
        path: The file, with all links followed.
        offset: The byte where the values begin.
        nbytes: Their bytes.
        digest: The SHA-256 of these bytes: another file of that path on another machine is not taken for this one.
        dtype: The type of the values, little-endian.
        shape: The shape of the weight.
    """

    path: str
    offset: int
    nbytes: int
    digest: bytes
    dtype: np.dtype
    shape: tuple[int, ...]

    def array(self) -> np.ndarray | None:
        """Return the values; None where this machine does not have the same bytes there."""
        try:
            descriptor = open_regular(self.path)
        except OSError:
            return None
        try:
            if os.fstat(descriptor).st_size < self.offset + self.nbytes:  # before there is memory for them
                return None
            content = read_at(descriptor, self.offset, self.nbytes)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        if hashlib.sha256(content).digest() != self.digest:
            return None
        return np.frombuffer(content, self.dtype).reshape(self.shape)


def stored(weight: Weight) -> StoredWeight | None:
    """Return the reference to a weight in external data; None for one that lies in the model or in memory.

    Raises:
        ModelError: The data cannot be read.
    """
    tensor = weight.tensor
    if not isinstance(tensor, DataTensor):
        return None
    dtype = np.dtype(tensor.dtype.numpy()).newbyteorder("<")
    digest = hashlib.sha256()
    for block in tensor.blocks():
        digest.update(block)
    return StoredWeight(
        tensor.file.real_path(), tensor.offset or 0, tensor.nbytes, digest.digest(), dtype, weight.shape
    )

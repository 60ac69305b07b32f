"""The files of a model: what goes into the model itself, and what into its external data."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedRandom
from typing import Final

import onnx_ir as ir

FILES: Final = "onnxdc.files"  # the key in a model's meta for the files that it was read from
MEMORY: Final = "onnxdc.memory"  # likewise for how many bytes it was read from that were no file
PROTOBUF_LIMIT: Final = 2**31 - 2**24  # bytes of tensors: protobuf ends at 2 GB, of which 16 MB are left for the graph
LARGE: Final = 2**28  # bytes of tensors, a choice: below that one file is handier than two
_EXTERNAL_THRESHOLD: Final = 1024  # bytes, as in the onnx package: shape inference needs some of the smaller tensors
_ALIGNMENT: Final = 64  # bytes, a cache line: a mapped tensor is aligned for every type and vector


def inline(tensor: ir.ExternalTensor) -> ir.LazyTensor:
    """Return the same tensor, to be written inside the model; it is read at that moment."""
    return ir.LazyTensor(
        lambda: ir.Tensor(tensor.numpy(), dtype=tensor.dtype),
        dtype=tensor.dtype,
        shape=tensor.shape,
        name=tensor.name,
        doc_string=tensor.doc_string,
        metadata_props=dict(tensor.metadata_props),
    )


def _initializers(model: ir.Model) -> list[tuple[ir.Value, ir.TensorProtocol]]:
    """Return every initializer with its tensor, in all graphs."""
    values = (value for graph in model.graphs() for value in graph.initializers.values())
    return [(value, value.const_value) for value in values if value.const_value is not None]


def fits_protobuf(model: ir.Model) -> bool:
    """Tell whether protobuf can hold the model with all its tensors."""
    return _nbytes(model) <= PROTOBUF_LIMIT


def needs_external_data(model: ir.Model) -> bool:
    """Tell whether protobuf cannot hold the tensors, or some are in external data already and they are large."""
    external = any(isinstance(tensor, ir.ExternalTensor) for _, tensor in _initializers(model))
    return _nbytes(model) > (LARGE if external else PROTOBUF_LIMIT)


def _nbytes(model: ir.Model) -> int:
    """Return the bytes of all tensors."""
    nbytes: int = sum(tensor.nbytes for _, tensor in _initializers(model))
    return nbytes


@contextlib.contextmanager
def inside(model: ir.Model) -> Iterator[None]:
    """Let every tensor of the model lie in the model itself for a while."""
    initializers = _initializers(model)
    try:
        for value, tensor in initializers:
            if isinstance(tensor, ir.ExternalTensor):
                value.const_value = inline(tensor)
        yield
    finally:
        for value, tensor in initializers:
            value.const_value = tensor


@dataclass(frozen=True)
class Extents:
    """Where the tensors of a model lie in a data file.

    Attributes:
        of: The offset and the length of each initializer that is in the file.
        digest: The SHA-256 of the whole file, in hexadecimal.
    """

    of: Mapping[ir.Value, tuple[int, int]]
    digest: str


def write_data(model: ir.Model, data: BufferedRandom) -> Extents:
    """Write the tensors that need not lie in the model to a data file, one at a time."""
    extents: dict[ir.Value, tuple[int, int]] = {}
    for value, tensor in _initializers(model):
        if tensor.nbytes > _EXTERNAL_THRESHOLD and tensor.dtype is not ir.DataType.STRING:
            data.write(b"\0" * (-data.tell() % _ALIGNMENT))
            offset = data.tell()
            if isinstance(tensor, ir.ExternalTensor):
                tensor.tofile(data)  # copies from file to file, and maps nothing
            else:
                data.write(tensor.tobytes())
            extents[value] = offset, data.tell() - offset
    data.seek(0)
    return Extents(extents, hashlib.file_digest(data, "sha256").hexdigest())


@contextlib.contextmanager
def outside(model: ir.Model, extents: Extents, location: str) -> Iterator[None]:
    """Let the tensors that were written to a data file lie there for a while, by the name that the model has for it."""
    with inside(model):
        for value, (offset, length) in extents.of.items():
            assert value.const_value is not None
            value.const_value = _external(value.const_value, location, offset, length)
        yield


def _external(tensor: ir.TensorProtocol, location: str, offset: int, length: int) -> ir.ExternalTensor:
    """Return the same tensor, to be found in a data file."""
    return ir.ExternalTensor(
        location,
        offset,
        length,
        tensor.dtype,
        shape=ir.Shape(tensor.shape.numpy()),
        name=tensor.name or "",
        doc_string=tensor.doc_string,
        metadata_props=dict(tensor.metadata_props),
    )

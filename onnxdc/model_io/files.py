"""The files of a model: what goes into the model itself, what into its external data, and both all or nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import onnx_ir as ir

FILES: Final = "onnxdc.files"  # the key in a model's meta for the files that it was read from
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


def needs_external_data(model: ir.Model) -> bool:
    """Tell whether protobuf cannot hold the tensors, or some are in external data already and they are large."""
    tensors = [tensor for _, tensor in _initializers(model)]
    limit = LARGE if any(isinstance(tensor, ir.ExternalTensor) for tensor in tensors) else PROTOBUF_LIMIT
    nbytes: int = sum(tensor.nbytes for tensor in tensors)
    return nbytes > limit


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of ``path`` when nothing failed, and is gone otherwise."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def placed(model: ir.Model, data: IO[bytes] | None, location: str) -> Iterator[None]:
    """Let every tensor of the model lie for a while in what it is written to: the model, or ``data``.

    The tensors that go to ``data`` are written to it, one at a time; the model calls that file ``location``.
    """
    initializers = _initializers(model)
    try:
        for value, tensor in initializers:
            if data is not None and tensor.nbytes > _EXTERNAL_THRESHOLD and tensor.dtype is not ir.DataType.STRING:
                value.const_value = _append(data, tensor, location)
            elif isinstance(tensor, ir.ExternalTensor):
                value.const_value = inline(tensor)
        yield
    finally:
        for value, tensor in initializers:
            value.const_value = tensor


def _append(data: IO[bytes], tensor: ir.TensorProtocol, location: str) -> ir.ExternalTensor:
    """Write a tensor at the end of a data file."""
    data.write(b"\0" * (-data.tell() % _ALIGNMENT))
    offset = data.tell()
    if isinstance(tensor, ir.ExternalTensor):
        tensor.tofile(data)  # copies from file to file, and maps nothing
    else:
        data.write(tensor.tobytes())
    return ir.ExternalTensor(
        location,
        offset,
        data.tell() - offset,
        tensor.dtype,
        shape=ir.Shape(tensor.shape.numpy()),
        name=tensor.name or "",
        doc_string=tensor.doc_string,
        metadata_props=dict(tensor.metadata_props),
    )

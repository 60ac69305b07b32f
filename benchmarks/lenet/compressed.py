"""What became of a network: its file after each stage, and what the encoded one holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import onnx
from onnx import numpy_helper

import onnxdc
from lenet.networks import Network

STAGES: Final = ("reference", "pruned", "shared", "encoded")
# The tensors of a weight group, in the order in which a node takes them (docs/format.md).
GROUP: Final = ("codebook", "step", "code_table", "codes", "low_bits", "gap_table", "gaps", "extent")
_DOMAIN: Final = "onnxdc"


@dataclass(frozen=True)
class EncodedLayer:
    """One weight of the encoded network.

    Attributes:
        row: What ``onnxdc.inspect`` says of it.
        code_bits: The bits of a code after Huffman coding, a nonzero or filler zero.
        gap_bits: The bits of a gap likewise; 0 where no gaps are stored.
    """

    row: onnxdc.WeightRow
    code_bits: float
    gap_bits: float


@dataclass(frozen=True)
class Compressed:
    """A network after each stage.

    Attributes:
        network: Which one it is.
        files: Its files, by stage.
        errors: The percentage of the test images that each gets wrong, by stage.
    """

    network: Network
    files: dict[str, Path]
    errors: dict[str, float]

    @cached_property
    def layers(self) -> list[EncodedLayer]:
        """The weights of the encoded file, in its order."""
        streams = stream_bytes(onnx.load(self.files["encoded"]))
        rows = onnxdc.inspect(self.files["encoded"], min_elements=1).rows
        return [EncodedLayer(row, *(8 * count / row.entries for count in streams[row.name])) for row in rows]

    @property
    def dense_bytes(self) -> int:
        """The bytes of all parameters, biases included."""
        return initializer_bytes(self.files["reference"])

    @property
    def encoded_bytes(self) -> int:
        """The bytes of all tensors that they are rebuilt from: eight for each weight, and the biases."""
        return initializer_bytes(self.files["encoded"])

    @property
    def ratio(self) -> float:
        """How many times smaller the parameters are."""
        return self.dense_bytes / self.encoded_bytes

    @property
    def file_ratio(self) -> float:
        """How many times smaller the whole file is."""
        return self.files["reference"].stat().st_size / self.files["encoded"].stat().st_size


def initializer_bytes(path: Path) -> int:
    """Count the bytes of the data of all initializers of a file, as they lie in it."""
    return sum(_stored_bytes(tensor) for tensor in onnx.load(path).graph.initializer)


def _stored_bytes(tensor: onnx.TensorProto) -> int:
    """Count the bytes of elements in raw_data or, as those of an extent, one by one."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    return onnx.TensorProto(int64_data=tensor.int64_data).ByteSize() or numpy_helper.to_array(tensor).nbytes


def stream_bytes(model: onnx.ModelProto) -> dict[str, tuple[int, int]]:
    """Count the bytes of the codes and of the gaps of each compressed weight, by the weight's name."""
    sizes = {tensor.name: numpy_helper.to_array(tensor).nbytes for tensor in model.graph.initializer}
    streams = {}
    for node in model.graph.node:
        codebooks = [name for name in node.input if name.endswith(".codebook")] if node.domain == _DOMAIN else []
        for codebook in codebooks:
            tensors = dict(zip(GROUP, list(node.input)[list(node.input).index(codebook) :], strict=False))
            name = node.output[0] if node.op_type.startswith("Decode") else codebook.removesuffix(".codebook")
            streams[name] = sizes[tensors["codes"]], sizes[tensors["gaps"]]
    return streams

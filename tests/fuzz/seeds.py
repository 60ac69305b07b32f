"""Write the test vectors as inputs of the fuzz targets: ``python -m tests.fuzz.seeds FOLDER``.

The form is that of custom_ops/fuzz/group_input.h. Vectors that it cannot hold, such as those with other ranks, are
left out: the fuzzer finds them by itself.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import onnx

VECTORS = Path(__file__).parents[1] / "vectors"
TYPES = (1, 10, 11, 16, 2, 3, 5, 7)  # kTypes of group_input.h
DTYPES = (1, 10, 11, 16, 2, 3, 21, 22)  # kDtypes
PACKETS = (8, 16, 32, 64, 128, 256)
MAX_TENSOR_BYTES = 2000  # a fuzzer is fast on small inputs
OPS_SHAPES = ([4, 30], [30, 4], [5, 2, 3, 4], [12, 10], [10, 3, 2, 2])  # for the operators, of 120 elements each
DRAWS = bytes([0, 0, 0, 3, 1, 200, 7, 90, 5, 33, 2, 64])  # what the operators' target reads after the group

WHOLE = b"\xff"  # kWhole of fuzz_expand.cc: what follows is a model


def head(node: onnx.NodeProto, tensors: list[onnx.TensorProto]) -> bytes | None:
    """The first eight bytes, or None for attributes that they cannot say."""
    values = {attribute.name: attribute.i for attribute in node.attribute}
    codebook, dtype = tensors[0], values.get("dtype", 1)
    packet, axis = values.get("packet", 64), values.get("group_axis", 0)
    fits = len(codebook.dims) == 2 and 1 <= codebook.dims[1] <= 256 and -128 <= axis < 128
    if not (fits and codebook.data_type in TYPES and dtype in DTYPES and packet in PACKETS):
        return None
    fields = (TYPES.index(codebook.data_type), DTYPES.index(dtype), PACKETS.index(packet), 0, axis & 255)
    return bytes((*fields, codebook.dims[1] - 1, 0, 0))


def seed(start: bytes, tensors: list[bytes], rest: bytes) -> bytes:
    """One input."""
    return start + b"".join(struct.pack("<H", len(tensor)) for tensor in tensors) + b"".join(tensors) + rest


def seeds(path: Path) -> dict[str, list[bytes]]:
    """The inputs that a vector makes, by the name of the target."""
    model = onnx.load(path)
    whole = seed(bytes(8), [b""] * 8, WHOLE + path.read_bytes())
    if path.parent.name == "layers":
        return {"fuzz_expand": [whole]}
    (node,) = model.graph.node
    by_name = {tensor.name: tensor for tensor in model.graph.initializer}
    tensors = [by_name[name] for name in node.input[:8]]
    start, raw = head(node, tensors), [tensor.raw_data for tensor in tensors]
    if start is None or max(len(tensor) for tensor in raw) > MAX_TENSOR_BYTES:
        return {}
    ops = []
    extent = np.frombuffer(raw[7] if path.parent.name == "good" else b"", np.int64)
    if extent[2:].prod() == 120:
        for i, shape in enumerate(OPS_SHAPES):
            reshaped = [*raw[:7], np.array([*extent[:2], *shape], np.int64).tobytes()]
            ops += [seed(start, reshaped, bytes([i, op]) + DRAWS) for op in range(41)]
    models = [seed(start, raw, b"\0"), whole]
    return {"fuzz_decoder": [seed(start, raw, DRAWS)], "fuzz_expand": models, "fuzz_ops": ops}


def main(folder: Path) -> None:
    """Write all of them into a folder for each target."""
    for path in sorted(VECTORS.glob("*/*.onnx")):
        for target, inputs in seeds(path).items():
            (folder / target).mkdir(parents=True, exist_ok=True)
            for i, data in enumerate(inputs):
                (folder / target / f"{path.stem}_{i}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

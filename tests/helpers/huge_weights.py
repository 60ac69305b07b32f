"""Models of a few hundred bytes with weights that decode to as much as they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxdc.numeric.weight import TENSORS, CompressedWeight, crc32


def zeros(shape: Sequence[int], dtype: type = np.float32) -> CompressedWeight:
    """A weight without entries."""
    empty = np.zeros(0, np.uint8)
    weight = CompressedWeight(
        codebook=np.zeros((1, 1), np.float16),
        step=empty,
        code_table=empty,
        codes=empty,
        low_bits=empty,
        gap_table=empty,
        gaps=empty,
        extent=np.array([0, 0, *shape], np.int64),
        dtype=np.dtype(dtype),
    )
    return replace(weight, checksum=crc32(weight.tensors))


def feeding(weight: CompressedWeight, nodes: int = 1, op_type: str = "DecodeWeight") -> onnx.ModelProto:
    """A model in which a weight feeds so many nodes: DecodeWeight, each before a MatMul, or SparseQuantMatMul."""
    names = [f"w.{kind}" for kind in TENSORS]
    attributes = {
        "checksum": weight.checksum,
        "dtype": int(helper.np_dtype_to_tensor_dtype(weight.dtype)),
    }
    graph = onnx.GraphProto(name="huge")
    for number in range(nodes):
        sparse = op_type != "DecodeWeight"
        inputs, output = (["x", *names, "", ""], f"y{number}") if sparse else (names, f"w{number}")
        graph.node.append(helper.make_node(op_type, inputs, [output], domain="onnxdc", **attributes))
        if not sparse:
            graph.node.append(helper.make_node("MatMul", ["x", output], [f"y{number}"]))
        graph.output.append(helper.make_tensor_value_info(f"y{number}", TensorProto.FLOAT, None))
    rows = weight.shape[0]
    graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, rows]))
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in zip(names, weight.tensors, strict=True)
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("onnxdc", 1)]
    return helper.make_model(graph, ir_version=8, opset_imports=imports)

"""The portable body: every operator of the domain as a model-local function of standard ONNX operators.

A runtime without the native library inlines these functions. Their inputs are constant, so onnxruntime folds the whole
decoder when it creates the session, and what runs is the dense model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import onnx
from onnx import AttributeProto, TensorProto

from onnxdc.passes.portable_decode import DEFAULTS, GROUP, decode_function
from onnxdc.passes.portable_function import Body, Reference
from onnxdc.passes.portable_symbols import symbols_function

# Operator of the domain -> the standard operator, its inputs before and after the weight, its attributes.
FUSED: Final = {
    "SparseQuantGemm": ("Gemm", ["A"], ["C"], ["alpha", "beta", "transA", "transB"]),
    "SparseQuantMatMul": ("MatMul", ["A"], [], []),
    "SparseQuantConv": (
        "Conv",
        ["X"],
        ["B"],
        ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"],
    ),
    "SparseQuantGather": ("Gather", [], ["indices"], ["axis"]),
}


def portable_functions(op_types: Iterable[str], opset: int, chunk_size: int = 4096) -> list[onnx.FunctionProto]:
    """The functions that a model with nodes of ``op_types`` must carry, those that they call included.

    Args:
        op_types: operators of the domain ``onnxdc``.
        opset: version of the default domain that the model imports, 11 or later.
        chunk_size: the largest chunk size of the model's weights, a power of two.

    Raises:
        ValueError: an operator that the domain does not have.
    """
    wanted = sorted(set(op_types))
    unknown = set(wanted) - {"DecodeWeight", *FUSED}
    if unknown:
        raise ValueError(f"no such operator in the domain onnxdc: {', '.join(sorted(unknown))}")
    if not wanted:
        return []
    fused = [_fused(name, opset) for name in wanted if name in FUSED]
    return [symbols_function(opset, chunk_size), decode_function(opset), *fused]


def _fused(name: str, opset: int) -> onnx.FunctionProto:
    """The operator ``name``: DecodeWeight, then the standard operator with the node's own attributes."""
    standard, before, after, attributes = FUSED[name]
    body = Body(name, [*before, *GROUP, *after], opset)
    group_axis = Reference("group_axis", AttributeProto.INT)
    weight = body.call("DecodeWeight", *GROUP, group_axis=group_axis, dtype=TensorProto.FLOAT)
    schema = onnx.defs.get_schema(standard, opset).attributes
    references = {
        name: Reference(name, AttributeProto.AttributeType.Value(schema[name].type.name)) for name in attributes
    }
    output = body.op(standard, *before, weight, *after, **references)
    return body.function([output], ["checksum", *attributes], DEFAULTS)

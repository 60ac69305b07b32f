"""The function DecodeWeight: sections 2 and 3 of docs/format.md in standard ONNX operators."""

from __future__ import annotations

from typing import Final

import onnx
from onnx import AttributeProto, TensorProto

from onnxdc.domain.operators import DECODE_WEIGHT
from onnxdc.domain.portable.body import Body, Reference, zero_tensor
from onnxdc.numeric.weight import TENSORS

END: Final = 2**31 - 1  # the end of any axis


def decode_function(opset: int, *, grouped: bool, typed: bool) -> onnx.FunctionProto:
    """Write DecodeWeight: entries become positions and values, and these go into a tensor of zeros.

    Args:
        opset: The version of the default domain.
        grouped: Whether some weight has several codebooks, so that group_axis counts.
        typed: Whether some weight is not float32, so that dtype counts.
    """
    body = Body(DECODE_WEIGHT, TENSORS, opset)
    op, int32, int64 = body.op, body.int32, body.int64
    codebook, code_lengths, codes, gap_lengths, gaps, chunks, shape = TENSORS
    dtype = Reference("dtype", AttributeProto.INT) if typed else TensorProto.FLOAT
    flat = int64([-1])
    entries = op("Reshape", op("Slice", chunks, int32([-1, 0]), int32([END, 1])), flat)
    code, gap = (
        op("Cast", body.call("Symbols", lengths, stream, _column(body, column), entries), to=TensorProto.INT32)
        for lengths, stream, column in ((code_lengths, codes, 1), (gap_lengths, gaps, 2))
    )
    positions = op("Sub", op("CumSum", op("Add", gap, int32(1)), int32(0)), int32(1))
    # A last dimension of size 1 changes no address, and gives a scalar one to multiply.
    row = op("Reshape", op("Concat", shape, int64([1]), axis=0), int64([1, -1]))
    index = op("Add", code, _codebook_rows(body, row, positions)) if grouped else code
    values = op("Gather", op("Reshape", op("Cast", codebook, to=dtype), flat), index)
    numel = op("Reshape", op("ReduceProd", row, keepdims=0), flat)
    zeros = op("ConstantOfShape", numel, value=zero_tensor(TensorProto.UINT8 if typed else TensorProto.FLOAT))
    zeros = op("Cast", zeros, to=dtype) if typed else zeros
    dense = op("ScatterElements", zeros, positions, values)
    # Before version 14 Reshape takes a 0 for the size of its input on the same axis: only the first can be 0.
    exact = {"allowzero": 1} if opset >= 14 else {}
    return body.function(op("Reshape", dense, shape, **exact))


def _column(body: Body, column: int) -> str:
    """Append a column of ``chunks``, int32 [C + 1, 1]; return its name."""
    return body.op("Slice", "chunks", body.int32([0, column]), body.int32([END, column + 1]))


def _codebook_rows(body: Body, row: str, positions: str) -> str:
    """Append where the codebook of each entry's group starts in the flat codebook; return the name of these indices.

    The group of a position is ``position // inner % G`` with ``inner`` the product of the dimensions from group_axis
    on, over G. Only an attribute says which axis that is: EyeLike's puts a single 1 there, and CumSum ones after it.
    """
    op, int32, int64 = body.op, body.int32, body.int64
    first = op("EyeLike", row, k=Reference("group_axis", AttributeProto.INT))
    within = op("Cast", op("Mul", op("CumSum", first, int32(1)), row), to=TensorProto.BOOL)
    product = op("ReduceProd", op("Where", within, row, int64(1)), keepdims=0)
    sizes = op("Cast", op("Shape", "codebook"), to=TensorProto.INT32)
    groups, values = (op("Gather", sizes, int64(axis)) for axis in (0, 1))
    last = op("Div", op("Sub", op("Cast", product, to=TensorProto.INT32), int32(1)), groups)
    inner = op("Add", last, int32(1))  # at least 1, whatever the shape
    return op("Mul", op("Mod", op("Div", positions, inner), groups), values)

"""The functions DecodeWeight and Symbols: the decoder of docs/format.md in standard ONNX operators."""

from __future__ import annotations

from typing import Final

import onnx
from onnx import AttributeProto, TensorProto, helper

from onnxdc.passes.portable_function import Body, Reference

GROUP: Final = ("codebook", "code_lengths", "codes", "gap_lengths", "gaps", "chunks", "shape")
DEFAULTS: Final = {"index_bits": 8, "chunk_size": 4096, "group_axis": 0, "dtype": TensorProto.FLOAT}

ROUNDS: Final = 3  # of pointer doubling
FAN: Final = 16
END: Final = 2**31 - 1  # the end of any axis


def decode_functions(opset: int, chunk_size: int) -> list[onnx.FunctionProto]:
    """DecodeWeight and every function that it calls."""
    walk = _walk_functions(chunk_size >> ROUNDS, opset)
    return [*walk, _symbols(walk[-1].name, opset), _decode_weight(opset)]


def _decode_weight(opset: int) -> onnx.FunctionProto:
    """Sections 2 and 3 of the format: entries to positions and values, and these into a tensor of zeros."""
    body = Body("DecodeWeight", GROUP, opset)
    op, int32, int64 = body.op, body.int32, body.constant
    codebook, code_lengths, codes, gap_lengths, gaps, chunks, shape = GROUP
    dtype = Reference("dtype", AttributeProto.INT)
    entries = op("Reshape", op("Slice", chunks, int32([-1, 0]), int32([END, 1])), int64([1]))
    starts = [op("Slice", chunks, int32([0, column]), int32([-1, column + 1])) for column in (1, 2)]
    symbols = [
        op("Cast", body.call("Symbols", lengths, stream, start, entries)[0], to=TensorProto.INT32)
        for lengths, stream, start in ((code_lengths, codes, starts[0]), (gap_lengths, gaps, starts[1]))
    ]
    one = int32([1])
    positions = op("Sub", op("CumSum", op("Add", symbols[1], one), int32(0)), one)
    padded_shape = op("Reshape", op("Concat", shape, int64([1]), axis=0), int64([1, -1]))
    index = op("Add", symbols[0], _codebook_rows(body, padded_shape, positions))
    values = op("Gather", op("Reshape", op("Cast", codebook, to=dtype), int64([-1])), index)
    numel = op("ReduceProd", op("Reshape", padded_shape, int64([-1])), keepdims=1)
    zeros = op(
        "Cast", op("ConstantOfShape", numel, value=helper.make_tensor("", TensorProto.UINT8, [1], [0])), to=dtype
    )
    dense = op("ScatterElements", zeros, positions, values)
    # Before version 14 Reshape takes a 0 for the size of the same axis of its input: a weight without elements must have its 0 first.
    exact = {"allowzero": 1} if opset >= 14 else {}
    return body.function([op("Reshape", dense, shape, **exact)], ["checksum"], DEFAULTS)


def _codebook_rows(body: Body, padded_shape: str, positions: str) -> str:
    """Where the codebook of each entry's group starts in the flat codebook.

    The group of a position is ``position // inner % G`` with ``inner`` the product of the dimensions from group_axis on, over G. Only an
    attribute can say from which axis on: EyeLike puts a single 1 there.
    """
    op, int32, int64 = body.op, body.int32, body.constant
    first = op("EyeLike", padded_shape, k=Reference("group_axis", AttributeProto.INT))
    within = op("Cast", op("Mul", op("CumSum", first, int32(1)), padded_shape), to=TensorProto.BOOL)
    product = op("ReduceProd", op("Where", within, padded_shape, int64(1)), keepdims=0)
    sizes = op("Cast", op("Shape", "codebook"), to=TensorProto.INT32)
    groups, values = (op("Gather", sizes, int64(axis)) for axis in (0, 1))
    last = op("Div", op("Sub", op("Cast", product, to=TensorProto.INT32), int32(1)), groups)
    inner = op("Add", last, int32(1))  # at least 1, whatever the shape
    return op("Mul", op("Mod", op("Div", positions, inner), groups), values)


def _symbols(walk: str, opset: int) -> onnx.FunctionProto:
    """Section 4 of the format: a bitstream to its symbols, uint8 [entries]."""
    body = Body("Symbols", ["lengths", "stream", "starts", "entries"], opset)
    op, int32, int64 = body.op, body.int32, body.constant
    index, step, symbol = _bit_tables(body)
    row_starts = op(
        "Range", int32(0), op("Mul", op("Cast", op("Size", index), to=TensorProto.INT32), int32(4)), int32(4)
    )
    step = op("Add", op("Gather", step, index), op("Reshape", row_starts, int64([-1, 1])))
    flat = int64([-1])
    jumps = [op("Reshape", step, flat)]
    for _ in range(ROUNDS):
        jumps.append(op("Gather", jumps[-1], jumps[-1]))
    start = op("Mul", op("Reshape", "starts", int64([-1, 1] + [1] * ROUNDS)), int32(8))
    _, found = body.call(walk, jumps[-1], start, outputs=2)
    for axis, jump in enumerate(reversed(jumps[:-1]), 2):
        found = op("Concat", found, op("Gather", jump, found), axis=axis)
    found = op("Slice", op("Reshape", found, flat), int32([0]), "entries")
    symbols = op("Reshape", op("Gather", symbol, index), flat)
    return body.function([op("Gather", symbols, found)])


def _bit_tables(body: Body) -> tuple[str, str, str]:
    op, int32, int64 = body.op, body.int32, body.constant
    cast = lambda value, to: op("Cast", value, to=to)
    column = int64([-1, 1])
    bytes_ = op("Slice", op("Concat", "lengths", _zeros(body, 128, TensorProto.UINT8), axis=0), int32([0]), int32([128]))
    nibbles = op("Div", op("Reshape", cast(bytes_, TensorProto.INT32), column), int32([1, 16]))
    lengths = op("Reshape", op("Mod", op("Add", op("Mod", nibbles, int32(16)), int32(12)), int32(13)), int64([-1]))
    keys = op("Add", op("Mul", lengths, int32(256)), op("Range", int32(0), int32(256), int32(1)))
    keys, symbols = body.op_outputs("TopK", keys, int64([256]), outputs=2, largest=0)
    lengths = op("Div", keys, int32(256))
    sizes = op("Gather", int32([1 << 12 - n for n in range(1, 13)]+[0]), lengths)
    first = op("CumSum", sizes, int32(0), exclusive=1)
    marks = op("ScatterElements", _zeros(body, 4097, TensorProto.INT32), first, op("Add", op("Mul",sizes,int32(0)), int32(1)))
    rank = op("Sub", op("CumSum", marks, int32(0)), int32(1))
    length = op("Gather", lengths, rank)
    symbol = cast(op("Gather", symbols, rank), TensorProto.UINT8)
    windows = op("Reshape", op("Range", int32(0), int32(65536), int32(1)), column)
    windows = op("Mod", op("Div", windows, int32([16, 8, 4, 2])), int32(4096))
    step = op("Concat", op("Add", op("Gather", length, windows), int32([1, 2, 3, 4])), int32([[0, 1, 2, 3]]), axis=0)
    symbol = op("Concat", op("Gather", symbol, windows), body.constant([[0] * 4], TensorProto.UINT8), axis=0)
    stream = cast(op("Concat", "stream", body.constant([0, 0], TensorProto.UINT8), axis=0), TensorProto.INT32)
    stream = op("Reshape", stream, column)
    parts = [op("Slice", stream, int32([n]), int32([n - 2 if n < 2 else END])) for n in range(3)]
    joined = parts[0]
    for part in parts[1:]:
        joined = op("Add", op("Mul", joined, int32(256)), part)
    index = op("Reshape", op("Mod", op("Div", joined, int32([256, 16])), int32(65536)), int64([-1]))
    index = op("Concat", index, int32([65536] * 4), axis=0)
    return index, step, symbol


def _walk_functions(steps: int, opset: int) -> list[onnx.FunctionProto]:
    """From the starting points [C, 1, ...], the starting point of every step [C, steps, ...]."""
    functions: list[onnx.FunctionProto] = []
    done = 1
    while done < steps or not functions:
        fan = min(FAN, steps // done)
        body = Body(f"Walk{done * fan}", ["j", "p"], opset)
        here, seen = "p", []
        for _ in range(fan):
            if functions:
                here, found = body.call(functions[-1].name, "j", here, outputs=2)
                seen.append(found)
            else:
                seen.append(here)
                here = body.op("Gather", "j", here)
        functions.append(body.function([here, body.op("Concat", *seen, axis=1)]))
        done *= fan
    return functions


def _zeros(body: Body, size: int, kind: TensorProto.DataType) -> str:
    return body.op("ConstantOfShape", body.constant([size]), value=helper.make_tensor("", kind, [1], [0]))

"""The function Symbols: section 4 of docs/format.md, a bitstream to its symbols, in standard ONNX operators.

Nothing in it may stop onnxruntime from folding it when the session is created: no Loop, Scan or If, and no operator
like NonZero whose output has a size that only its data tell.

Every bit of the stream is taken for the start of a codeword, and the bit after that codeword is looked up:
``jump[bit]`` is one symbol further. Gathering ``jump`` by itself goes two symbols further, then four, eight and so on,
while the list of known starts in every chunk doubles. After ``ROUNDS`` rounds the rest of a chunk follows in strides
of that many symbols: to fold a node onnxruntime copies its inputs, so a stride costs a copy of ``jump``, a round four.

Each copy above a size (32 MB with glibc) lies in fresh pages, zeroed one by one, which takes longer than all the rest:
a long stream is cut into a few segments of whole chunks.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import onnx
from onnx import TensorProto

from onnxdc.domain.portable.body import Body
from onnxdc.numeric.huffman import MAX_LENGTH

SLOTS: Final = 1 << MAX_LENGTH  # windows of the longest codeword
SYMBOLS: Final = 256
# Measured on chunks of 4096 entries: a weight of 9 million elements at density 0.1 loads in 1.8 s on Zen 4 with 8
# rounds, in 1.9 s with 7 and in 2.0 s with 9.
ROUNDS: Final = 8
SEGMENT_BYTES: Final = 900_000  # of a stream: ``jump``, an int32 for each bit, has 28.8 MB, below those 32
MAX_SEGMENTS: Final = 3  # a choice: a session is created in more than linear time in the number of nodes
ROW: Final = 4  # bits in a row of the tables
WIDE: Final = 1 << MAX_LENGTH + ROW  # windows in which a codeword fits that starts anywhere in a row
TAIL: Final = 4  # rows after the stream: their 16 bits are longer than any codeword


def symbols_functions(opset: int, chunk_size: int, stream_bytes: int) -> list[onnx.FunctionProto]:
    """Write Symbols and the function Segment that it calls, for chunks of at most ``chunk_size`` entries.

    Symbols has as inputs code lengths uint8 [a], two a byte; the stream uint8 [n]; the byte at which each chunk starts,
    and the last one ends, int32 [C + 1, 1]; the number of entries, int32 [1]. Its output is uint8 [entries].
    ``stream_bytes`` is the length of the longest stream that should load fast; longer ones do load.
    """
    segments = min(MAX_SEGMENTS, max(1, -(-stream_bytes // SEGMENT_BYTES)))
    return [_segment_function(opset, chunk_size), _symbols_function(opset, segments)]


def _symbols_function(opset: int, segments: int) -> onnx.FunctionProto:
    body = Body("Symbols", ["lengths", "stream", "bounds", "entries"], opset)
    op, int32 = body.op, body.int32
    tables = _row_tables(body, *_slot_tables(body))
    chunks = op("Sub", op("Cast", op("Size", "bounds"), to=TensorProto.INT32), int32([1]))
    between = [op("Div", op("Mul", chunks, int32([n])), int32([segments])) for n in range(1, segments)]
    edges = pairwise([int32([0]), *between, chunks])
    parts = [body.call("Segment", *tables, "stream", "bounds", *pair) for pair in edges]
    return body.function(op("Slice", op("Concat", *parts, axis=0), int32([0]), "entries"))


def _segment_function(opset: int, chunk_size: int) -> onnx.FunctionProto:
    """Write Segment: the symbols of the chunks from ``first`` to before ``last``.

    A short chunk is filled up with any symbols.
    """
    body = Body("Segment", ["advance", "symbol", "stream", "bounds", "first", "last"], opset)
    op, flat = body.op, body.int64([-1])
    start, end = (op("Reshape", op("Gather", "bounds", edge), flat) for edge in ("first", "last"))
    rows = _rows(body, op("Slice", "stream", start, end))
    starts = op("Mul", op("Sub", op("Slice", "bounds", "first", "last"), start), body.int32(8))
    bits = _starts(body, _jumps(body, rows), starts, chunk_size)
    return body.function(op("Gather", op("Reshape", op("Gather", "symbol", rows), flat), bits))


def _slot_tables(body: Body) -> tuple[str, str]:
    """Append two tables over the ``SLOTS`` windows: length less one, int32, and symbol, uint8, of the first codeword.

    The codeword is the one that a window begins with. In the canonical order each codeword takes the next
    2^(12 - length) windows. Unused symbols come last and take none.
    """
    op, int32, zero = body.op, body.int32, body.int32(0)
    packed = op("Concat", "lengths", body.zeros(SYMBOLS // 2, TensorProto.UINT8), axis=0)
    packed = op("Slice", packed, int32([0]), int32([SYMBOLS // 2]))
    packed = op("Reshape", op("Cast", packed, to=TensorProto.INT32), body.int64([-1, 1]))
    lengths = op("Mod", op("Div", packed, int32([1, 16])), int32(16))
    lengths = op(
        "Mod", op("Add", lengths, int32(MAX_LENGTH)), int32(MAX_LENGTH + 1)
    )  # 1, 2, ... 12, 0 to 0, 1, ... 11, 12
    keys = op("Mul", op("Reshape", lengths, body.int64([-1])), int32(SYMBOLS))
    keys = op("Add", keys, op("Range", zero, int32(SYMBOLS), int32(1)))
    keys, symbols = body.outputs(2, "TopK", keys, body.int64([SYMBOLS]), largest=0)
    lengths = op("Div", keys, int32(SYMBOLS))
    sizes = op("Gather", int32([SLOTS >> n for n in range(1, MAX_LENGTH + 1)] + [0]), lengths)
    ends = op("CumSum", sizes, zero)
    # The rank of a window's codeword is how many start at or before it, less one; unused symbols all start at the end.
    ones = op("Expand", int32(1), body.int64([SYMBOLS]))
    starts = op("ScatterElements", body.zeros(SLOTS + 1, TensorProto.INT32), op("Sub", ends, sizes), ones)
    rank = op("Sub", op("CumSum", starts, zero), int32(1))
    return op("Gather", lengths, rank), op("Cast", op("Gather", symbols, rank), to=TensorProto.UINT8)


def _row_tables(body: Body, lengths: str, symbols: str) -> tuple[str, str]:
    """Append two tables over the 16 bits that begin with a row, with a column for a codeword at each of its 4 bits.

    The tables hold the end of each codeword, int32, counted from the start of the row, and its symbol, uint8. One more
    row serves the tail: its bits lead to themselves.
    """
    op, int32 = body.op, body.int32
    windows = op("Reshape", op("Range", int32(0), int32(WIDE), int32(1)), body.int64([-1, 1]))
    windows = op("Mod", op("Div", windows, int32([1 << ROW - bit for bit in range(ROW)])), int32(SLOTS))
    advance = op("Add", op("Gather", lengths, windows), int32([bit + 1 for bit in range(ROW)]))
    advance = op("Concat", advance, int32([list(range(ROW))]), axis=0)
    tail = body.constant([[0] * ROW], TensorProto.UINT8)
    return advance, op("Concat", op("Gather", symbols, windows), tail, axis=0)


def _rows(body: Body, stream: str) -> str:
    """Append the 16 bits that begin with each row of the stream, two rows a byte, then the tail; int32 [2 n + 4]."""
    op, int32 = body.op, body.int32
    padded = op("Concat", stream, body.zeros(2, TensorProto.UINT8), axis=0)
    padded = op("Reshape", op("Cast", padded, to=TensorProto.INT32), body.int64([-1, 1]))
    first, second = (op("Slice", padded, int32([n]), int32([n - 2])) for n in (0, 1))
    third = op("Slice", padded, int32([2]), int32([2**31 - 1]))
    window = op("Add", op("Mul", op("Add", op("Mul", first, int32(256)), second), int32(256)), third)
    window = op("Mod", op("Div", window, int32([256, 16])), int32(WIDE))
    return op("Concat", op("Reshape", window, body.int64([-1])), int32([WIDE] * TAIL), axis=0)


def _jumps(body: Body, rows: str) -> str:
    """Append for every bit the bit after the codeword that starts there, int32 [8 n + 16]."""
    op, int32 = body.op, body.int32
    bits = op("Mul", op("Cast", op("Size", rows), to=TensorProto.INT32), int32(ROW))
    row_starts = op("Reshape", op("Range", int32(0), bits, int32(ROW)), body.int64([-1, 1]))
    return op("Reshape", op("Add", op("Gather", "advance", rows), row_starts), body.int64([-1]))


def _starts(body: Body, jump: str, starts: str, chunk_size: int) -> str:
    """Append the bit at which each codeword starts, int32 [C * chunk_size].

    ``starts`` is known for the first codeword of each chunk, [C, 1].
    """
    op = body.op
    rounds = min(ROUNDS, chunk_size.bit_length() - 1)
    for _ in range(rounds):
        starts = op("Concat", starts, op("Gather", jump, starts), axis=1)
        jump = op("Gather", jump, jump)
    strides = [starts]
    for _ in range((chunk_size >> rounds) - 1):
        strides.append(op("Gather", jump, strides[-1]))
    return op("Reshape", op("Concat", *strides, axis=1), body.int64([-1]))

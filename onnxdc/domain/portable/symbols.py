"""The functions Symbols and SparseSymbols: many streams at once (docs/format.md, sections 4 and 5).

All packets are read in lockstep: each step takes the next byte of every packet through the automaton of its table. What
a step completes is then put where it belongs, one codeword of each byte at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count, groupby, pairwise
from typing import Final

import onnx
from onnx import TensorProto

from onnxdc.domain.portable.automaton import END, LOW, SYMBOLS, automaton_functions, implied_values
from onnxdc.domain.portable.body import Body, letters
from onnxdc.numeric.huffman import MAX_LENGTH

ADDING_OPSET: Final = 16  # the first whose ScatterElements can add
_STEPS: Final = 8  # that one function takes, so that the text of a walk stays short
_SPARE: Final = 8  # places after the last symbol, as many as a byte has bits


@dataclass(frozen=True)
class Table:
    """What the body knows of a table.

    Attributes:
        values: How many codewords it says the meaning of; 0 if it says only how many there are of each length.
        low: Whether low bits come with its codewords.
        shortest: The length of its shortest codeword.
    """

    values: int
    low: bool
    shortest: int


@dataclass(frozen=True)
class Stream:
    """What the body knows of a stream.

    Attributes:
        table: The index of its table.
        nbytes: The bytes of its packets; the last one may be shorter.
        symbols: Its codewords, fill symbols included.
        low: The entries that have low bits; 0 if none has.
    """

    table: int
    nbytes: int
    symbols: int
    low: int = 0


@dataclass(frozen=True)
class SymbolsLayout:
    """What a node Symbols or SparseSymbols has as inputs, after which its body is written.

    Attributes:
        name: The name of its function.
        packet: The bytes of a packet.
        tables: Its tables.
        streams: Its streams; those with low bits first.
    """

    name: str
    packet: int
    tables: tuple[Table, ...]
    streams: tuple[Stream, ...]

    @property
    def slots(self) -> int:
        """How many codewords a byte completes at most."""
        return -(-8 // min(table.shortest for table in self.tables))

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Where each run of packets with one table begins, and its table."""
        first = accumulate((-(-stream.nbytes // self.packet) for stream in self.streams), initial=0)
        starts = ((stream.table, start) for stream, start in zip(self.streams, first, strict=False))
        return [(next(run)[1], table) for table, run in groupby(starts, key=lambda pair: pair[0])]


def symbols_functions(opset: int, layouts: Sequence[SymbolsLayout]) -> list[onnx.FunctionProto]:
    """Write a function for each layout, and the functions that they call; all have packets of one size."""
    if not layouts:
        return []
    slots, packet = max(layout.slots for layout in layouts), layouts[0].packet
    low = any(table.low for layout in layouts for table in layout.tables)
    shared = [*automaton_functions(opset, slots, low=low), *_walk_functions(opset, packet), _slot(opset)]
    return [
        *shared,
        _read(opset, packet, slots),
        *(_symbols(opset, layout, implied_values(low=low)) for layout in layouts),
    ]


def _symbols(opset: int, layout: SymbolsLayout, implied: int) -> onnx.FunctionProto:
    names = iter(map(letters, count()))
    tables, streams, lows = ([next(names) for _ in items] for items in _inputs(layout))
    body = Body(layout.name, [*tables, *streams, *lows], opset)
    low = _low_bits(body, layout, lows)
    zeros = 1 + sum(stream.symbols for stream in layout.streams) + _SPARE
    if low and opset >= ADDING_OPSET:
        zeros -= sum(stream.symbols for stream in layout.streams if stream.low)
        first, last = (body.filled(body.int64([size]), TensorProto.UINT8) for size in (1, zeros - 1))
        data = body.concat(first, *low, last)
    else:
        data = body.filled(body.int64([zeros]), TensorProto.UINT8)
    packets = _packets(body, layout, streams)
    read = body.call("Read", *_tables(body, layout, tables, implied), packets, *_runs(body, layout), data)
    if opset < ADDING_OPSET:
        read = _with_low_bits(body, read, low)
    return body.function(*body.split(read, [1, *(stream.symbols for stream in layout.streams), _SPARE])[1:-1])


def _inputs(layout: SymbolsLayout) -> list[Sequence[object]]:
    """Return what there is of each kind of inputs: tables, streams, low bits."""
    return [layout.tables, layout.streams, [stream for stream in layout.streams if stream.low]]


def _tables(body: Body, layout: SymbolsLayout, names: Sequence[str], implied: int) -> tuple[str, str, str]:
    """Append the inputs of Automaton: numbers of codewords, what they stand for, where each table has that."""
    said = [name for name, table in zip(names, layout.tables, strict=True) if table.values]
    sizes = [size for table in layout.tables if table.values for size in (MAX_LENGTH, table.values)]
    parts = body.split(body.concat(*said), sizes) if said else []
    heads, tails = iter(parts[::2]), parts[1::2] or [body.filled(body.int64([0]), TensorProto.UINT8)]
    counts = [next(heads) if table.values else name for name, table in zip(names, layout.tables, strict=True)]
    starts, end = [], implied
    for table in layout.tables:
        starts.append(end if table.values else SYMBOLS * table.low)
        end += table.values
    return body.concat(*counts), body.concat(*tails), body.int32(starts)


def _packets(body: Body, layout: SymbolsLayout, names: Sequence[str]) -> str:
    """Append all streams, one after the other, uint8; their last packets are filled up with ones."""
    missing = [-stream.nbytes % layout.packet for stream in layout.streams]
    sizes = sorted({*missing} - {0})
    fills = dict(zip(sizes, _ones(body, sizes), strict=True))
    parts = zip(names, missing, strict=True)
    return body.concat(*(part for name, size in parts for part in ([name, fills[size]] if size else [name])))


def _ones(body: Body, sizes: Sequence[int]) -> list[str]:
    """Append bytes of ones, uint8, so many and so many."""
    return body.split(body.filled(body.int64([sum(sizes)]), TensorProto.UINT8, 255), sizes) if sizes else []


def _runs(body: Body, layout: SymbolsLayout) -> tuple[str, str]:
    """Append the packet at which each run with one table begins, and by how much that table's number is larger."""
    tables = [0, *(table for _, table in layout.runs)]
    growth = [after - before for before, after in pairwise(tables)]
    return body.int32([start for start, _ in layout.runs]), body.int32(growth)


def _low_bits(body: Body, layout: SymbolsLayout, names: Sequence[str]) -> list[str]:
    """Append the low bits of the streams that have them, uint8, zeros for fill symbols; return their names."""
    streams = [stream for stream in layout.streams if stream.low]
    if not streams:
        return []
    op = body.op
    packed = body.concat(*names)
    low = op("Mod", packed, body.constant(LOW, TensorProto.UINT8))
    high = op("BitShift", packed, body.constant(4, TensorProto.UINT8), direction="RIGHT")
    lower = body.split(low, [(stream.low + 1) // 2 for stream in streams])
    # Where the number of entries is odd, a nibble belongs to none.
    upper = body.split(high, [size for stream in streams for size in (stream.low // 2, stream.low % 2)])[::2]
    fills = [stream.symbols - stream.low for stream in streams]
    zeros = body.split(body.filled(body.int64([sum(fills)]), TensorProto.UINT8), fills)
    return [part for parts in zip(lower, upper, zeros, strict=True) for part in parts]


def _with_low_bits(body: Body, data: str, low: Sequence[str]) -> str:
    """Append the sum of the symbols, which start at 1, and the low bits of the first of them."""
    if not low:
        return data
    op, int64 = body.op, body.int64
    low_bits = body.concat(*low)
    end = op("Add", op("Shape", low_bits), int64([1]))
    upper = op("Cast", op("Slice", data, int64([1]), end), to=TensorProto.INT32)
    mixed = op("Cast", op("Add", upper, op("Cast", low_bits, to=TensorProto.INT32)), to=TensorProto.UINT8)
    return body.concat(op("Slice", data, int64([0]), int64([1])), mixed, op("Slice", data, end, int64([END])))


def _walk_functions(opset: int, packet: int) -> list[onnx.FunctionProto]:
    """Write Walk, and the function Steps that it calls.

    Walk has as inputs the states after each byte, int32 [S * 256], the packets, uint8 [n * packet], and the roots of
    their codes, int32 [n, 1]; states and roots are times 256. For each byte its output is the place of its step among
    the states, int32 [n * packet].
    """
    steps = Body("Steps", ["t", "s", "slab"], opset)
    state, places = "s", []
    for column in steps.columns(steps.op("Cast", "slab", to=TensorProto.INT32), _STEPS):
        places.append(steps.op("Add", state, column))
        state = steps.op("Gather", "t", places[-1])
    walk = Body("Walk", ["t", "stream", "start"], opset)
    rows = walk.op("Reshape", "stream", walk.int64([-1, packet]))
    at, read = "start", []
    for slab in walk.columns(rows, packet // _STEPS) if packet > _STEPS else [rows]:
        at, places_of_slab = walk.calls(2, "Steps", "t", at, slab)
        read.append(places_of_slab)
    flat = walk.op("Reshape", walk.concat(*read, axis=1), walk.int64([-1]))
    return [steps.function(state, steps.op("Concat", *places, axis=1)), walk.function(flat)]


def _read(opset: int, packet: int, slots: int) -> onnx.FunctionProto:
    """Write Read: all symbols of a stream.

    Its inputs are those of Automaton; the packets, uint8 [n * packet]; the packet at which each run with one table
    begins and by how much the number of the table grows there, int32 [R]; and the data, uint8, in which low bits stand
    at the place of their symbols already. Symbols begin at place 1: place 0 is for what is no symbol, and what is
    before that counts from the end.
    """
    body = Body("Read", ["counts", "values", "starts", "stream", "runs", "growth", "data"], opset)
    op, int32, int64 = body.op, body.int32, body.int64
    states, roots, numbers, symbols = body.calls(4, "Automaton", "counts", "values", "starts")
    marks = body.filled(op("Div", op("Shape", "stream"), int64([packet])), TensorProto.INT32)
    table = op("CumSum", op("ScatterElements", marks, "runs", "growth"), int32(0))
    start = op("Gather", roots, op("Reshape", table, int64([-1, 1])))
    read = body.call("Walk", states, "stream", start)
    ends = op("CumSum", op("Gather", numbers, read), int32(0))
    data = "data"
    for _ in range(slots):
        if opset >= ADDING_OPSET:
            data, ends, symbols = body.calls(3, "Slot", data, ends, read, symbols)
        else:
            data, ends, symbols, numbers = body.calls(4, "Slot", data, ends, read, symbols, numbers)
    return body.function(data)


def _slot(opset: int) -> onnx.FunctionProto:
    """Write Slot: put the lowest symbol that each byte completes where it belongs.

    Its inputs are the data, uint8, all zero where symbols are to come; for each byte where the last of the symbols that
    are left belongs, int32, and the place of its step, int32; for each step its symbols, int64. Where ScatterElements
    cannot add, one more: how many are left for each step. A byte that completes none adds zero to some place, or
    writes to place 0.
    """
    adds = opset >= ADDING_OPSET
    body = Body("Slot", ["data", "ends", "read", "symbols", *([] if adds else ["left"])], opset)
    op, one = body.op, body.int32(1)
    size = body.int64(SYMBOLS)
    lowest = op("Mod", "symbols", size)
    updates = op("Gather", op("Cast", lowest, to=TensorProto.UINT8), "read")
    # The lowest is subtracted first: eight symbols overflow into the sign.
    rest = op("Div", op("Sub", "symbols", lowest), size)
    ends = op("Sub", "ends", one)
    if adds:
        return body.function(op("ScatterElements", "data", "ends", updates, reduction="add"), ends, rest)
    some = op("Cast", op("Cast", "left", to=TensorProto.BOOL), to=TensorProto.INT32)
    data = op("ScatterElements", "data", op("Mul", "ends", op("Gather", some, "read")), updates)
    return body.function(data, ends, rest, op("Sub", "left", some))

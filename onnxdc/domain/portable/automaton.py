"""Automata that read Huffman codes a byte a step, made from tables (docs/format.md section 4) in standard operators.

A state is an inner node of a code tree. Reading a byte leads to another state, and completes up to eight codewords on
the way. The automata of all tables stand one after the other: their states are counted through.
"""

from __future__ import annotations

from typing import Final

import onnx
from onnx import TensorProto

from onnxdc.domain.portable.body import Body
from onnxdc.numeric.huffman import MAX_LENGTH

END: Final = 2**31 - 1  # the end of any axis
SYMBOLS: Final = 256  # what a code may have at most, and a byte can be
LOW: Final = 16  # low bits are below


def automaton_functions(opset: int, slots: int, *, low: bool) -> list[onnx.FunctionProto]:
    """Write Automaton, and the function Twice that it calls.

    Automaton has as inputs how many codewords of each length each of G codes has, uint8 [G * 12]; what codewords stand
    for, uint8 [V]; where those of each code begin among all bytes, all multiples of 16 and these, int32 [G]. For S
    states its outputs are the states after each of 256 bytes, times 256, int32 [S * 256]; the roots, times 256, int32
    [G]; how many codewords a byte completes in each state, int32 [S * 256]; and what they stand for, a byte each, the
    last in the lowest, int64 [S * 256].

    Args:
        opset: The version of the default domain.
        slots: How many codewords a byte may complete, 1..8.
        low: Whether some codes have low bits; else there are no multiples of 16.
    """
    return [_twice(opset), _automaton(opset, slots, low=low)]


def implied_values(*, low: bool) -> int:
    """Return how many numbers codewords may stand for whose table does not say it: all bytes, and multiples of 16."""
    return SYMBOLS + (SYMBOLS // LOW if low else 0)


def _twice(opset: int) -> onnx.FunctionProto:
    """Write Twice: from steps over n bits to steps over 2 n bits.

    Inputs and outputs are the next states, int32 [S, 2^n], and what is read on the way, int64 [S, 2^n]: 256 to the
    power of the number of codewords, and what they stand for as a number to the base 256.
    """
    body = Body("Twice", ["t", "p", "s"], opset)
    op, flat = body.op, body.int64([0, -1])
    states = op("Reshape", op("Gather", "t", "t"), flat)
    power = op("Gather", "p", "t")
    powers = op("Reshape", op("Mul", body.unsqueeze("p", 2), power), flat)
    symbols = op("Add", op("Mul", body.unsqueeze("s", 2), power), op("Gather", "s", "t"))
    return body.function(states, powers, op("Reshape", symbols, flat))


def _automaton(opset: int, slots: int, *, low: bool) -> onnx.FunctionProto:
    body = Body("Automaton", ["counts", "values", "starts"], opset)
    op, int32, int64, zero, one = body.op, body.int32, body.int64, body.int32(0), body.int32(1)
    ends = _ends(body)
    # The nodes of each tree but its root, breadth first, at each depth leaves first: node 2 s and 2 s + 1 are below s.
    size = op("Gather", ends, int32(2 * MAX_LENGTH - 1), axis=1)
    first = op("CumSum", size, zero, exclusive=1)
    root = op("Div", first, int32(2))
    node = op("Range", zero, op("ReduceMax", op("Add", first, size), keepdims=0), one)
    column = body.unsqueeze(node, 1)
    group = _count(body, op("Less", op("Sub", op("Add", first, size), one), column))
    within = op("Sub", node, op("Gather", first, group))
    inner = op("Mod", _count(body, op("Less", body.unsqueeze(within, 1), op("Gather", ends, group))), int32(2))
    is_inner = op("Cast", inner, to=TensorProto.BOOL)
    state = op("Add", op("CumSum", inner, zero), group)
    own_root = op("Gather", root, group)
    rank = op("Where", is_inner, zero, op("Sub", within, op("Sub", state, own_root)))
    value = op("Gather", _values(body, low=low), op("Add", rank, op("Gather", "starts", group)))
    value = op("Where", is_inner, int64([0]), op("Cast", value, to=TensorProto.INT64))
    states = op("Where", is_inner, state, own_root)
    power = op("Where", is_inner, int64([1]), int64([SYMBOLS]))
    # Two bits lead from each state: pairs.
    steps = [op("Reshape", column, int64([-1, 2])) for column in (states, power, value)]
    for _ in range(3):  # from one bit to two, four, eight
        steps = body.calls(3, "Twice", *steps)
    states, power, symbols = (op("Reshape", column, int64([-1])) for column in steps)
    bytes_ = int32(SYMBOLS)
    return body.function(op("Mul", states, bytes_), op("Mul", root, bytes_), _logarithm(body, power, slots), symbols)


def _ends(body: Body) -> str:
    """Append how many nodes there are up to each depth, int32 [G, 24]: its leaves, then its inner nodes as well."""
    op, int32 = body.op, body.int32
    span = int32([[1 << MAX_LENGTH - 1 - depth] for depth in range(MAX_LENGTH)])
    leaves = op("Reshape", op("Cast", "counts", to=TensorProto.INT32), body.int64([-1, MAX_LENGTH, 1]))
    taken = op("CumSum", op("Mul", leaves, span), int32(1))
    inner = op("Div", op("Sub", int32(1 << MAX_LENGTH), taken), span)
    nodes = op("Reshape", op("Concat", leaves, inner, axis=2), body.int64([0, 2 * MAX_LENGTH]))
    return op("CumSum", nodes, int32(1))


def _values(body: Body, *, low: bool) -> str:
    """Append what codewords stand for: numbers that tables do not say, then those that they do."""
    zero, size = body.int32(0), body.int32(SYMBOLS)
    ramps = [body.op("Range", zero, size, body.int32(step)) for step in ((1, LOW) if low else (1,))]
    implied = body.op("Cast", body.concat(*ramps), to=TensorProto.UINT8)
    return body.concat(implied, "values")


def _count(body: Body, true: str) -> str:
    """Append how many are true in each row, int32."""
    return body.reduce_sum(body.op("Cast", true, to=TensorProto.INT32), 1)


def _logarithm(body: Body, power: str, slots: int) -> str:
    """Append the logarithm to the base 256, int32; 256^8 is 0 in 64 bits."""
    op, int64 = body.op, body.int64
    least = int64([[SYMBOLS**n - 1] for n in range(1, min(slots, 7) + 1)])
    number = body.reduce_sum(op("Cast", op("Less", least, power), to=TensorProto.INT32), 0)
    if slots < 8:
        return number
    overflown = op("Cast", op("Equal", power, int64(0)), to=TensorProto.INT32)
    return op("Add", number, op("Mul", overflown, body.int32(8)))

"""The nodes that yield the symbols of weight groups for the portable bodies (docs/format.md section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.domain.portable.symbols import Stream, SymbolsLayout, Table
from onnxdc.numeric.huffman import MAX_LENGTH
from onnxdc.numeric.packets import symbol_counts
from onnxdc.numeric.weight import MAX_ELEMENTS, TENSORS, CompressedWeight

_TableKey: TypeAlias = tuple[bytes, bool]  # the bytes of a table, and whether low bits come with its codewords

_STREAMS: Final = (("code_table", "codes"), ("gap_table", "gaps"))
_MOST_SYMBOLS: Final = MAX_ELEMENTS - 16  # of one node: its body counts them in int32, and adds a few places
_NODE_BYTES: Final = 40
_NAME_BYTES: Final = 9
_INDEX: Final = {name: index for index, name in enumerate(TENSORS)}


@dataclass(frozen=True)
class _Part:
    """A stream of a weight.

    Attributes:
        weight: The index of the weight.
        stream: 0 for its codes, 1 for its gaps.
        table: The table.
        nbytes: The bytes of its packets.
        symbols: Its codewords, fill symbols included.
        low: The entries that have low bits; 0 if none has.
    """

    weight: int
    stream: int
    table: _TableKey
    nbytes: int
    symbols: int
    low: int


@dataclass(frozen=True)
class SymbolsNode:
    """A node that is to yield the symbols of some weights.

    Attributes:
        layout: What its body is written after.
        parts: Its streams, in the order of its inputs and outputs.
    """

    layout: SymbolsLayout
    parts: Sequence[_Part]

    @property
    def nbytes(self) -> int:
        """About how many bytes the node takes in a file."""
        streams = len(self.parts)
        names = len(self.layout.tables) + 2 * streams + sum(part.low > 0 for part in self.parts)
        return _NODE_BYTES + _NAME_BYTES * names

    def make(self, groups: Mapping[int, Sequence[ir.Value]], outputs: Mapping[int, Sequence[ir.Value]]) -> ir.Node:
        """Make the node.

        Args:
            groups: For the index of each weight its eight tensors.
            outputs: For the index of each weight the values that its symbols become, of its codes and of its gaps.
        """
        tables = {part.table: groups[part.weight][_INDEX[_STREAMS[part.stream][0]]] for part in self.parts}
        streams = [groups[part.weight][_INDEX[_STREAMS[part.stream][1]]] for part in self.parts]
        lows = [groups[part.weight][_INDEX["low_bits"]] for part in self.parts if part.low]
        made = [outputs[part.weight][part.stream] for part in self.parts]
        return ir.Node(DOMAIN, self.layout.name, [*tables.values(), *streams, *lows], outputs=made, name="")


def symbols_nodes(weights: Sequence[CompressedWeight], operator: str, *, first: int = 0) -> list[SymbolsNode]:
    """Plan the nodes that yield the symbols of some weights: one, unless it would have too many outputs.

    Args:
        weights: The weights, whose packets have one size.
        operator: The name of the first such node: what operators read them says which.
        first: How many such nodes the model has already.
    """
    parts = sorted(_parts(weights), key=lambda part: not part.low)
    nodes: list[SymbolsNode] = []
    for chosen in _limited(parts):
        number = first + len(nodes) + 1
        name = operator + (str(number) if number > 1 else "")
        nodes.append(_node(name, chosen, weights[chosen[0].weight].packet))
    return nodes


def _parts(weights: Sequence[CompressedWeight]) -> Iterator[_Part]:
    """Yield the streams of the weights that have packets."""
    for index, weight in enumerate(weights):
        counts = symbol_counts(weight)
        for stream, (table, name) in enumerate(_STREAMS):
            packed, own_table = getattr(weight, name), getattr(weight, table)
            low = weight.entries if weight.low_bits.size and not stream else 0
            if own_table.size:
                key = (own_table.tobytes(), low > 0)
                yield _Part(index, stream, key, packed.size, counts[stream], low)


def _limited(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Cut the streams into runs of fewer than 2^31 symbols."""
    chosen: list[_Part] = []
    total = 0
    for part in parts:
        if total + part.symbols >= _MOST_SYMBOLS and chosen:
            yield chosen
            chosen, total = [], 0
        chosen.append(part)
        total += part.symbols
    if chosen:
        yield chosen


def _node(name: str, parts: Sequence[_Part], packet: int) -> SymbolsNode:
    order = {key: index for index, key in enumerate(dict.fromkeys(part.table for part in parts))}
    # Streams with one table follow each other: the body finds the table of a packet by where its run begins.
    ordered = sorted(parts, key=lambda part: (not part.low, order[part.table]))
    keys = {key: index for index, key in enumerate(dict.fromkeys(part.table for part in ordered))}
    tables = tuple(_table(key) for key in keys)
    streams = tuple(Stream(keys[part.table], part.nbytes, part.symbols, part.low) for part in ordered)
    return SymbolsNode(SymbolsLayout(name, packet, tables, streams), ordered)


def _table(key: _TableKey) -> Table:
    content, low = key
    shortest = next(length for length, count in enumerate(content[:MAX_LENGTH], 1) if count)
    return Table(len(content) - MAX_LENGTH, low, shortest)

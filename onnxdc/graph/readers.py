"""Who reads the integers of a quantised model: the operators that take them, and those after a DequantizeLinear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import onnx_ir as ir

from onnxdc.graph import slots
from onnxdc.graph.passing import CUTTING, PASSING
from onnxdc.graph.slots import KINDS, Kind
from onnxdc.graph.walk import operator_name

_HANDING_ON: Final = PASSING | CUTTING | {"DequantizeLinear"}


@dataclass(frozen=True)
class Reader:
    """A node that works with integers of a constant, or with what they stand for.

    Attributes:
        node: The node.
        index: The number of the input that takes them.
        after: The operators between, such as ``("DequantizeLinear",)``.
    """

    node: ir.Node
    index: int
    after: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of weight that they are to the node."""
        kinds = (slots.quantized_kind(self.node, self.index), slots.weight_kind(self.node, self.index))
        return next((kind for kind in kinds if kind is not None), "other")

    @property
    def text(self) -> str:
        """The operator and what is before it: such as ``"Conv after DequantizeLinear"``."""
        return " after ".join([operator_name(self.node), *reversed(self.after)])


def readers_of(value: ir.Value) -> tuple[Reader, ...]:
    """Return who reads the integers that a value holds, those of the strongest kind first.

    A node whose output nobody reads is a reader itself, whatever it hands on.
    """
    found = list(_readers(value, (), set()))
    return tuple(sorted(found, key=lambda reader: KINDS.index(reader.kind)))


def readers_text(readers: Sequence[Reader]) -> str:
    """Return all readers in words, each operator once."""
    return ", ".join(dict.fromkeys(reader.text for reader in readers))


def _readers(value: ir.Value, after: tuple[str, ...], seen: set[ir.Node]) -> Iterator[Reader]:
    for node, index in value.uses():
        hands_on = node.op_type in _HANDING_ON and index == 0 and any(output.uses() for output in node.outputs)
        if not hands_on:
            yield Reader(node, index, after)
        elif node not in seen:
            seen.add(node)
            for output in node.outputs:
                yield from _readers(output, (*after, operator_name(node)), seen)

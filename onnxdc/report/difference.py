"""What differs between two models once they are decoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onnxdc.report.printable import Printable
from onnxdc.report.row import ratio_text
from onnxdc.report.text import aligned
from onnxdc.shown import escaped, shown

Pair = tuple[str, str]
"""A text of A and one of B; empty where one has none."""


@dataclass(frozen=True)
class DifferingWeight:
    """A constant that is another one in B, or that only one of them has.

    Attributes:
        name: Its name.
        a, b: Its type and shape in each, such as ``"float32 300x784"``; empty where it is missing.
        a_bytes, b_bytes: What it takes in each file; None where it is missing.
        elements: How many elements differ; None unless both have it in one shape and type.
        change: The root mean square of the difference over that of A; None unless both have it in one shape, as floats.
    """

    name: str
    a: str = ""
    b: str = ""
    a_bytes: int | None = None
    b_bytes: int | None = None
    elements: int | None = None
    change: float | None = None

    @property
    def what(self) -> str:
        """What differs, in words."""
        if not self.a or not self.b:
            return "only in A" if self.a else "only in B"
        return self.a if self.a == self.b else f"{self.a} -> {self.b}"

    def cells(self) -> tuple[str, ...]:
        """Return it as a row of text."""
        return (
            shown(self.name),
            shown(self.what),
            *("-" if each is None else f"{each:,}" for each in (self.a_bytes, self.b_bytes, self.elements)),
            "-" if self.change is None else f"{self.change:.3%}",
        )


@dataclass(frozen=True, repr=False)
class Difference(Printable):
    """What ``diff`` tells of two models.

    Attributes:
        a_bytes, b_bytes: The bytes of both files, external data included.
        equal: The number of constants that are the same bit for bit.
        weights: The constants that are not, in the order of A, then of B.
        operators: Operators that are in them a different number of times, with both numbers.
        nodes: The number of nodes of B that no node of A is like, names of nodes and texts aside.
        facts: What else differs: inputs, outputs, operator sets and the like, each with what A and B say.
        metadata: Entries of the metadata that differ, likewise.
        made: How each was made, if it says so; no difference by itself.
    """

    a_bytes: int
    b_bytes: int
    equal: int = 0
    weights: tuple[DifferingWeight, ...] = ()
    operators: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    nodes: int = 0
    facts: Mapping[str, Pair] = field(default_factory=dict)
    metadata: Mapping[str, Pair] = field(default_factory=dict)
    made: Pair = ("", "")

    @property
    def same(self) -> bool:
        """Whether both are the same model: decoded, all constants, nodes and metadata are equal."""
        return not (self.weights or self.operators or self.nodes or self.facts or self.metadata)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, and ``same``."""
        return dataclasses.asdict(self) | {"same": self.same}

    def brief(self) -> str:
        """Return the number of weights that differ, and the bytes."""
        verdict = "the same" if self.same else f"{len(self.weights)} weights differ"
        return f"{verdict}, {self.a_bytes:,} -> {self.b_bytes:,} bytes"

    def __str__(self) -> str:
        """Return what differs, a line each."""
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return a table of the weights that differ, no wider than that where it can be, and a line for the rest."""
        headers = ("weight", "type", "A", "B", "elements", "change")
        lines = aligned([headers, *(weight.cells() for weight in self.weights)], width) if self.weights else []
        counts = ", ".join(f"{shown(name)} {a} -> {b}" for name, (a, b) in self.operators.items())
        told = [f"operators: {counts}"] if counts else []
        told += [f"nodes: {self.nodes} of B are like none of A"] if self.nodes else []
        told += [f"{kind}: {_arrow(pair)}" for kind, pair in self.facts.items()]
        told += [f"metadata {shown(key)}: {_arrow(pair)}" for key, pair in self.metadata.items()]
        told += [f"{name} made by {shown(made)}" for name, made in zip("AB", self.made, strict=True) if made]
        told.append(f"constants: {self.equal:,} equal, {len(self.weights):,} not")
        ratio = f", {ratio_text(self.a_bytes, self.b_bytes)}" if self.b_bytes < self.a_bytes else ""
        told.append(f"file: {self.a_bytes:,} -> {self.b_bytes:,} bytes{ratio}")
        return "\n".join([*lines, *map(escaped, told)])


def _arrow(pair: Pair) -> str:
    return " -> ".join(shown(text) or "none" for text in pair)

"""A row of a report: one weight with its bytes after each stage of the paper.

The accounting is that of the paper's tables 2 to 5, see ``numeric.accounting``. The bytes of a weight are

* dense:   elements * bits of the element type / 8
* pruned:  entries * (bits of the element type + index_bits) / 8
* shared:  entries * (bits + index_bits) / 8, and the codebook
* encoded: all seven tensors of the weight group (docs/format.md section 2), exactly as stored: both Huffman-coded
  streams, the code lengths, the chunk table and the shape
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from onnxdc.report.names import label
from onnxdc.shown import shown

HEADERS: Final = (
    *("weight", "kind", "shape", "density", "bits", "index bits"),
    *("dense", "pruned", "shared", "encoded", "ratio", "execution"),
)
INTEGER_HEADERS: Final = (
    *("weight", "kind", "type", "reader", "shape", "density"),
    *("values", "entropy", "dense", "encoded", "ratio"),
)


@dataclass(frozen=True)
class WeightRow:
    """One weight in numbers.

    Attributes:
        name: The name of the weight.
        kind: ``"conv"``, ``"fc"``, ``"embedding"``, ``"recurrent"`` or ``"other"``.
        shape: The shape of the dense weight.
        size: The number of its elements.
        nnz: The number of its true nonzeros.
        entries: The number of its nonzeros and filler zeros; all elements if no gaps are stored.
        bits: The bits of a code before Huffman coding; None if the weight is not shared.
        index_bits: The bits of a gap before Huffman coding; None if no gaps are stored.
        dense_bytes: The bytes of the dense weight; for this and the next three see the module's text.
        pruned_bytes: The bytes with the zeros that the weight has, whoever put them there.
        shared_bytes: The bytes with shared values; None if the weight has too many distinct ones.
        encoded_bytes: The bytes of its weight group; None if the weight is not encoded.
        execution: ``"sparse"``, ``"dynamic"`` (sparse on integers) or ``"dense"`` for an encoded weight, else ``""``.
        fused: What is fused into its sparse operators, such as ``"Relu"`` or ``"Add+Relu"``; ``""`` for nothing.
        reason: Why it is executed so, or why it is not encoded; may be empty.
        common_reason: The same as other weights may have it, too, without numbers; may be empty.
        floats: Why it does not run on integers though that was asked for; may be empty.
        node: The operator and the name of the node that uses it first, such as ``"Conv conv1"``; empty for the totals.
        dtype: The type of its elements, such as ``"float32"`` or ``"int8"``; empty for the totals.
        reader: The operators that read integers, such as ``"Conv after DequantizeLinear"``; empty for floats.
        distinct: The number of distinct values of integers, zero included; None for floats.
        entropy: The bits an element that an ideal code of the single integers takes; None for floats.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    size: int
    nnz: int
    entries: int
    bits: int | None
    index_bits: int | None
    dense_bytes: int
    pruned_bytes: int
    shared_bytes: int | None = None
    encoded_bytes: int | None = None
    execution: str = ""
    fused: str = ""
    reason: str = ""
    common_reason: str = ""
    floats: str = ""
    node: str = ""
    dtype: str = ""
    reader: str = ""
    distinct: int | None = None
    entropy: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether it holds integers of a model that was quantised already."""
        return self.entropy is not None

    @property
    def runs_sparse(self) -> bool:
        """Whether sparse operators take it, on floats or on integers."""
        return self.execution in ("sparse", "dynamic")

    @property
    def density(self) -> float:
        """The nnz over the size; 0 for an empty weight."""
        return self.nnz / self.size if self.size else 0.0

    @property
    def label(self) -> str:
        """What texts call it: its name, and the node if the name says nothing."""
        return label(self.name, self.node)

    @property
    def stored_bytes(self) -> int:
        """What the weight takes in the file: encoded if it is, else dense."""
        return self.dense_bytes if self.encoded_bytes is None else self.encoded_bytes

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, and the density."""
        return dataclasses.asdict(self) | {"density": self.density}

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, a cell for each of ``HEADERS``."""
        return (
            shown(self.label),
            self.kind,
            shown("x".join(map(str, self.shape))),
            f"{self.density:.1%}",
            _number(self.bits),
            _number(self.index_bits),
            *map(_number, (self.dense_bytes, self.pruned_bytes, self.shared_bytes, self.encoded_bytes)),
            ratio_text(self.dense_bytes, self.encoded_bytes),
            " + ".join(filter(None, (self.execution, self.fused))) or "-",
        )

    def integer_cells(self) -> tuple[str, ...]:
        """Return the row of integers as text, a cell for each of ``INTEGER_HEADERS``."""
        return (
            shown(self.label),
            self.kind,
            self.dtype,
            shown(self.reader),
            shown("x".join(map(str, self.shape))),
            f"{self.density:.1%}",
            _number(self.distinct),
            "-" if self.entropy is None else f"{self.entropy:.2f}",
            *map(_number, (self.dense_bytes, self.encoded_bytes)),
            ratio_text(self.dense_bytes, self.encoded_bytes),
        )


def total_row(rows: tuple[WeightRow, ...]) -> WeightRow:
    """Return the sums over all weights; one that is not shared counts as pruned there, one not encoded as dense."""
    shared = sum(row.pruned_bytes if row.shared_bytes is None else row.shared_bytes for row in rows)
    return WeightRow(
        name="total",
        kind="",
        shape=(),
        size=sum(row.size for row in rows),
        nnz=sum(row.nnz for row in rows),
        entries=sum(row.entries for row in rows),
        bits=None,
        index_bits=None,
        dense_bytes=sum(row.dense_bytes for row in rows),
        pruned_bytes=sum(row.pruned_bytes for row in rows),
        shared_bytes=shared if any(row.shared_bytes is not None for row in rows) else None,
        encoded_bytes=sum(row.stored_bytes for row in rows) if any_encoded(rows) else None,
    )


def any_encoded(rows: tuple[WeightRow, ...]) -> bool:
    """Tell whether any weight is encoded."""
    return any(row.encoded_bytes is not None for row in rows)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def ratio_text(before: int, after: int | None) -> str:
    """Return how many times as large ``before`` is, or a dash."""
    return f"{before / after:.1f}x" if after else "-"

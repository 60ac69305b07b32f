"""What was done to a model, or what is in it: a row for each weight, with its bytes after each stage of the paper.

The accounting is that of the paper's tables 2 to 5. A weight has ``entries`` entries: its nonzeros, and the filler
zeros that bridge gaps of more than 2^index_bits. Its bytes are

* dense:   elements * bits of the element type / 8
* pruned:  entries * (bits of the element type + index_bits) / 8
* shared:  entries * (bits + index_bits) / 8, and the codebook
* encoded: all seven tensors of the weight group (docs/format.md section 2), exactly as stored: both Huffman-coded
  streams, the code lengths, the chunk table and the shape

A stage that would store every position rather than gaps (``index_bits`` is None) counts all elements and no gaps.
The rest of a file, such as biases, nodes, names and the portable bodies, is in the file sizes only.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from onnxdc.graph.skips import Skip
from onnxdc.passes.result import Change

_HEADERS: Final = (
    *("weight", "kind", "shape", "density", "bits", "index bits"),
    *("dense", "pruned", "shared", "encoded", "ratio", "execution"),
)
LEFT_ALIGNED: Final = frozenset({"weight", "kind", "shape", "execution"})  # the other columns are numbers
_NAMED: Final = 3  # skipped tensors that the text names before it only counts


@dataclass(frozen=True)
class WeightRow:
    """One weight in numbers.

    Attributes:
        name: of the weight.
        kind: ``"conv"``, ``"fc"``, ``"embedding"``, ``"recurrent"`` or ``"other"``.
        shape: of the dense weight.
        size: elements.
        nnz: true nonzeros.
        entries: nonzeros and filler zeros; all elements where no gaps are stored.
        bits: of a code before Huffman coding; None if the weight is not shared.
        index_bits: of a gap before Huffman coding; None where no gaps are stored.
        dense_bytes: see the module's text, as for the next three.
        pruned_bytes: of the zeros that the weight has, whoever put them there.
        shared_bytes: None if the weight has too many distinct values.
        encoded_bytes: None if the weight is not encoded.
        execution: ``"sparse"`` or ``"dense"`` for an encoded weight, else ``""``.
        fused: what is fused into its sparse operators, such as ``"Relu"`` or ``"Add+Relu"``; ``""`` for nothing.
        reason: why it is executed so, or why it is not encoded; may be empty.
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

    @property
    def density(self) -> float:
        """nnz / size; 0 for an empty weight."""
        return self.nnz / self.size if self.size else 0.0

    @property
    def stored_bytes(self) -> int:
        """What the weight takes in the file: encoded if it is, else dense."""
        return self.dense_bytes if self.encoded_bytes is None else self.encoded_bytes

    def cells(self) -> tuple[str, ...]:
        """The row as text, a cell for each column."""
        return (
            self.name,
            self.kind,
            "x".join(map(str, self.shape)),
            f"{self.density:.1%}",
            _number(self.bits),
            _number(self.index_bits),
            *map(_number, (self.dense_bytes, self.pruned_bytes, self.shared_bytes, self.encoded_bytes)),
            _ratio(self.dense_bytes, self.encoded_bytes),
            " + ".join(filter(None, (self.execution, self.fused))) or "-",
        )


@dataclass(frozen=True)
class Report:
    """A model, or what happened to it.

    Attributes:
        rows: the weights in the order of the model.
        skips: what was left as it is, with the reason: constants that are no weights, and weights that a stage did not
            change.
        folds: the nodes that were folded or removed.
        file_before: bytes of the file that was read, external data included; None for a model from memory.
        file_after: bytes of the file that was written, likewise; None before it is.
    """

    rows: tuple[WeightRow, ...] = ()
    skips: tuple[Skip, ...] = ()
    folds: tuple[Change, ...] = ()
    file_before: int | None = None
    file_after: int | None = None

    @property
    def total(self) -> WeightRow:
        """The sums over all weights; one that is not shared counts as pruned there, one not encoded as dense."""
        rows = self.rows
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
            encoded_bytes=sum(row.stored_bytes for row in rows) if self.is_encoded else None,
        )

    @property
    def is_encoded(self) -> bool:
        """Whether any weight is encoded."""
        return any(row.encoded_bytes is not None for row in self.rows)

    def table(self) -> list[tuple[str, ...]]:
        """The rows as text: a header, the weights, the totals."""
        total = self.total.cells()
        return [_HEADERS, *(row.cells() for row in self.rows), (*total[:-1], "")] if self.rows else []

    def notes(self) -> list[str]:
        """What the table does not say, a sentence a line."""
        lines = [f"{row.name}: executed dense: {row.reason}" for row in self.rows if row.execution == "dense"]
        lines = [line.removesuffix(": ") for line in lines]
        if self.folds:
            lines.append(f"folded: {', '.join(sorted({change.detail for change in self.folds}))}")
        lines += [f"unchanged: {names}: {reason}" for reason, names in _grouped(self.skips).items()]
        if self.file_before is not None and self.file_after is not None:
            ratio = f", {_ratio(self.file_before, self.file_after)}" if self.file_after < self.file_before else ""
            lines.append(f"file: {self.file_before:,} -> {self.file_after:,} bytes{ratio}")
        elif self.file_before is not None:
            lines.append(f"file: {self.file_before:,} bytes")
        return lines

    def __str__(self) -> str:
        """The table in aligned columns, and the notes."""
        return "\n".join([*aligned(self.table()), *self.notes()])

    def to_json(self) -> str:
        """Everything, as JSON: ``weights``, ``total``, ``skips``, ``folds``, ``file_before`` and ``file_after``."""
        content: dict[str, Any] = {
            "weights": [_row_json(row) for row in self.rows],
            "total": _row_json(self.total),
            "skips": [dataclasses.asdict(skip) for skip in self.skips],
            "folds": [{"name": fold.name, "action": fold.action, "detail": fold.detail} for fold in self.folds],
            "file_before": self.file_before,
            "file_after": self.file_after,
        }
        return json.dumps(content, indent=2)


def _row_json(row: WeightRow) -> dict[str, Any]:
    return dataclasses.asdict(row) | {"density": row.density}


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _ratio(before: int, after: int | None) -> str:
    return f"{before / after:.1f}x" if after else "-"


def _grouped(skips: Sequence[Skip]) -> dict[str, str]:
    """Reason -> the first names that have it and the number of the others. Reasons that differ in a leading count of
    elements are one."""
    groups: dict[str, list[str]] = {}
    for skip in skips:
        groups.setdefault(re.sub(r"^\d+ elements, (fewer than \d+)$", r"\1 elements", skip.reason), []).append(
            skip.name
        )
    return {
        reason: ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        for reason, names in groups.items()
    }


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, numbers to the right."""
    if not table:
        return []
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left = [header in LEFT_ALIGNED for header in table[0]]
    return [
        "  ".join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in table
    ]

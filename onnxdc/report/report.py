"""What was done to a model, or what is in it: a row for each weight, and notes on the rest.

The rest of a file, such as biases, nodes, names and the portable bodies, is in the file sizes only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final

from onnxdc.domain.provenance import Provenance
from onnxdc.graph.skips import Skip
from onnxdc.passes.result import NO_BIASES, Folded, RoundedBiases
from onnxdc.report.alternatives import Alternative
from onnxdc.report.losses import Loss, warnings_of
from onnxdc.report.names import label
from onnxdc.report.printable import Printable
from onnxdc.report.row import HEADERS, INTEGER_HEADERS, WeightRow, any_encoded, ratio_text, total_row
from onnxdc.report.text import aligned, first_names, grouped
from onnxdc.shown import MESSAGE_LENGTH, escaped, shown

_WORTH_STRIPPING: Final = 20  # a choice: one that saves less than this part of a file is not spoken of


@dataclass(frozen=True, repr=False)
class Report(Printable):
    """A model, or what happened to it.

    Attributes:
        rows: The weights in the order of the model.
        skips: What was left as it is, with the reason: constants that are no weights, and weights that a stage did not
            change.
        folds: The nodes that were folded or removed.
        biases: The biases that were rounded.
        file_before: The bytes that the model was read from, external data included; None if it came as an object.
        file_after: The bytes of the file that was written, likewise; None before it is.
        remarks: What else is to be told, such as what could not be checked, a sentence each.
        cautions: Why the model may be worth less than it seems, as was measured on data, a sentence each.
        losses: The weights that pruning or sharing took too much of for the model to be trusted.
        stripped: The bytes of exporters' texts, names and shapes that were dropped.
        strippable: The bytes of them that are still in the compressed model, and ``strip`` would drop.
        provenance: What a compressed model says of how it was made; None if it says nothing, or nobody asked.
        alternatives: What else one could have done to the model, where somebody asked.
    """

    rows: tuple[WeightRow, ...] = ()
    skips: tuple[Skip, ...] = ()
    folds: tuple[Folded, ...] = ()
    biases: RoundedBiases = NO_BIASES
    file_before: int | None = None
    file_after: int | None = None
    remarks: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    stripped: int = 0
    strippable: int = 0
    provenance: Provenance | None = None
    alternatives: tuple[Alternative, ...] = ()

    @property
    def total(self) -> WeightRow:
        """The sums over all weights; one that is not shared counts as pruned there, one not encoded as dense."""
        return total_row(self.rows)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the model may be worth less than before, a sentence each."""
        return (*warnings_of(self.losses), *self.cautions)

    @property
    def is_encoded(self) -> bool:
        """Whether any weight is encoded."""
        return any_encoded(self.rows)

    def table(self) -> list[tuple[str, ...]]:
        """Return the rows of floats as text: a header, the weights, the totals."""
        rows = tuple(row for row in self.rows if not row.is_integer)
        total = total_row(rows).cells()
        return [HEADERS, *(row.cells() for row in rows), (*total[:-1], "")] if rows else []

    def integer_table(self) -> list[tuple[str, ...]]:
        """Return the rows of integers of a quantised model as text, likewise."""
        rows = tuple(row for row in self.rows if row.is_integer)
        total = total_row(rows).integer_cells()
        return [INTEGER_HEADERS, *(row.integer_cells() for row in rows), total] if rows else []

    @property
    def tables(self) -> list[list[tuple[str, ...]]]:
        """The tables that are not empty."""
        return [table for table in (self.table(), self.integer_table()) if table]

    def notes(self, *, verbose: bool = False) -> list[str]:
        """Return what the table does not say, a sentence a line.

        Args:
            verbose: Name everything that was folded or left as it is, instead of counting it.
        """
        lines = [*self._dense_lines(verbose=verbose), *self._floats_lines(verbose=verbose)]
        lines += [f"folded: {shown(fold.detail)}" for fold in self.folds] if verbose else self._counted_folds()
        nodes = {row.name: row.node for row in self.rows}
        labels = [label(skip.name, skip.node or nodes.get(skip.name, "")) for skip in self.skips]
        lines += self._biases_line()
        skips = grouped(zip(labels, (skip.common_reason for skip in self.skips), strict=True))
        most = {} if not verbose else {"most": None}
        lines += [f"unchanged: {first_names(names, **most)}: {reason}" for reason, names in skips.items()]
        warnings = (f"warning: {line}" for line in self.warnings)
        lines += [*self.remarks, *self._provenance_line(), *self._strip_line()]
        others = (f"compared: {each.text}" for each in self.alternatives)
        return [*map(escaped, lines), *self._file_line(), *map(escaped, others), *warnings]

    def _dense_lines(self, *, verbose: bool) -> list[str]:
        """Say why weights run dense: a line for each reason, or for each weight."""
        dense = [row for row in self.rows if row.execution == "dense" and row.reason]
        if verbose:
            return [f"{shown(row.label)}: dense: {row.reason}" for row in dense]
        groups = grouped((row.name, row.common_reason or row.reason) for row in dense)
        alone = {names[0] for names in groups.values() if len(names) == 1}
        lines = [f"{shown(row.label)}: dense: {row.reason}" for row in dense if row.name in alone]
        return lines + [f"{len(each)} weights run dense: {why}" for why, each in groups.items() if len(each) > 1]

    def _floats_lines(self, *, verbose: bool) -> list[str]:
        """Say why weights run on floats though integers were asked for: a line for each reason."""
        groups = grouped((label(row.name, row.node), row.floats) for row in self.rows if row.floats)
        most = {} if not verbose else {"most": None}
        return [f"on floats: {first_names(names, **most)}: {why}" for why, names in groups.items()]

    def _counted_folds(self) -> list[str]:
        counts = Counter(fold.summary for fold in self.folds)
        return [f"folded: {', '.join(f'{count} {what}' for what, count in counts.items())}"] if counts else []

    def _biases_line(self) -> list[str]:
        vectors, elements, in_bytes = self.biases
        to = {0: "float16", elements: "a byte"}.get(in_bytes, f"float16, {in_bytes:,} of them to a byte")
        return [f"biases: {elements:,} elements of {vectors} vectors rounded to {to}"] if vectors else []

    def _provenance_line(self) -> list[str]:
        return [f"made by {shown(self.provenance, MESSAGE_LENGTH)}"] if self.provenance else []

    def _strip_line(self) -> list[str]:
        """Say what was stripped, or what would be if that is a notable part of the file."""
        if self.stripped:
            return [f"stripped: {self.stripped:,} bytes of exporter texts"]
        if self.file_after is None or self.strippable * _WORTH_STRIPPING <= self.file_after:
            return []
        share = f"{100 * self.strippable / self.file_after:.0f} % of the file"
        return [f"--strip would drop {self.strippable:,} bytes of exporter texts ({share})"]

    def _file_line(self) -> list[str]:
        if self.file_before is None:
            return []
        if self.file_after is None:
            return [f"file: {self.file_before:,} bytes"]
        is_smaller = self.file_after < self.file_before
        ratio = ratio_text(self.file_before, self.file_after) if is_smaller else "no smaller"
        return [f"file: {self.file_before:,} -> {self.file_after:,} bytes, {ratio}"]

    def __str__(self) -> str:
        """Return the table in aligned columns, and the notes."""
        return self.text()

    def text(self, width: int | None = None, *, verbose: bool = False) -> str:
        """Return the tables, no wider than that where it can be, and the notes; if verbose with all names."""
        lines = [line for table in self.tables for line in aligned(table, width)]
        return "\n".join([*lines, *self.notes(verbose=verbose)])

    def brief(self) -> str:
        """Return the number of weights, and the bytes."""
        total = self.total
        after = f" -> {total.encoded_bytes:,}" if total.encoded_bytes is not None else ""
        return f"{len(self.rows)} weights, {total.dense_bytes:,}{after} bytes"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, ``rows`` as ``weights`` and ``losses`` as ``warnings``, and ``total``."""
        return {
            "weights": [row.to_dict() for row in self.rows],
            "total": self.total.to_dict(),
            "skips": [{"name": skip.name, "reason": skip.reason, "node": skip.node} for skip in self.skips],
            "folds": [{"name": fold.name, "action": fold.action, "detail": fold.detail} for fold in self.folds],
            "biases": self.biases._asdict(),
            "file_before": self.file_before,
            "file_after": self.file_after,
            "remarks": list(self.remarks),
            "warnings": [loss.to_dict() for loss in self.losses],
            "cautions": list(self.cautions),
            "stripped": self.stripped,
            "strippable": self.strippable,
            "provenance": self.provenance.to_dict() if self.provenance else None,
            "alternatives": [asdict(each) for each in self.alternatives],
        }

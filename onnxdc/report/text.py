"""How tables and lists become lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from onnxdc.shown import shown

LEFT_ALIGNED: Final = frozenset(
    {"weight", "kind", "type", "reader", "shape", "execution", "recipe"}
)  # the other columns are numbers
_GAP: Final = "  "
_ROOM: Final = 32  # characters of a name that columns make room for, a choice: both its ends say something
_LEAST_NAME: Final = 12
# The columns that a narrow terminal does without, the first one first.
_DISPENSABLE: Final = (
    *("index bits", "reader", "values", "kind", "bits", "shared", "pruned", "type", "shape", "entropy", "+-", "time"),
    *("execution", "elements"),
)
_NAMED: Final = 3  # names, a choice: a line has so many before it only counts


def aligned(table: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Return lines of columns, numbers to the right.

    Args:
        table: The rows, a header first.
        width: What lines should not be longer than, see ``fitted``; None for as long as they are.
    """
    if not table:
        return []
    table = table if width is None else fitted(table, width)
    widths = _widths(table)
    left = [header in LEFT_ALIGNED for header in table[0]]
    return [
        _GAP.join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in table
    ]


def fitted(table: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Return a table that is no wider than that: some columns are left out, then names are cut in the middle.

    No number is ever cut: where they alone are wider, so is the table.

    >>> fitted([["weight", "kind", "bytes"], ["encoder.layer.0.attention.query.weight", "fc", "1,234"]], 40)
    [['weight', 'bytes'], ['encoder.layer.0...on.query.weight', '1,234']]
    """
    rows = [list(row) for row in table]
    for header in _DISPENSABLE:
        if _total(rows) <= width or _total(_with_names(rows, _ROOM)) <= width:
            break
        if header in rows[0]:
            at = rows[0].index(header)
            rows = [[*row[:at], *row[at + 1 :]] for row in rows]
    over = _total(rows) - width
    longest = max((len(row[0]) for row in rows), default=0)
    return rows if over <= 0 else _with_names(rows, max(_LEAST_NAME, longest - over))


def _with_names(rows: Sequence[list[str]], most: int) -> list[list[str]]:
    """Return rows whose first cells are no longer than that, if they are names."""
    if rows[0][0] != "weight":
        return [*rows]
    return [[shown(row[0], most), *row[1:]] for row in rows]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _total(rows: Sequence[Sequence[str]]) -> int:
    widths = _widths(rows)
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def grouped(reasons: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather pairs of name and reason: reason -> the names that have it."""
    groups: dict[str, list[str]] = {}
    for name, reason in reasons:
        groups.setdefault(reason, []).append(name)
    return groups


def first_names(names: Sequence[str], most: int | None = _NAMED) -> str:
    """Return the first names of a list, and the number of the others; all of them if ``most`` is None."""
    listed = ", ".join(map(shown, names[:most]))
    return listed if most is None or len(names) <= most else f"{listed} and {len(names) - most} more"

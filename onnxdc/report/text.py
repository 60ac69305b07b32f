"""How tables and lists become lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from onnxdc.shown import shown

LEFT_ALIGNED: Final = frozenset(
    {"weight", "kind", "type", "reader", "shape", "execution", "recipe"}
)  # the other columns are numbers
_NAMED: Final = 3  # names, a choice: a line has so many before it only counts


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of columns, numbers to the right."""
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

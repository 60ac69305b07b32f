"""What the commands print: results to stdout, progress to stderr; rich on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from onnxdc.report import LEFT_ALIGNED, Printable, Report, fitted
from onnxdc.request import StageProgress
from onnxdc.shown import escaped, shown

_SECONDS: Final = 10.0  # a choice: the time between two lines of progress of one stage in a pipe


def show(printable: Printable, *, as_json: bool, quiet: bool = False) -> None:
    """Print what a command tells, as text or as JSON; nothing if quiet, unless JSON was asked for."""
    if as_json or not quiet:
        _print(printable.to_json() if as_json else printable.text(_width()))


def print_report(report: Report, *, as_json: bool, quiet: bool = False, verbose: bool = False) -> None:
    """Print a report as ``show`` does, its table with rules on a terminal, and all names if verbose."""
    if as_json:
        show(report, as_json=True)
    elif quiet:
        for warning in report.warnings:
            click.echo(f"onnxdc: warning: {escaped(warning)}", err=True)
    elif (width := _width()) is not None and _fit(tables := _ruled(report, width), console := Console()):
        for table in tables:
            console.print(table)
        for note in report.notes(verbose=verbose):
            console.print(Text(note))  # a Text is shown as it is: no markup and no emojis in it
    else:
        _print(report.text(width, verbose=verbose))


def print_dry_run(*, quiet: bool) -> None:
    """Say that nothing was written."""
    if not quiet:
        click.echo("dry run: nothing was written", err=True)


def _print(text: str) -> None:
    for line in text.split("\n"):
        click.echo(escaped(line))


def _width() -> int | None:
    """Return the columns of the terminal that results go to; None in a pipe, where lines may be as long as they are."""
    return Console().width if sys.stdout.isatty() else None


def _ruled(report: Report, width: int) -> list[Table]:
    """Return the tables of a report with rules, which are two columns wider than without."""
    return [_rich_table(fitted(rows, width - 2)) for rows in report.tables]


@contextmanager
def progress(*, quiet: bool) -> Iterator[StageProgress | None]:
    """Tell on stderr how far a command has come: a bar on a terminal; a line a stage and one every 10 s in a pipe."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as bar:
            tasks: dict[str, TaskID] = {}

            def advance(stage: str, weight: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total, weight="")
                bar.update(tasks[stage], completed=done, weight=shown(weight))

            yield advance
    else:
        yield _Lines().advance


class _Lines:
    """Progress in a pipe: a line when a stage ends, and every so often before."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def advance(self, stage: str, weight: str, done: int, total: int) -> None:
        """Print a line if the stage is done, or if none was printed for a while."""
        now = time.monotonic()
        if done == total:
            click.echo(f"{stage} {done}/{total}", err=True)
        elif now - self._last >= _SECONDS:
            click.echo(f"{stage} {done}/{total} {shown(weight)}", err=True)
        else:
            return
        self._last = now


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[weight]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


def _fit(tables: Sequence[Table], console: Console) -> bool:
    """Whether tables can be shown whole: rich cuts names and numbers off where it cannot."""
    unbounded = console.options.update(max_width=sys.maxsize)
    return all(console.measure(table, options=unbounded).maximum <= console.width for table in tables)


def _rich_table(rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of a report with rules around the header and the totals."""
    table = Table(box=box.SIMPLE, show_footer=True, pad_edge=False, padding=(0, 1, 0, 0))
    header, *weights, total = rows
    for name, footer in zip(header, total, strict=True):
        table.add_column(name, footer, justify="left" if name in LEFT_ALIGNED else "right")
    for row in weights:
        table.add_row(*map(Text, row))
    return table

"""What the commands print: results to stdout, progress to stderr; rich on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from onnxdc.api import StageProgress
from onnxdc.report import LEFT_ALIGNED, Report


def print_report(report: Report, *, as_json: bool, quiet: bool) -> None:
    """A table with notes, or JSON; nothing if quiet, unless JSON was asked for."""
    if as_json:
        click.echo(report.to_json())
    elif quiet:
        return
    elif sys.stdout.isatty():
        console = Console()
        console.print(_rich_table(report))
        for note in report.notes():
            console.print(note, markup=False, highlight=False)
    else:
        click.echo(str(report))


@contextmanager
def progress(*, quiet: bool) -> Iterator[StageProgress | None]:
    """Tell on stderr how far a command has come: a bar on a terminal, a line a weight in a pipe."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as bar:
            tasks: dict[str, TaskID] = {}

            def advance(stage: str, weight: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total, weight=weight)
                bar.update(tasks[stage], completed=done, weight=weight)

            yield advance
    else:
        yield _print_line


def _print_line(stage: str, weight: str, done: int, total: int) -> None:
    click.echo(f"{stage} {done}/{total} {weight}", err=True)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[weight]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


def _rich_table(report: Report) -> Table:
    """The report's table with rules around the header and the totals."""
    rows = report.table()
    table = Table(box=box.SIMPLE, show_footer=bool(rows), pad_edge=False)
    if not rows:
        return table
    header, *weights, total = rows
    for name, footer in zip(header, total, strict=True):
        table.add_column(name, footer, justify="left" if name in LEFT_ALIGNED else "right")
    for row in weights:
        table.add_row(*row)
    return table

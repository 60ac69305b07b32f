"""The command that writes a page about a compressed file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onnxdc import api
from onnxdc.cli import options
from onnxdc.cli.output import print_dry_run, progress, show


@click.command("report")
@click.argument("small", metavar="FILE", type=options.PATH)
@click.argument("model", metavar="[ORIGINAL]", required=False, type=options.PATH)
@options.PAGE
@click.option("--tune", metavar="FOLDER", type=options.PATH, help="Show the curve that tune has measured of ORIGINAL.")
@options.INPUTS
@options.LABELS
@options.CUSTOM_OPS
@options.LIMIT
@options.DRY_RUN
@options.JSON
@options.QUIET
def report(
    small: Path,
    model: Path | None,
    output: Path | None,
    tune: Path | None,
    inputs: Path | None,
    labels: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Write a page about the compressed FILE: its bytes, each weight, and, with ORIGINAL, what compression cost.

    The page is one file that loads nothing: open it in a browser, print it, mail it. What there is no source for is
    left out.
    """
    given = options.given_arrays(inputs, labels)
    options.check_output(output, small, model, inputs, tune)
    with progress(quiet=quiet) as tell:
        page = api.describe(small, model, tune=tune, progress=tell, **given, **settings)
        if not dry_run and output is not None:
            page.save(output)
    show(page, as_json=as_json, quiet=quiet)
    if dry_run:
        print_dry_run(quiet=quiet)

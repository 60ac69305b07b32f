"""The command that writes a page about a compressed file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onnxdc import api, model_io
from onnxdc.cli import options
from onnxdc.cli.output import progress, show

_FILE = click.Path(path_type=Path)


@click.command("report")
@click.argument("small", metavar="FILE", type=_FILE)
@click.argument("model", metavar="[ORIGINAL]", required=False, type=_FILE)
@options.PAGE
@click.option("--tune", metavar="FOLDER", type=_FILE, help="Show the curve that tune has measured of ORIGINAL.")
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
    output: Path,
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
    model_io.check_output(output, [path for path in (small, model, inputs, tune) if path is not None])
    with progress(quiet=quiet) as tell:
        page = api.describe(small, model, tune=tune, progress=tell, **given, **settings)
        if not dry_run:
            page.save(output)
    show(page, as_json=as_json, quiet=quiet)

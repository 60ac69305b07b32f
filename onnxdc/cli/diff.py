"""The command that compares what two models hold."""

from __future__ import annotations

from pathlib import Path

import click

from onnxdc import api
from onnxdc.cli import options
from onnxdc.cli.output import show


@click.command("diff")
@click.argument("a", type=options.PATH)
@click.argument("b", type=options.PATH)
@options.LIMIT
@options.JSON
@options.QUIET
@click.pass_context
def diff(context: click.Context, a: Path, b: Path, limit: str | None, as_json: bool, quiet: bool) -> None:
    """Say what differs between A and B, decoded: weights, with bytes and how far they are apart, nodes, metadata.

    Exits with 0 where they are the same model, which a model and what encode made of it are, and with 1 where not.
    Nothing is run: for outputs there is verify.
    """
    found = api.diff(a, b, limit=limit)
    show(found, as_json=as_json, quiet=quiet)
    context.exit(0 if found.same else 1)

"""The commands of ``onnxdc``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from onnxdc import api
from onnxdc.api import CompressionResult
from onnxdc.cli import budget, options
from onnxdc.cli.diff import diff
from onnxdc.cli.finetune import finetune
from onnxdc.cli.group import Failure, Group
from onnxdc.cli.hook import hook
from onnxdc.cli.output import print_dry_run, print_report, progress, show
from onnxdc.cli.report import report as report_command
from onnxdc.cli.tune import tune
from onnxdc.evaluate import AGREEMENT, LIMITS, verify
from onnxdc.recipe.keys import MIN_ELEMENTS
from onnxdc.runtime import doctor


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="onnxdc", message="%(prog)s %(version)s")
def cli() -> None:
    """Deep Compression for ONNX models: prune, share weights, Huffman-code; and run the small file."""


@cli.command()
@options.writes_model("prune", "share", "quantize", "encode")
@click.option("--int8", is_flag=True, help="Quantize instead of sharing: OUT runs on int8, fast in any onnxruntime.")
@click.option(
    "--compare", is_flag=True, help="Tell as well what int8 of onnxruntime and a general compressor would make of IN."
)
@options.FOLD
@options.CHECK
@options.CUSTOM_OPS
@options.WORKERS
@budget.options
def compress(**arguments: Any) -> None:
    """Fold, prune, share or quantize, and encode the model IN.

    With no option and no recipe nothing is pruned and weights go to a fine grid, which hardly changes a model. With
    --data they are calibrated: far smaller for the same outputs. --target-size and --max-drop set a budget instead.
    """
    _write(api.compress, **arguments)


@cli.command()
@options.writes_model("prune")
@options.WORKERS
def prune(**arguments: Any) -> None:
    """Set small weights to zero; OUT is a standard model."""
    _write(api.prune, **arguments)


@cli.command()
@options.writes_model("share")
@options.WORKERS
def share(**arguments: Any) -> None:
    """Give the nonzeros of each weight a few common values; OUT is a standard model."""
    _write(api.share, **arguments)


@cli.command()
@options.writes_model("share", "quantize")
@options.FOLD
@options.CUSTOM_OPS
@options.WORKERS
@budget.quantize_options
def quantize(**arguments: Any) -> None:
    """Have layers run on int8; OUT is a standard model, which encode makes small.

    Convolutions need --data, for the ranges of their inputs. MatMul, Gemm and Gather do not, in models without
    convolutions. With --data weights are calibrated, as compress does.
    """
    _write(api.quantize, **arguments)


@cli.command()
@options.writes_model("encode")
@click.option("--force", is_flag=True, help="Encode even what does not get smaller, for its speed.")
@options.CHECK
@options.CUSTOM_OPS
@options.WORKERS
def encode(**arguments: Any) -> None:
    """Huffman-code the weights that have few distinct values, without loss."""
    _write(api.encode, **arguments)


@cli.command()
@options.writes_model()
@options.LIMIT
def decode(**arguments: Any) -> None:
    """Give back the model that was encoded, bit for bit."""
    _write(api.decode, **arguments)


@cli.command()
@options.writes_model()
@options.LIMIT
def expand(**arguments: Any) -> None:
    """Unpack the weights that run dense, so that the file opens at once where the native library is registered."""
    _write(api.expand, **arguments)


@cli.command()
@click.argument("model", metavar="FILE", type=options.PATH)
@options.key_option(MIN_ELEMENTS)
@options.LIMIT
@options.JSON
@options.QUIET
@options.VERBOSE
def inspect(
    model: Path, min_elements: int | None, limit: str | None, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Show the weights of any model, and check them if it is compressed."""
    print_report(
        api.inspect(model, limit=limit, min_elements=min_elements), as_json=as_json, quiet=quiet, verbose=verbose
    )


@cli.command("verify")
@click.argument("a", type=options.PATH)
@click.argument("b", type=options.PATH)
@options.INPUTS
@options.LABELS
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Exit with 1 where A and B differ by more, relative to the largest output; without it any difference will do. "
    f"B's native and portable runs must agree to {AGREEMENT:g} in any case.",
)
@click.option(
    "--max-divergence",
    type=click.FloatRange(min=0),
    help="Exit with 1 where the divergence of an output is larger.  [default: at most "
    f"{', '.join(f'{limit:g} ({measure})' for measure, limit in LIMITS.items())}]",
)
@options.CUSTOM_OPS
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of made-up inputs.")
@options.LIMIT
@options.JSON
@options.QUIET
def verify_command(
    a: Path,
    b: Path,
    inputs: Path | None,
    labels: str | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Run A and B in onnxruntime, B natively and portably, and say whether B can stand for A.

    Inputs are made up without --inputs. With --labels it tells how often each is right. Exits with 1 where B has NaN
    or infinities that A does not have, does not depend on the input any more, or is too far away.
    """
    verification = verify(a, b, **options.given_arrays(inputs, labels), **settings)
    show(verification, as_json=as_json, quiet=quiet)
    if quiet:
        for warning in verification.warnings:
            click.echo(f"onnxdc: warning: {warning}", err=True)
    if not verification.passed:
        reasons = verification.failures or ["the outputs differ by more than the tolerance"]
        raise Failure("; ".join(reasons))


@cli.command("doctor")
@options.JSON
@options.QUIET
def doctor_command(as_json: bool, quiet: bool) -> None:
    """Say whether the native library loads, on which instruction set, with which onnxruntime."""
    diagnosis = doctor.examine()
    show(diagnosis, as_json=as_json, quiet=quiet)
    if not diagnosis.healthy:
        raise Failure("compressed models run portably only")


cli.add_command(diff)
cli.add_command(finetune)
cli.add_command(hook)
cli.add_command(report_command)
cli.add_command(tune)


def _write(
    verb: Callable[..., CompressionResult],
    *,
    model: Path,
    output: Path | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **arguments: Any,
) -> None:
    """Call a verb of the library, write the model and print the report."""
    options.check_output(output, model, *map(arguments.get, ("data", "val")))
    with progress(quiet=quiet) as tell:
        result = verb(model, progress=tell, **arguments)
        if dry_run or output is None:
            result.measure()
        else:
            result.save(output)
    print_report(result.report, as_json=as_json, quiet=quiet, verbose=verbose)
    if dry_run:
        print_dry_run(quiet=quiet)

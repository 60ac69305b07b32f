"""What encode and compress have in common: encoding a plan, and what is told of the result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain import provenance
from onnxdc.errors import ModelError
from onnxdc.evaluate.self_check import check_encoded
from onnxdc.graph.skips import Skip, with_earlier_reasons
from onnxdc.model_io import Source
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.decode import portable_memory
from onnxdc.passes.encode import encode
from onnxdc.passes.plan import Plan
from onnxdc.passes.strip import strip, strip_encoded, strippable_bytes
from onnxdc.recipe.keys import Stage
from onnxdc.recipe.recorded import recorded
from onnxdc.report import Report
from onnxdc.report.nothing import nothing_to_do
from onnxdc.report.rows import weight_rows
from onnxdc.request import StageProgress, stage_progress
from onnxdc.runtime import naming

COMPRESS: Final[tuple[Stage, ...]] = ("prune", "share", "encode")
"""The stages of compress."""

COMPRESS_INT8: Final[tuple[Stage, ...]] = ("prune", "share", "quantize", "encode")
"""The same with layers that run on integers."""

_MUCH_MEMORY: Final = 10**9  # bytes


def encode_plan(
    plan: Plan,
    stages: tuple[Stage, ...],
    progress: StageProgress | None,
    *,
    earlier: Sequence[Skip] = (),
    force: bool = False,
) -> Report:
    """Strip the model of a plan if the recipe says so, encode it, and write into it how it was made.

    Args:
        plan: The weights.
        stages: The stages that made the model, this one included.
        progress: Called after each weight.
        earlier: What a stage before said of the weights that it left.
        force: Whether to encode even what does not get smaller.
    """
    nodes = {planned.weight.name: planned.weight.node for planned in plan.weights}
    stripped = strip(plan) if plan.recipe.strip else 0
    encoded = encode(plan, force=force, progress=stage_progress("encode", progress))
    skips = tuple(with_earlier_reasons(encoded.skips, earlier))
    rows = tuple(replace(row, node=nodes[row.name]) for row in weight_rows(plan, encoded.changes, skips))
    if not encoded.changes:
        return Report(rows, skips)
    if plan.recipe.strip:
        stripped += strip_encoded(plan)
    strippable = 0 if plan.recipe.strip else strippable_bytes(plan.model, plan.recipe.min_elements)
    provenance.store(plan.model, recorded(plan.recipe, *stages))
    return Report(rows, skips, stripped=stripped, strippable=strippable)


def file_bytes(model: ir.Model) -> int:
    """Return the bytes of the file that a model becomes."""
    return int(model_io.to_proto(model).ByteSize())


def require_groups(report: Report, source: Source, plan: Plan, verb: str) -> None:
    """Refuse a model in which nothing was encoded."""
    if not report.is_encoded:
        raise ModelError(f"{model_io.name_of(source)}: {nothing_to_do(verb, plan, report.rows)}")


def remarks_of(
    source: Source, original: ir.Model | None, encoded: ir.Model, custom_ops: Sequence[str | os.PathLike[str]]
) -> tuple[str, ...]:
    """Run an encoded model against the original, if there is one, and return what is to be told of it."""
    told = (*notes_of(encoded), *_opening(encoded))
    if original is None:
        return (*told, "not checked, as asked")
    with naming(source):
        return (*told, *check_encoded(original, encoded, custom_ops))


def _opening(encoded: ir.Model) -> tuple[str, ...]:
    """Return what is to be told of opening an encoded model where nothing of ours is installed."""
    memory = portable_memory(encoded)
    if memory <= _MUCH_MEMORY:
        return ()
    return (
        f"opening it without the native library takes about {memory / 1e9:.1f} GB more than the dense model, for a "
        "moment; expand, the npm package and codes = bytes avoid that",
    )

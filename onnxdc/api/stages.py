"""The stages one by one: prune, share, encode."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, Unpack

from onnxdc.api.encoding import encode_plan, remarks_of, require_groups
from onnxdc.api.result import CompressionResult
from onnxdc.errors import OptionError, OptionName, RecipeError, option_names
from onnxdc.graph.slots import ROLES, Role
from onnxdc.model_io import Source
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.plan import Plan
from onnxdc.passes.prune import prune as prune_pass
from onnxdc.passes.result import Result, WeightChange
from onnxdc.passes.share import share as share_pass
from onnxdc.recipe import PRUNING, Recipe
from onnxdc.recipe.keywords import EncodeOptions, PruneOptions, ShareOptions
from onnxdc.report import Report
from onnxdc.report.losses import find_losses
from onnxdc.report.rows import weight_rows
from onnxdc.request import StageProgress, load_and_plan, stage_progress
from onnxdc.workers import Workers, connected

AnyChange = TypeVar("AnyChange", bound=WeightChange)


def prune(
    model: Source,
    recipe: Recipe | None = None,
    *,
    progress: StageProgress | None = None,
    workers: Workers | None = None,
    **options: Unpack[PruneOptions],
) -> CompressionResult:
    """Set the small elements of the weights to zero. The result is a standard model, ready to be fine-tuned.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        progress: Called after each weight.
        workers: The address of a scheduler of dask.distributed, or a client of one, on whose workers weights are worked
            on; see docs/workers.md.
        options: Change the defaults of the recipe: one of ``density``, ``quality``, ``threshold`` and
            ``global_density`` says how to prune, ``min_elements`` what to leave as it is.

    Raises:
        ModelError: The model cannot be read, is compressed already, or has no weight.
        RecipeError: An option is out of range, a rule matches no weight, or nothing says how to prune.
        WorkersError: The workers cannot be reached, are gone, or cannot do the work.
    """
    plan, before = load_and_plan(model, recipe, options, [Role.WEIGHT], "prune")
    if plan.recipe.global_density is None and not any(planned.settings.prunes for planned in plan.weights):
        raise RecipeError(
            "nothing says how to prune: expected one of ", *option_names([*PRUNING, "global_density"], ", ")
        )
    with connected(workers) as mapper:
        pruned = prune_pass(replace(plan, mapper=mapper), progress=stage_progress("prune", progress))
    return _dense_result(plan, pruned, before)


def share(
    model: Source,
    recipe: Recipe | None = None,
    *,
    progress: StageProgress | None = None,
    workers: Workers | None = None,
    **options: Unpack[ShareOptions],
) -> CompressionResult:
    """Give each weight few values: those of a grid, or of k-means. The result is a standard model.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        progress: Called after each weight.
        workers: The address of a scheduler of dask.distributed, or a client of one, on whose workers weights are worked
            on; see docs/workers.md.
        options: Change the defaults of the recipe: ``sharing``, ``step``, ``bits``, ``init``, ``groups``, ``seed``,
            ``biases`` and ``min_elements``.

    Raises:
        ModelError: The model cannot be read, is compressed already, or has no weight.
        RecipeError: An option is out of range, or a rule matches no weight.
        OptionError: An option means nothing with the way of sharing.
        WorkersError: The workers cannot be reached, are gone, or cannot do the work.
    """
    plan, before = load_and_plan(model, recipe, options, [Role.WEIGHT, Role.TABLE], "share")
    with connected(workers) as mapper:
        shared = share_pass(replace(plan, mapper=mapper), progress=stage_progress("share", progress))
    return _dense_result(plan, shared, before)


def encode(
    model: Source,
    recipe: Recipe | None = None,
    *,
    force: bool = False,
    check: bool = True,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
    workers: Workers | None = None,
    **options: Unpack[EncodeOptions],
) -> CompressionResult:
    """Huffman-code the weights that have few distinct values, without loss.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        force: Encode even what does not get smaller, for its speed.
        check: Whether to run the result, natively and portably, against the model.
        custom_ops: Libraries of somebody's own operators that the model needs to run.
        progress: Called after each weight.
        workers: The address of a scheduler of dask.distributed, or a client of one, on whose workers weights are worked
            on; see docs/workers.md.
        options: Change the defaults of the recipe: ``index_bits``, ``execution``, ``activation``, ``fuse`` and others.

    Raises:
        ModelError: The model cannot be read, is compressed already, has no weight to encode, or the result does not
            compute what it should.
        OptionError: Static activations were asked for.
        RecipeError: An option is out of range, or a rule matches no weight.
        WorkersError: The workers cannot be reached, are gone, or cannot do the work.
    """
    if options.get("activation") == "static":
        raise OptionError(OptionName("activation"), ": expected dynamic or float: only quantize knows static ranges")
    plan, before = load_and_plan(model, recipe, options, ROLES, "encode")
    original = plan.model.clone() if check else None
    with connected(workers) as mapper:
        plan = replace(plan, mapper=mapper)
        report = encode_plan(plan, ("encode",), progress, earlier=plan.constants, force=force)
    require_groups(report, model, plan, "encode")
    remarks = remarks_of(model, original, plan.model, custom_ops)
    return CompressionResult(plan.model, replace(report, file_before=before, remarks=remarks))


def _dense_result(plan: Plan, result: Result[AnyChange], file_before: int | None) -> CompressionResult:
    """Return the result of a stage that leaves weights dense."""
    rows, losses = weight_rows(plan, skips=result.skips), find_losses(plan, result.changes)
    remarks = notes_of(plan.model)
    report = Report(
        rows, tuple(result.skips), biases=result.biases, file_before=file_before, remarks=remarks, losses=losses
    )
    return CompressionResult(plan.model, report)

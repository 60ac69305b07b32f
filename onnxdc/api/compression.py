"""Compress: the whole route from a model to a small file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from onnxdc.api.encoding import encode_plan, remarks_of, require_groups
from onnxdc.api.result import CompressionResult
from onnxdc.graph.slots import ROLES
from onnxdc.model_io import Source
from onnxdc.passes.fold.planned import FoldedPlan, plan_folded
from onnxdc.passes.plan import plan_weights
from onnxdc.passes.prune import prune
from onnxdc.passes.share import share
from onnxdc.recipe import Recipe
from onnxdc.recipe.keywords import CompressOptions
from onnxdc.report import Report
from onnxdc.report.losses import find_losses
from onnxdc.report.rows import weight_rows
from onnxdc.request import StageProgress, load, recipe_of, refuse_compressed, require, stage_progress


def compress(
    model: Source,
    recipe: Recipe | None = None,
    *,
    fold: bool = True,
    check: bool = True,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
    **options: Unpack[CompressOptions],
) -> CompressionResult:
    """Fold, prune, share and encode a model.

    Without a recipe and without a way to prune it is safe: zeros that are there stay zeros, and the other weights get
    8-bit codes, which hardly moves a value.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        fold: Whether to fold first: BatchNormalization into the weights before it, expressions of constants into one,
            equal weights into one; and to remove Identity and Dropout.
        check: Whether to run the result, natively and portably, against the pruned and shared model.
        custom_ops: Libraries of somebody's own operators that the model needs to run.
        progress: Called after each weight of each stage.
        options: Change the defaults of the recipe: those of ``prune``, ``share`` and ``encode``.

    Raises:
        ModelError: The model cannot be read, is compressed already, has no weight to compress, or the result does not
            compute what it should.
        RecipeError: An option is out of range, or a rule matches no weight.
    """
    recipe = recipe_of(recipe, options, "prune", "share", "encode")
    loaded, before = load(model)
    refuse_compressed(loaded, model)
    folded = plan_folded(loaded, recipe) if fold else FoldedPlan(plan_weights(loaded, recipe))
    plan = folded.plan
    if not folded.pays:
        require(plan, model, ROLES)
    pruned = prune(plan, progress=stage_progress("prune", progress))
    shared = share(plan, progress=stage_progress("share", progress))
    losses = find_losses(plan, [*pruned.changes, *shared.changes])
    original = loaded.clone() if check else None
    report = encode_plan(plan, ("prune", "share", "encode"), progress, earlier=shared.skips)
    if not report.is_encoded and folded.pays:
        return _folded_only(model, recipe, custom_ops, check=check)
    require_groups(report, model, plan, "compress")
    remarks = remarks_of(model, original, loaded, custom_ops)
    report = replace(report, folds=folded.changes, file_before=before, remarks=remarks, losses=losses)
    return CompressionResult(loaded, report)


def _folded_only(
    model: Source, recipe: Recipe, custom_ops: Sequence[str | os.PathLike[str]], *, check: bool
) -> CompressionResult:
    """Return the result for a model that folding makes smaller, and nothing else does: its values stay as they are."""
    loaded, before = load(model)
    original = loaded.clone() if check else None
    folded = plan_folded(loaded, recipe)
    remarks = ("folded only: encoding makes no weight smaller", *remarks_of(model, original, loaded, custom_ops))
    skips = (*folded.plan.skips, *folded.plan.constants)
    return CompressionResult(loaded, Report(weight_rows(folded.plan), skips, folded.changes, before, remarks=remarks))

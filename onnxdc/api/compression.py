"""Compress: the whole route from a model to a small file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Unpack

from onnxdc.api.encoding import COMPRESS, COMPRESS_INT8, encode_plan, file_bytes, remarks_of, require_groups
from onnxdc.api.integers import unheeded
from onnxdc.api.result import CompressionResult
from onnxdc.budget.builds import Build
from onnxdc.budget.choosing import Chooser
from onnxdc.budget.dataset import Data
from onnxdc.budget.wish import MetricName, Wish
from onnxdc.domain import provenance
from onnxdc.domain.limits import Limit
from onnxdc.domain.target_size import TargetSize
from onnxdc.errors import OptionError, OptionName
from onnxdc.evaluate.alternatives import alternatives
from onnxdc.graph.constants import lift_constants
from onnxdc.graph.slots import ROLES
from onnxdc.model_io import Source
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.fold.planned import FoldedPlan, plan_folded
from onnxdc.passes.prune import prune
from onnxdc.passes.share import share
from onnxdc.recipe import Recipe
from onnxdc.recipe.keywords import CompressOptions
from onnxdc.report import Report
from onnxdc.report.losses import find_losses
from onnxdc.report.rows import weight_rows
from onnxdc.request import StageProgress, load, recipe_of, refuse_compressed, require, stage_progress
from onnxdc.workers import Workers, connected

_RECORD: Final = 128  # bytes that are left for what the file says of how it was chosen


def compress(
    model: Source,
    recipe: Recipe | None = None,
    *,
    fold: bool = True,
    check: bool = True,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
    data: Data | None = None,
    val: Data | None = None,
    target_size: TargetSize | None = None,
    max_drop: float | None = None,
    metric: MetricName | None = None,
    memory: Limit | None = None,
    mask_input: str | None = None,
    strict: bool = False,
    int8: bool = False,
    compare: bool = False,
    workers: Workers | None = None,
    **options: Unpack[CompressOptions],
) -> CompressionResult:
    """Fold, prune, share or quantize, and encode a model.

    Without a recipe, without a way to prune and without data it is safe: zeros that are there stay zeros, and the other
    weights go to a fine grid, which hardly moves an output. With ``data`` they are calibrated (docs/calibration.md):
    the file is far smaller for the same divergence f, 0.01 on items that are held back unless there is a budget.

    Args:
        model: A path, or a model in memory: bytes, a binary file object that can seek, an ``onnx.ModelProto`` or an
            ``onnx_ir.Model``.
        recipe: What to do to which weight.
        fold: Whether to fold first: BatchNormalization into the weights before it, expressions of constants into one,
            equal weights into one; and to remove Identity and Dropout.
        check: Whether to run the result, natively and portably, against the pruned and shared model.
        custom_ops: Libraries of somebody's own operators that the model needs to run.
        progress: Called after each weight of each stage.
        data: Inputs to calibrate on: arrays as for ``verify``, their ``.npz`` file, or feeds one by one.
        val: Inputs to judge by for ``max_drop``, likewise, with an array ``labels`` if the metric needs it.
        target_size: The size that the file may have: bytes, as a number or as ``"600KB"``, or ``"8x"`` for an eighth of
            the input file. The best model that fits is made.
        max_drop: By how much the metric may drop, in its unit. The smallest model that keeps to it is made.
        metric: ``"top1"`` in points, ``"cosine"`` to the original's first output, ``"spearman"``, the divergence
            ``"f"``, or a function of the outputs and the labels, whose number is the higher the better. Without one it
            is top1 if ``val`` has labels that are classes, else f.
        memory: The bytes that calibration may take, such as ``"4GB"``; without, a quarter of the machine's.
        mask_input: The input that is zero at padded positions, which do not count; without, ``attention_mask``.
        strict: Whether a divergence f beyond 0.05 on items that are held back is an error.
        int8: Whether to quantize instead of sharing: the file is int8 and runs fast in any onnxruntime.
        compare: Whether to make what else one could do, int8 of onnxruntime after a general compressor, and to tell its
            bytes.
        workers: The address of a scheduler of dask.distributed, or a client of one, on whose workers weights are worked
            on; see docs/workers.md.
        options: Change the defaults of the recipe: those of ``prune``, ``share``, ``quantize`` and ``encode``.

    Raises:
        ModelError: The model cannot be read, is compressed already, has no weight to compress, the data do not fit it,
            a budget cannot be kept to, or the result does not compute what it should.
        OptionError: Options do not go together.
        RecipeError: An option is out of range, or a rule matches no weight.
        WorkersError: The workers cannot be reached, are gone, or cannot do the work.
    """
    wish = Wish(
        data=data,
        val=val,
        target_size=target_size,
        max_drop=max_drop,
        metric=metric,
        memory=memory,
        mask_input=mask_input,
        strict=strict,
        int8=int8,
    )
    if not int8 and options.get("activation") == "static":
        raise OptionError(OptionName("activation"), " needs ", OptionName("int8"), " to be static")
    recipe = recipe_of(recipe, options, *COMPRESS_INT8)
    with connected(workers) as mapper:
        loaded, before = load(model)
        refuse_compressed(loaded, model)
        if int8:
            lift_constants(loaded)
        folded = plan_folded(loaded, recipe, fold=fold)
        folded = replace(folded, plan=replace(folded.plan, mapper=mapper))
        if not folded.pays:
            require(folded.plan, model, ROLES)
        told = unheeded(folded.plan, recipe, calibrates=data is not None)
        task = _Task(folded, model, before, custom_ops, progress, check, told)
        result = _chosen(task, wish) if wish.is_any else _by_recipe(task)
    if compare:
        result.report = replace(result.report, alternatives=alternatives(model, result.model))
    return result


@dataclass(frozen=True)
class _Task:
    """A model to compress, and what the ways to do it have in common.

    Attributes:
        folded: Its plan, after folding.
        source: The model as it was given.
        before: The bytes of its file; None for a model from memory.
        custom_ops: Libraries of somebody's own operators that it needs.
        progress: Called as the work goes on.
        check: Whether the result is run.
        told: What is to be told of it in any case.
    """

    folded: FoldedPlan
    source: Source
    before: int | None
    custom_ops: Sequence[str | os.PathLike[str]]
    progress: StageProgress | None
    check: bool
    told: tuple[str, ...]


def _by_recipe(task: _Task) -> CompressionResult:
    """Return the result for a model of which its recipe says everything."""
    plan, source, progress = task.folded.plan, task.source, task.progress
    pruned = prune(plan, progress=stage_progress("prune", progress))
    shared = share(plan, progress=stage_progress("share", progress))
    losses = find_losses(plan, [*pruned.changes, *shared.changes])
    original = plan.model.clone() if task.check else None
    report = encode_plan(plan, COMPRESS, progress, earlier=shared.skips)
    if not report.is_encoded and task.folded.pays:
        return _folded_only(source, plan.recipe, task.custom_ops, check=task.check)
    require_groups(report, source, plan, "compress")
    remarks = (*task.told, *remarks_of(source, original, plan.model, task.custom_ops))
    report = replace(report, folds=task.folded.changes, biases=shared.biases, losses=losses)
    return CompressionResult(plan.model, replace(report, file_before=task.before, remarks=remarks))


def _chosen(task: _Task, wish: Wish) -> CompressionResult:
    """Return the result for a model of which something is wished for."""
    chooser = Chooser(task.folded.plan, wish, task.source, task.custom_ops, task.progress)
    choice = chooser.choose(_bytes_of, task.before)
    plan = choice.build.plan
    original = plan.model.clone() if task.check else None
    stages = COMPRESS_INT8 if wish.int8 else COMPRESS
    report = encode_plan(plan, stages, task.progress, earlier=choice.build.shared.skips)
    remarks: tuple[str, ...] = ("int8 only: coding makes no weight smaller", *notes_of(plan.model))
    if report.is_encoded or not wish.int8:
        require_groups(report, task.source, plan, "compress")
        remarks = remarks_of(task.source, original, plan.model, task.custom_ops)
    chooser.judged(choice, plan.model)
    if report.is_encoded:
        provenance.extend(plan.model, "budget", choice.record)
    report = replace(report, folds=task.folded.changes, biases=choice.build.shared.biases, file_before=task.before)
    report = replace(report, cautions=tuple(choice.cautions))
    return CompressionResult(plan.model, replace(report, remarks=(*task.told, *choice.told, *remarks)))


def _bytes_of(build: Build) -> int:
    """Return the bytes of the file that becomes of a build."""
    plan = build.plan.copy()
    encode_plan(plan, COMPRESS, None)
    return file_bytes(plan.model) + _RECORD


def _folded_only(
    model: Source, recipe: Recipe, custom_ops: Sequence[str | os.PathLike[str]], *, check: bool
) -> CompressionResult:
    """Return the result for a model that folding makes smaller, and nothing else does: its values stay as they are."""
    loaded, before = load(model)
    original = loaded.clone() if check else None
    folded = plan_folded(loaded, recipe)
    remarks = ("folded only: encoding makes no weight smaller", *remarks_of(model, original, loaded, custom_ops))
    skips = (*folded.plan.skips, *folded.plan.constants)
    return CompressionResult(
        loaded, Report(weight_rows(folded.plan), skips, folded.changes, file_before=before, remarks=remarks)
    )

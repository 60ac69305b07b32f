"""Quantize: a plain int8 model, which any onnxruntime runs fast."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from onnxdc.api.encoding import file_bytes
from onnxdc.api.result import CompressionResult
from onnxdc.budget.builds import Build
from onnxdc.budget.choosing import Chooser
from onnxdc.budget.dataset import Data
from onnxdc.budget.wish import MetricName, Wish
from onnxdc.domain.limits import Limit
from onnxdc.evaluate.self_check import made_up_divergence
from onnxdc.graph.constants import lift_constants
from onnxdc.graph.slots import Role
from onnxdc.model_io import Source
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.fold.planned import plan_folded
from onnxdc.recipe import Recipe
from onnxdc.recipe.keywords import QuantizeOptions
from onnxdc.report import Report
from onnxdc.report.losses import find_losses
from onnxdc.report.rows import weight_rows
from onnxdc.request import StageProgress, load, recipe_of, refuse_compressed, require
from onnxdc.workers import Workers, connected


def quantize(
    model: Source,
    recipe: Recipe | None = None,
    *,
    fold: bool = True,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
    data: Data | None = None,
    val: Data | None = None,
    max_drop: float | None = None,
    metric: MetricName | None = None,
    memory: Limit | None = None,
    mask_input: str | None = None,
    strict: bool = False,
    workers: Workers | None = None,
    **options: Unpack[QuantizeOptions],
) -> CompressionResult:
    """Have the layers of a model run on int8. The result is a standard model, in the place of that of ``share``.

    Weights become integers that are coarse, so that ``encode`` makes a small file of them, and calibrated if there are
    data: f is at most 0.01 above what integers cost by themselves, on items that are held back. Zeros stay zero.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        fold: Whether to fold first, as ``compress`` does.
        custom_ops: Libraries of somebody's own operators that the model needs to run.
        progress: Called after each weight.
        data: Inputs to calibrate on, and to find the ranges of static activations: arrays as for ``verify``, their
            ``.npz`` file, or feeds one by one.
        val: Inputs to judge by for ``max_drop``, likewise, with an array ``labels`` if the metric needs it.
        max_drop: By how much the metric may drop, in its unit. The coarsest model that keeps to it is made.
        metric: What may drop, as for ``compress``.
        memory: The bytes that calibration may take, such as ``"4GB"``; without, a quarter of the machine's.
        mask_input: The input that is zero at padded positions, which do not count; without, ``attention_mask``.
        strict: Whether a divergence f beyond 0.05 on items that are held back is an error.
        workers: The address of a scheduler of dask.distributed, or a client of one, on whose workers weights are worked
            on; see docs/workers.md.
        options: Change the defaults of the recipe: ``activation``, and those of ``share``.

    Raises:
        ModelError: The model cannot be read, is compressed already, has no weight, the data do not fit it, or a drop
            cannot be kept to.
        OptionError: Options do not go together, or static activations have no data.
        RecipeError: An option is out of range, or a rule matches no weight.
        WorkersError: The workers cannot be reached, are gone, or cannot do the work.
    """
    wish = Wish(
        data=data,
        val=val,
        max_drop=max_drop,
        metric=metric,
        memory=memory,
        mask_input=mask_input,
        strict=strict,
        int8=True,
    )
    recipe = recipe_of(recipe, options, "share", "quantize")
    with connected(workers) as mapper:
        loaded, before = load(model)
        refuse_compressed(loaded, model)
        lift_constants(loaded)
        folded = plan_folded(loaded, recipe, fold=fold)
        require(folded.plan, model, [Role.WEIGHT, Role.TABLE])
        chooser = Chooser(replace(folded.plan, mapper=mapper), wish, model, custom_ops, progress)
        choice = chooser.choose(_bytes_of, before)
        build = choice.build
        chooser.judged(choice, build.plan.model)
        if data is None:
            choice.told += made_up_divergence(model, build.plan.model, custom_ops)
    floats = build.floats or build.plan
    report = Report(
        weight_rows(floats, skips=build.shared.skips),
        tuple(build.shared.skips),
        folded.changes,
        build.shared.biases,
        before,
        remarks=(*choice.told, *notes_of(build.plan.model)),
        losses=() if wish.data is not None else find_losses(floats, build.shared.changes),
        cautions=tuple(choice.cautions),
    )
    return CompressionResult(build.plan.model, report)


def _bytes_of(build: Build) -> int:
    """Return the bytes of the file that a build is."""
    return file_bytes(build.plan.model)

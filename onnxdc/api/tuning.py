"""Tune: what a model loses at which size, and the recipe of each."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Unpack

from onnxdc import model_io
from onnxdc.api.encoding import COMPRESS, file_bytes
from onnxdc.api.points import Bench
from onnxdc.budget import curve
from onnxdc.budget.builds import Build
from onnxdc.budget.dataset import Data, Given, given
from onnxdc.budget.makers import says_all_steps
from onnxdc.budget.measured import Measured, digest_of
from onnxdc.budget.telling import few_items, not_calibrated
from onnxdc.budget.wish import MetricName, Wish, metric_for
from onnxdc.domain.limits import Limit
from onnxdc.errors import OptionError, OptionName
from onnxdc.evaluate.metrics import metric_of
from onnxdc.graph.slots import Role
from onnxdc.hooks.reading import model_digest
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import input_specs
from onnxdc.passes.fold.planned import plan_folded
from onnxdc.passes.result import Progress
from onnxdc.recipe import Recipe
from onnxdc.recipe.keywords import CompressOptions
from onnxdc.recipe.writing import to_toml
from onnxdc.report.tuning import TunedPoint, Tuning, by_importance
from onnxdc.request import StageProgress, load, recipe_of, refuse_compressed, require, stage_progress

POINTS: Final = 9
MOST_POINTS: Final = 50


def tune(
    model: Source,
    folder: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    data: Data | None = None,
    val: Data | None = None,
    metric: MetricName | None = None,
    points: int = POINTS,
    fold: bool = True,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
    memory: Limit | None = None,
    mask_input: str | None = None,
    **options: Unpack[CompressOptions],
) -> Tuning:
    """Measure what a model loses at which size, and write a recipe for each into a folder.

    The points are spread evenly in the logarithm of the divergence f, from about 0.003 to 0.3, which is measured on
    ``val``, or on the third of ``data`` that is held back from calibration. ``compress`` with the recipe of a point,
    and the same data, makes the same file. What was measured stays in the folder, in ``measured.json``, and is not
    measured again by another call with the same model, data and options.

    Args:
        model: A path, or a model in memory.
        folder: The folder, which is made if need be.
        recipe: What to do to which weight.
        data: Inputs to calibrate on, as for ``compress``. Without, steps follow from the weights alone.
        val: Inputs to judge by, with an array ``labels`` if the metric needs it.
        metric: As for ``compress``; without one it is top1 if ``val`` has labels that are classes, else there is none.
        points: How many models to make, 2 to 50.
        fold: Whether to fold first, as ``compress`` does.
        custom_ops: Libraries of somebody's own operators that the model needs to run.
        progress: Called as the work goes on.
        memory: The bytes that calibration may take, such as ``"4GB"``; without, a quarter of the machine's.
        mask_input: The input that is zero at padded positions, which do not count; without, ``attention_mask``.
        options: Change the defaults of the recipe: those of ``prune``, ``share`` and ``encode``.

    Raises:
        ModelError: The model cannot be read, is compressed already, has no weight to compress, the data do not fit it,
            or the folder cannot be written to.
        OptionError: Options do not go together, or the folder has what was measured of another model, with other data
            or options.
        RecipeError: An option is out of range, or a rule matches no weight.
    """
    recipe = recipe_of(recipe, options, *COMPRESS)
    wish = Wish(data=data, memory=memory, mask_input=mask_input)
    _check_options(data, val, metric, points)
    loaded, before = load(model)
    refuse_compressed(loaded, model)
    name, digest = model_io.name_of(model), model_digest(loaded)
    before = file_bytes(loaded) if before is None else before
    folded = plan_folded(loaded, recipe, fold=fold)
    require(folded.plan, model, [Role.WEIGHT, Role.TABLE])
    if says_all_steps(folded.plan):
        raise OptionError(f"{name}: expected a recipe that leaves a step open, got one that says all of them")
    arrays = given(data, val, input_specs(loaded, name), name)
    if arrays.held_back is None and arrays.val is None:
        raise OptionError(OptionName("data"), ": too few items to hold some back, and no ", OptionName("val"))
    chosen = None if arrays.val is None else metric_for(metric, arrays.val.has_classes)
    of = {
        "model": [digest, before],
        "data": digest_of(arrays.kept, arrays.held_back),
        "val": digest_of(arrays.val),
        "recipe": to_toml(recipe),
        "metric": chosen.name if chosen else None,
        "points": points,
        "fold": fold,
        "mask_input": mask_input,
    }
    measured = Measured(folder, of)
    bench = Bench(folded.plan, model, before, arrays, wish, chosen, custom_ops, progress, measured.weights)
    command = ["compress", _file_name(model, "MODEL"), *_repeated(data, mask_input, custom_ops, fold=fold)]
    _measure(bench, measured, points, command, _judged_by(arrays), stage_progress("tune", progress))
    return Tuning(
        before,
        _judged_by(arrays),
        *((chosen.name, chosen.unit) if chosen else ("", "")),
        points=tuple(sorted(measured.points.values(), key=lambda point: -point.nbytes)),
        weights=by_importance(measured.weights or ()),
        notes=(*measured.notes, *(f"warning: {line}" for line in few_items(arrays))),
    )


def _check_options(data: Data | None, val: Data | None, metric: MetricName | None, points: int) -> None:
    if data is None and val is None:
        raise OptionError("expected ", OptionName("data"), " or ", OptionName("val"), ", got none")
    if metric is not None:
        metric_of(metric)
        if val is None:
            raise OptionError(OptionName("metric"), " needs ", OptionName("val"))
    if not isinstance(points, int) or not 2 <= points <= MOST_POINTS:
        raise OptionError(OptionName("points"), f": expected an integer from 2 to {MOST_POINTS}, got {points!r}")


def _measure(
    bench: Bench, measured: Measured, points: int, command: Sequence[str], judged_by: str, progress: Progress | None
) -> None:
    """Measure what was not measured before; what was is kept after each point."""
    builds: dict[float, Build] = {}
    if measured.strengths is None:
        measured.weights = bench.weights()
        measured.notes = not_calibrated(bench.maker.skips)
        start = bench.maker.start
        builds[start] = bench.maker(start)
        measured.strengths = curve.strengths(start, bench.divergence(builds[start]), points)
        measured.save()
    for done, strength in enumerate(measured.strengths, start=1):
        if strength not in measured.points:
            build = builds.pop(strength) if strength in builds else bench.maker(strength)
            point, recipe = bench.point(strength, build)
            del build
            point = replace(point, recipe=measured.name_for(point.ratio))
            measured.add(point, to_toml(recipe, _heading(point, bench, command, judged_by)))
        if progress is not None:
            progress(measured.points[strength].recipe, done, points)


def _judged_by(arrays: Given) -> str:
    """Return what is judged by, in words."""
    if arrays.val is not None:
        return f"{arrays.val.items} items"
    assert arrays.held_back is not None, "checked before"
    return f"{arrays.held_back.items} items held back from calibration"


def _heading(point: TunedPoint, bench: Bench, command: Sequence[str], judged_by: str) -> str:
    """Return the comment at the top of a recipe: what it gives, and the command that repeats it."""
    f = "-" if point.divergence is None else f"{point.divergence:.3g}"
    told = f"{point.ratio:.1f}x, {point.nbytes:,} bytes: f {f} on {judged_by}"
    if bench.metric is not None and point.score is not None:
        unit = f" {bench.metric.unit}" if bench.metric.unit else ""
        told += f"; {bench.metric.name} {point.score:.4g}, drops by {point.drop:.3g} +- {point.error:.2g}{unit}"
    words = ["onnxdc", *command, "--recipe", point.recipe, "-o", "small.onnx"]
    return f"{told}\n{shlex.join(words)}"


def _repeated(
    data: Data | None, mask_input: str | None, custom_ops: Sequence[str | os.PathLike[str]], *, fold: bool
) -> list[str]:
    """Return the options that compress needs beside a recipe."""
    options = [] if data is None else ["--data", _file_name(data, "DATA")]
    options += [] if mask_input is None else ["--mask-input", mask_input]
    options += [] if fold else ["--no-fold"]
    return options + [word for path in custom_ops for word in ("--custom-ops", Path(path).name)]


def _file_name(source: object, other: str) -> str:
    """Return the name of a file without its folder, or another word for what is no file."""
    return Path(source).name if isinstance(source, str | os.PathLike) else other

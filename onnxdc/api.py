"""The library in a few verbs. Each takes a model, as a path or in memory, and leaves it as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, Unpack

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain import provenance
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Limit
from onnxdc.errors import ModelError, RecipeError, option_names
from onnxdc.evaluate.self_check import check_encoded
from onnxdc.graph.skips import Skip, with_earlier_reasons
from onnxdc.graph.slots import ROLES, Role
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.decode import decode_dense_nodes, portable_memory
from onnxdc.passes.encode import encode as encode_pass
from onnxdc.passes.fold.planned import FoldedPlan, plan_folded
from onnxdc.passes.plan import Plan, plan_weights
from onnxdc.passes.prune import prune as prune_pass
from onnxdc.passes.result import Result, WeightChange
from onnxdc.passes.share import share as share_pass
from onnxdc.passes.strip import strip, strip_encoded, strippable_bytes
from onnxdc.recipe import PRUNING, Recipe
from onnxdc.recipe.keys import Stage
from onnxdc.recipe.keywords import CompressOptions, EncodeOptions, EveryOption, PruneOptions, ShareOptions
from onnxdc.recipe.recorded import recorded
from onnxdc.report import ChangedModel, Report
from onnxdc.report.losses import find_losses
from onnxdc.report.nothing import nothing_to_do
from onnxdc.report.rows import inspect_weights, weight_rows
from onnxdc.request import (
    StageProgress,
    load,
    load_and_plan,
    recipe_of,
    refuse_compressed,
    require,
    stage_progress,
)
from onnxdc.runtime import best_decoder, naming

_MUCH_MEMORY = 10**9  # bytes

AnyChange = TypeVar("AnyChange", bound=WeightChange)


@dataclass(repr=False)
class CompressionResult(ChangedModel[Report]):
    """A model that something was done to.

    Attributes:
        model: The model; its large tensors may be read from the file of the original when they are needed.
        report: What was done.
    """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, all of it or nothing, and note the size of the file in the report.

        External data, if the model needs it, goes to ``<path>.<digest>.data`` next to it.

        Raises:
            ModelError: ``path`` cannot be written, or is a file that the model was read from.
        """
        self.report = replace(self.report, file_after=self._write(path))


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
    pruned = prune_pass(plan, progress=stage_progress("prune", progress))
    shared = share_pass(plan, progress=stage_progress("share", progress))
    losses = find_losses(plan, [*pruned.changes, *shared.changes])
    original = loaded.clone() if check else None
    report = _encode(plan, ("prune", "share", "encode"), progress, earlier=shared.skips)
    if not report.is_encoded and folded.pays:
        return _folded_only(model, recipe, custom_ops, check=check)
    _require_groups(report, model, plan, "compress")
    remarks = _remarks(model, original, loaded, custom_ops)
    report = replace(report, folds=folded.changes, file_before=before, remarks=remarks, losses=losses)
    return CompressionResult(loaded, report)


def _folded_only(
    model: Source, recipe: Recipe, custom_ops: Sequence[str | os.PathLike[str]], *, check: bool
) -> CompressionResult:
    """Return the result for a model that folding makes smaller, and nothing else does: its values stay as they are."""
    loaded, before = load(model)
    original = loaded.clone() if check else None
    folded = plan_folded(loaded, recipe)
    remarks = ("folded only: encoding makes no weight smaller", *_remarks(model, original, loaded, custom_ops))
    skips = (*folded.plan.skips, *folded.plan.constants)
    return CompressionResult(loaded, Report(weight_rows(folded.plan), skips, folded.changes, before, remarks=remarks))


def prune(
    model: Source,
    recipe: Recipe | None = None,
    *,
    progress: StageProgress | None = None,
    **options: Unpack[PruneOptions],
) -> CompressionResult:
    """Set the small elements of the weights to zero. The result is a standard model, ready to be fine-tuned.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        progress: Called after each weight.
        options: Change the defaults of the recipe: one of ``density``, ``quality``, ``threshold`` and
            ``global_density`` says how to prune, ``min_elements`` what to leave as it is.

    Raises:
        ModelError: The model cannot be read, is compressed already, or has no weight.
        RecipeError: An option is out of range, a rule matches no weight, or nothing says how to prune.
    """
    plan, before = load_and_plan(model, recipe, options, [Role.WEIGHT], "prune")
    if plan.recipe.global_density is None and not any(planned.settings.prunes for planned in plan.weights):
        raise RecipeError(
            "nothing says how to prune: expected one of ", *option_names([*PRUNING, "global_density"], ", ")
        )
    return _dense_result(plan, prune_pass(plan, progress=stage_progress("prune", progress)), before)


def share(
    model: Source,
    recipe: Recipe | None = None,
    *,
    progress: StageProgress | None = None,
    **options: Unpack[ShareOptions],
) -> CompressionResult:
    """Give the nonzeros of each weight at most 2^bits - 1 common values. The result is a standard model.

    Args:
        model: A path, or a model in memory.
        recipe: What to do to which weight.
        progress: Called after each weight.
        options: Change the defaults of the recipe: ``bits``, ``init``, ``groups``, ``seed`` and ``min_elements``.

    Raises:
        ModelError: The model cannot be read, is compressed already, or has no weight.
        RecipeError: An option is out of range, or a rule matches no weight.
    """
    plan, before = load_and_plan(model, recipe, options, [Role.WEIGHT, Role.TABLE], "share")
    return _dense_result(plan, share_pass(plan, progress=stage_progress("share", progress)), before)


def encode(
    model: Source,
    recipe: Recipe | None = None,
    *,
    force: bool = False,
    check: bool = True,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
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
        options: Change the defaults of the recipe: ``index_bits``, ``execution``, ``fuse`` and ``min_elements``.

    Raises:
        ModelError: The model cannot be read, is compressed already, has no weight to encode, or the result does not
            compute what it should.
        RecipeError: An option is out of range, or a rule matches no weight.
    """
    plan, before = load_and_plan(model, recipe, options, ROLES, "encode")
    original = plan.model.clone() if check else None
    report = _encode(plan, ("encode",), progress, earlier=plan.constants, force=force)
    _require_groups(report, model, plan, "encode")
    remarks = _remarks(model, original, plan.model, custom_ops)
    return CompressionResult(plan.model, replace(report, file_before=before, remarks=remarks))


def decode(model: Source, *, limit: Limit | None = None, progress: StageProgress | None = None) -> CompressionResult:
    """Return the model that was encoded, bit for bit: of ``compress``, the pruned and shared one.

    Args:
        model: A path, or a model in memory.
        limit: The bytes that the decoded weights may take, as a number or as ``"4GB"``; without it 256 MB, and 1,000
            bytes for each byte of the model.
        progress: Called after each weight.

    Raises:
        ModelError: The model cannot be read, is not compressed, or its weights take more than the limit.
        FormatError: A compressed weight breaks a rule of the format; the error names both.
        OptionError: The limit is no size.
    """
    loaded, before = load(model)
    if not is_compressed(loaded):
        raise ModelError(f"{model_io.name_of(model)}: nothing to decode: it has no compressed weight")
    provenance.take(loaded)
    with naming(model):
        tell, budget = stage_progress("decode", progress), budget_of(loaded, limit)
        rows, _ = inspect_weights(loaded, Recipe(), best_decoder(), tell, budget=budget, keep=True)
    return CompressionResult(loaded, Report(rows, file_before=before))


def expand(model: Source, *, limit: Limit | None = None, progress: StageProgress | None = None) -> CompressionResult:
    """Return the model with plain weights wherever it runs dense; what runs compressed stays compressed.

    The result is the same as the model, and opens as fast as a plain one where the native library is registered.

    Args:
        model: A path, or a model in memory.
        limit: As for ``decode``.
        progress: Called after each weight.

    Raises:
        ModelError: The model cannot be read, is not compressed, or its weights take more than the limit.
        FormatError: A compressed weight breaks a rule of the format; the error names both.
        OptionError: The limit is no size.
    """
    loaded, before = load(model, upgrade=False)
    if not is_compressed(loaded):
        raise ModelError(f"{model_io.name_of(model)}: nothing to expand: it has no compressed weight")
    with naming(model):
        rows, _ = inspect_weights(loaded.clone(), Recipe(), best_decoder(), budget=budget_of(loaded, limit))
        tell, budget = stage_progress("expand", progress), budget_of(loaded, limit)
        decode_dense_nodes(loaded, decoder=best_decoder(), progress=tell, budget=budget, keep=False, portable=True)
    return CompressionResult(loaded, Report(rows, file_before=before))


def inspect(model: Source, *, limit: Limit | None = None, **options: Unpack[EveryOption]) -> Report:
    """Return what is in a model: a row for each weight, as ``compress`` reports it. Compressed weights are checked.

    Args:
        model: A path, or a model in memory.
        limit: The bytes that all weights may take when they are decoded, as for ``decode``; only one is at a time.
        options: The options; ``min_elements`` says what to leave out.

    Raises:
        ModelError: The model cannot be read, or its weights take more than the limit.
        FormatError: A compressed weight breaks a rule of the format.
        OptionError: The limit is no size.
    """
    recipe = recipe_of(None, options)
    loaded, before = load(model, upgrade=False)
    made = provenance.take(loaded)
    with naming(model):
        rows, skips = inspect_weights(loaded, recipe, best_decoder(), budget=budget_of(loaded, limit))
    return Report(rows, skips, file_before=before, provenance=made)


def _encode(
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
    encoded = encode_pass(plan, force=force, progress=stage_progress("encode", progress))
    skips = tuple(with_earlier_reasons(encoded.skips, earlier))
    rows = tuple(replace(row, node=nodes[row.name]) for row in weight_rows(plan, encoded.changes, skips))
    if not encoded.changes:
        return Report(rows, skips)
    if plan.recipe.strip:
        stripped += strip_encoded(plan)
    strippable = 0 if plan.recipe.strip else strippable_bytes(plan.model, plan.recipe.min_elements)
    provenance.store(plan.model, recorded(plan.recipe, *stages))
    return Report(rows, skips, stripped=stripped, strippable=strippable)


def _require_groups(report: Report, source: Source, plan: Plan, verb: str) -> None:
    """Refuse a model in which nothing was encoded."""
    if not report.is_encoded:
        raise ModelError(f"{model_io.name_of(source)}: {nothing_to_do(verb, plan, report.rows)}")


def _remarks(
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


def _dense_result(plan: Plan, result: Result[AnyChange], file_before: int | None) -> CompressionResult:
    """Return the result of a stage that leaves weights dense."""
    rows, losses = weight_rows(plan, skips=result.skips), find_losses(plan, result.changes)
    remarks = notes_of(plan.model)
    report = Report(rows, tuple(result.skips), file_before=file_before, remarks=remarks, losses=losses)
    return CompressionResult(plan.model, report)

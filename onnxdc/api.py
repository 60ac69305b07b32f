"""The library in a few verbs. Each takes a model, as a path or in memory, and leaves it as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import onnx
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.errors import ModelError, RecipeError
from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight, find_weights
from onnxdc.model_io import Source
from onnxdc.passes.encode import encode as encode_pass
from onnxdc.passes.fold import fold as fold_pass
from onnxdc.passes.prune import prune as prune_pass
from onnxdc.passes.result import Progress
from onnxdc.passes.share import share as share_pass
from onnxdc.recipe import PRUNING, Recipe
from onnxdc.report import Report
from onnxdc.report.rows import inspect_weights, weight_rows
from onnxdc.runtime import best_decoder, naming

StageProgress: TypeAlias = Callable[[str, str, int, int], None]
"""Called as ``progress(stage, weight, done, total)`` after each weight of each stage."""


@dataclass
class CompressionResult:
    """A model that something was done to.

    Attributes:
        model: the model; its large tensors may be read from the file of the original when they are needed.
        report: what was done.
    """

    model: ir.Model
    report: Report

    def to_proto(self) -> onnx.ModelProto:
        """The model as the ``onnx`` package has it; below 2 GB."""
        return ir.to_proto(self.model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, all of it or nothing, and note the size of the file in the report.

        External data, where the model needs it, goes to ``<path>.data``.

        Raises:
            ModelError: ``path`` cannot be written, or is the file that the model was read from.
        """
        self.report = replace(self.report, file_after=model_io.save(self.model, path))


def compress(
    model: Source,
    recipe: Recipe | None = None,
    *,
    density: float | None = None,
    quality: float | None = None,
    threshold: float | None = None,
    global_density: float | None = None,
    bits: int | None = None,
    init: str | None = None,
    groups: int | None = None,
    seed: int | None = None,
    index_bits: int | None = None,
    execution: str | None = None,
    fuse: bool | None = None,
    min_elements: int | None = None,
    fold: bool = True,
    progress: StageProgress | None = None,
) -> CompressionResult:
    """Fold, prune, share and encode a model.

    Without a recipe and without a way to prune it is safe: zeros that are there stay zeros, and the other weights get
    8-bit codes, which hardly moves a value.

    Args:
        model: a path, or a model in memory.
        recipe: what to do to which weight; the options that follow change its defaults.
        density, quality, threshold, global_density: how to prune, one of them; see ``recipe.Recipe`` and ``Settings``.
        bits, init, groups, seed: how to share.
        index_bits, execution, fuse: how to encode.
        min_elements: smaller tensors stay as they are.
        fold: whether to fold BatchNormalization into the weights before it, and remove Identity and Dropout, first.
        progress: called after each weight of each stage.

    Raises:
        ModelError: the model cannot be read, is compressed already, or has no weight to compress.
        RecipeError: an option is out of range, or a rule matches no weight.
    """
    recipe = (recipe or Recipe()).with_options(
        density=density,
        quality=quality,
        threshold=threshold,
        global_density=global_density,
        bits=bits,
        init=init,
        groups=groups,
        seed=seed,
        index_bits=index_bits,
        execution=execution,
        fuse=fuse,
        min_elements=min_elements,
    )
    loaded, before = _load(model)
    folds = tuple(fold_pass(loaded).changes) if fold else ()
    weights = _weights(loaded, recipe, model_io.name_of(model))
    prune_pass(loaded, recipe, progress=_stage("prune", progress))
    shared = share_pass(loaded, recipe, progress=_stage("share", progress))
    encoded = encode_pass(loaded, recipe, progress=_stage("encode", progress))
    skips = _with_earlier_reasons(encoded.skips, shared.skips)
    rows = weight_rows(weights, encoded.changes, skips, recipe)
    if not encoded.changes:
        raise ModelError(f"{model_io.name_of(model)}: nothing to compress: {rows[0].name}: {rows[0].reason}")
    return CompressionResult(loaded, Report(rows, tuple(skips), folds, before))


def prune(
    model: Source,
    recipe: Recipe | None = None,
    *,
    density: float | None = None,
    quality: float | None = None,
    threshold: float | None = None,
    global_density: float | None = None,
    min_elements: int | None = None,
    progress: StageProgress | None = None,
) -> CompressionResult:
    """Set the small elements of the weights to zero. The result is a standard model, ready to be fine-tuned.

    Args and errors are those of ``compress``, and RecipeError if nothing says how to prune.
    """
    recipe = (recipe or Recipe()).with_options(
        density=density,
        quality=quality,
        threshold=threshold,
        global_density=global_density,
        min_elements=min_elements,
    )
    loaded, before = _load(model)
    weights = _weights(loaded, recipe, model_io.name_of(model))
    if recipe.global_density is None and not any(found.prunes for found in recipe.resolve(weights).values()):
        raise RecipeError(f"nothing says how to prune: expected one of {', '.join(PRUNING)} or global_density")
    skips = prune_pass(loaded, recipe, progress=_stage("prune", progress)).skips
    return CompressionResult(loaded, Report(weight_rows(weights, [], skips, recipe), tuple(skips), file_before=before))


def share(
    model: Source,
    recipe: Recipe | None = None,
    *,
    bits: int | None = None,
    init: str | None = None,
    groups: int | None = None,
    seed: int | None = None,
    min_elements: int | None = None,
    progress: StageProgress | None = None,
) -> CompressionResult:
    """Give the nonzeros of each weight at most 2^bits - 1 common values. The result is a standard model.

    Args and errors are those of ``compress``.
    """
    recipe = (recipe or Recipe()).with_options(
        bits=bits, init=init, groups=groups, seed=seed, min_elements=min_elements
    )
    loaded, before = _load(model)
    weights = _weights(loaded, recipe, model_io.name_of(model))
    skips = share_pass(loaded, recipe, progress=_stage("share", progress)).skips
    return CompressionResult(loaded, Report(weight_rows(weights, [], skips, recipe), tuple(skips), file_before=before))


def encode(
    model: Source,
    recipe: Recipe | None = None,
    *,
    index_bits: int | None = None,
    execution: str | None = None,
    fuse: bool | None = None,
    min_elements: int | None = None,
    progress: StageProgress | None = None,
) -> CompressionResult:
    """Huffman-code the weights that have few distinct values, without loss.

    Args and errors are those of ``compress``.
    """
    recipe = (recipe or Recipe()).with_options(
        index_bits=index_bits, execution=execution, fuse=fuse, min_elements=min_elements
    )
    loaded, before = _load(model)
    weights = _weights(loaded, recipe, model_io.name_of(model))
    encoded = encode_pass(loaded, recipe, progress=_stage("encode", progress))
    rows = weight_rows(weights, encoded.changes, encoded.skips, recipe)
    if not encoded.changes:
        raise ModelError(f"{model_io.name_of(model)}: nothing to encode: {rows[0].name}: {rows[0].reason}")
    return CompressionResult(loaded, Report(rows, tuple(encoded.skips), file_before=before))


def decode(model: Source, *, progress: StageProgress | None = None) -> CompressionResult:
    """The model that was encoded, bit for bit: of ``compress``, the pruned and shared one.

    Raises:
        ModelError: the model cannot be read, or is not compressed.
        FormatError: a compressed weight breaks a rule of the format; the error names both.
    """
    loaded, before = _load(model)
    if not is_compressed(loaded):
        raise ModelError(f"{model_io.name_of(model)}: nothing to decode: it has no compressed weight")
    with naming(model):
        rows, _ = inspect_weights(loaded, Recipe(), best_decoder(), _stage("decode", progress))
    return CompressionResult(loaded, Report(rows, file_before=before))


def inspect(model: Source, *, min_elements: int | None = None) -> Report:
    """What is in a model: a row for each weight, as ``compress`` reports it. Compressed weights are checked.

    Raises:
        ModelError: the model cannot be read.
        FormatError: a compressed weight breaks a rule of the format.
    """
    loaded, before = _load(model, upgrade=False)
    recipe = Recipe().with_options(min_elements=min_elements)
    with naming(model):
        rows, skips = inspect_weights(loaded, recipe, best_decoder())
    return Report(rows, skips, file_before=before)


def _load(model: Source, *, upgrade: bool = True) -> tuple[ir.Model, int | None]:
    """A model of our own, and the bytes of its files."""
    loaded = model_io.load(model, upgrade=upgrade)
    return loaded, model_io.file_bytes(loaded)


def _weights(model: ir.Model, recipe: Recipe, where: str) -> list[Weight]:
    """The weights of a model that is not compressed yet, at least one."""
    if is_compressed(model):
        raise ModelError(f"{where}: already compressed, expected a model that is not")
    weights, skips = find_weights(model, recipe.min_elements)
    if not weights:
        reasons = f" ({skips[0].name}: {skips[0].reason})" if skips else ""
        raise ModelError(f"{where}: no weight to compress{reasons}")
    return weights


def _with_earlier_reasons(skips: list[Skip], earlier: list[Skip]) -> list[Skip]:
    """The skips of one pass, with what the pass before said about the same weights."""
    before = {skip.name: skip.reason for skip in earlier}
    return [
        Skip(skip.name, "; ".join(dict.fromkeys((before.get(skip.name, skip.reason), skip.reason)))) for skip in skips
    ]


def _stage(name: str, progress: StageProgress | None) -> Progress | None:
    return (lambda weight, done, total: progress(name, weight, done, total)) if progress else None

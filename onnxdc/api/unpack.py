"""Ways back, and a look inside: decode, expand, inspect."""

from __future__ import annotations

from typing import Unpack

from onnxdc import model_io
from onnxdc.api.result import CompressionResult
from onnxdc.domain import provenance
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Limit
from onnxdc.errors import ModelError
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.passes.decode import decode_dense_nodes
from onnxdc.recipe import Recipe
from onnxdc.recipe.keywords import EveryOption
from onnxdc.report import Report
from onnxdc.report.rows import inspect_weights
from onnxdc.request import StageProgress, load, recipe_of, stage_progress
from onnxdc.runtime import best_decoder, naming


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

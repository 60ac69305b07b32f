"""Fill the rows of a report: from what encoding or decoding told, or from the weights themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Budget
from onnxdc.graph.readers import readers_text
from onnxdc.graph.skips import Skip
from onnxdc.graph.slots import Role
from onnxdc.graph.weights import Weight
from onnxdc.numeric.accounting import pruned_bytes, shared_bytes
from onnxdc.numeric.arrays import bit_patterns, distinct_nonzero
from onnxdc.numeric.relative_index import count_entries
from onnxdc.numeric.weight import MAX_CODES
from onnxdc.passes.decode import Decoder, decode
from onnxdc.passes.plan import Plan, plan_weights
from onnxdc.passes.result import Decoded, Encoded, Figures, Progress
from onnxdc.recipe import Recipe
from onnxdc.report.row import WeightRow


def inspect_weights(
    model: ir.Model,
    recipe: Recipe,
    decoder: Decoder,
    progress: Progress | None = None,
    *,
    budget: Budget | None = None,
    keep: bool = False,
) -> tuple[tuple[WeightRow, ...], tuple[Skip, ...]]:
    """Return the rows of any model, and its constants that are no weights.

    Args:
        model: The model; a compressed one is decoded in place, which checks every weight.
        recipe: What to do to which weight: the ``index_bits`` of weights that are not encoded, and ``min_elements``.
        decoder: What decodes one weight.
        progress: Called after each weight that is decoded.
        budget: What the dense weights are charged to; without one, what the size of the model allows.
        keep: Whether the model is to keep the dense weights; else only one is in memory at a time.

    Raises:
        FormatError: A compressed weight breaks a rule of the format.
        ModelError: The data of a weight cannot be read, or the weights exceed the budget.
    """
    changes: Sequence[Decoded] = ()
    if is_compressed(model):
        changes = decode(model, decoder=decoder, progress=progress, budget=budget, keep=keep).changes
    sizes = (math.prod(change.shape) for change in changes)  # encoded weights are weights, however small
    plan = plan_weights(model, recipe.with_options(min_elements=min([recipe.min_elements, *sizes])))
    encoded = {change.name for change in changes}
    skips = (*plan.skips, *(skip for skip in plan.constants if skip.name not in encoded))
    rows = weight_rows(plan, changes, skips)
    integers = {row.name for row in rows if row.is_integer}
    return rows, tuple(skip for skip in skips if skip.name not in integers)


def weight_rows(
    plan: Plan, changes: Sequence[Encoded | Decoded] = (), skips: Sequence[Skip] = ()
) -> tuple[WeightRow, ...]:
    """Return a row for each weight and for integers; for floats that can only be encoded, if they are.

    Args:
        plan: The weights of a model; those without a change are still in it.
        changes: What ``encode`` or ``decode`` told.
        skips: Why the other weights are not encoded.
    """
    told = {change.name: change for change in changes}
    reasons = {skip.name: skip.reason for skip in skips}
    return tuple(
        encoded_row(told[weight.name], weight)
        if weight.name in told
        else dense_row(weight, planned.settings.index_bits, reasons.get(weight.name, ""))
        for planned in plan.weights
        for weight in (planned.weight,)
        if weight.name in told or weight.role is not Role.CONSTANT
    )


def encoded_row(change: Encoded | Decoded, weight: Weight) -> WeightRow:
    """Return the row of a weight that ``encode`` or ``decode`` told about."""
    dense, group = change.dense, change.group
    runs = change.execution if isinstance(change, Encoded) else change
    return WeightRow(
        name=change.name,
        kind=weight.kind,
        shape=change.weight.shape if isinstance(change, Encoded) else change.shape,
        size=dense.size,
        nnz=dense.nnz,
        entries=group.entries,
        bits=group.bits,
        index_bits=group.index_bits,
        dense_bytes=dense.nbytes,
        pruned_bytes=_pruned_bytes(group.entries, dense, group.index_bits),
        shared_bytes=shared_bytes(group.entries, group.bits, group.index_bits, group.codebook_bytes),
        encoded_bytes=group.nbytes,
        **_of_integers(weight, dense),
        execution="dynamic" if runs.dynamic else "sparse" if runs.sparse else "dense",
        fused=change.fused,
        reason=change.execution.reason if isinstance(change, Encoded) else "",
        common_reason=change.execution.common_reason if isinstance(change, Encoded) else "",
        floats=change.execution.floats if isinstance(change, Encoded) else "",
        node=weight.node,
    )


def dense_row(weight: Weight, index_bits: int, reason: str = "") -> WeightRow:
    """Return the row of a weight that is a plain tensor, as ``encode`` would see it.

    Args:
        weight: The weight in its model.
        index_bits: The bits of a gap, if gaps are worth it.
        reason: Why it is not encoded.

    Raises:
        ModelError: Its data cannot be read.
    """
    array = weight.array()
    figures = Figures.of(array)
    patterns = bit_patterns(np.ascontiguousarray(array))
    entries = count_entries(patterns, index_bits)
    gaps: int | None = index_bits
    if _pruned_bytes(entries, figures, gaps) >= figures.nbytes:
        entries, gaps = array.size, None
    values = distinct_nonzero(patterns, MAX_CODES - (not figures.is_integer))
    bits = None if values is None else max(1, values.size.bit_length())
    codebook_bytes = 0 if values is None else (1 + values.size) * array.itemsize
    return WeightRow(
        name=weight.name,
        kind=weight.kind,
        shape=weight.shape,
        size=array.size,
        nnz=figures.nnz,
        entries=entries,
        bits=bits,
        index_bits=gaps,
        dense_bytes=figures.nbytes,
        pruned_bytes=_pruned_bytes(entries, figures, gaps),
        shared_bytes=None if bits is None else shared_bytes(entries, bits, gaps, codebook_bytes),
        reason=reason,
        node=weight.node,
        **_of_integers(weight, figures),
    )


def _of_integers(weight: Weight, figures: Figures) -> dict[str, Any]:
    """Return what a row says besides of a weight of integers; of another one its type."""
    said: dict[str, Any] = {"dtype": weight.tensor.dtype.name.lower().replace("double", "float64")}
    if figures.distinct is None or figures.entropy is None:
        return said
    zeros = int(figures.nnz < figures.size)
    return said | {
        "reader": readers_text(weight.readers),
        "distinct": figures.distinct + zeros,
        "entropy": figures.entropy,
    }


def _pruned_bytes(entries: int, dense: Figures, index_bits: int | None) -> int:
    """Return the bytes of the nonzeros with their gaps; those of the dense weight if no gaps are stored."""
    return dense.nbytes if index_bits is None else pruned_bytes(entries, dense.itemsize, index_bits)

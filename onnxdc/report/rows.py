"""Fill the rows of a report: from what the passes told, or from the weights themselves."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from onnxdc.domain.compressed import is_compressed
from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight, find_weights
from onnxdc.numeric.arrays import bit_patterns, blocks, distinct_nonzero
from onnxdc.numeric.weight import MAX_CODES
from onnxdc.passes.decode import Decoder, decode
from onnxdc.passes.result import Change, Progress
from onnxdc.recipe import Recipe
from onnxdc.report.report import WeightRow


def inspect_weights(
    model: ir.Model, recipe: Recipe, decoder: Decoder, progress: Progress | None = None
) -> tuple[tuple[WeightRow, ...], tuple[Skip, ...]]:
    """The rows of any model, and its constants that are no weights.

    Args:
        model: a compressed one is decoded in place, which checks every weight.
        recipe: ``index_bits`` of the weights that are not encoded, and ``min_elements``.
        decoder: what decodes one weight.
        progress: called after each weight that is decoded.

    Raises:
        FormatError: a compressed weight breaks a rule of the format.
        ModelError: the data of a weight cannot be read.
    """
    changes = decode(model, decoder=decoder, progress=progress).changes if is_compressed(model) else []
    sizes = (math.prod(change.shape) for change in changes)  # encoded weights are weights, however small
    weights, skips = find_weights(model, min([recipe.min_elements, *sizes]))
    return weight_rows(weights, changes, skips, recipe), tuple(skips)


def weight_rows(
    weights: list[Weight], changes: list[Change], skips: list[Skip], recipe: Recipe
) -> tuple[WeightRow, ...]:
    """A row for each weight: from what ``encode`` or ``decode`` said about it, else from its values.

    Args:
        weights: all weights of a model; those without a change are still in it.
        changes: of ``encode`` or ``decode``, and of nothing else.
        skips: why the other weights are not encoded.
        recipe: ``index_bits`` of the weights without a change.
    """
    encoded = {change.name: change for change in changes}
    reasons = {skip.name: skip.reason for skip in skips}
    settings = recipe.resolve(weights, skips)
    return tuple(
        encoded_row(encoded[weight.name], weight.kind)
        if weight.name in encoded
        else dense_row(weight, settings[weight.name].index_bits, reasons.get(weight.name, ""))
        for weight in weights
    )


def encoded_row(change: Change, kind: str) -> WeightRow:
    """The row of a weight that ``encode`` or ``decode`` told about."""
    assert change.before is not None
    assert change.after is not None
    assert change.bits is not None
    dense, encoded = (change.before, change.after) if change.action == "encoded" else (change.after, change.before)
    entries, codebook = int(change.extra["entries"]), int(change.extra["codebook_bytes"])
    return WeightRow(
        name=change.name,
        kind=kind,
        shape=change.shape,
        size=dense.size,
        nnz=dense.nnz,
        entries=entries,
        bits=change.bits,
        index_bits=change.index_bits,
        dense_bytes=dense.nbytes,
        pruned_bytes=_pruned_bytes(dense.size, entries, dense.nbytes, change.index_bits),
        shared_bytes=_bytes(entries * (change.bits + (change.index_bits or 0))) + codebook,
        encoded_bytes=encoded.nbytes,
        execution=str(change.extra["execution"]),
        fused=str(change.extra["fused"]),
        reason=change.detail.rpartition(": ")[2],
    )


def dense_row(weight: Weight, index_bits: int, reason: str = "") -> WeightRow:
    """The row of a weight that is a plain tensor, as ``encode`` would see it.

    Args:
        weight: in its model.
        index_bits: of the gaps, if gaps are worth it.
        reason: why it is not encoded.

    Raises:
        ModelError: its data cannot be read.
    """
    array = weight.array()
    bits = bit_patterns(np.ascontiguousarray(array))
    nnz = int(np.count_nonzero(bits))
    entries = _count_entries(bits, index_bits)
    gaps: int | None = index_bits
    if _pruned_bytes(array.size, entries, array.nbytes, index_bits) >= array.nbytes:
        entries, gaps = array.size, None
    values = distinct_nonzero(bits, MAX_CODES - 1)
    code_bits = None if values is None else max(1, values.size.bit_length())
    return WeightRow(
        name=weight.name,
        kind=weight.kind,
        shape=weight.shape,
        size=array.size,
        nnz=nnz,
        entries=entries,
        bits=code_bits,
        index_bits=gaps,
        dense_bytes=array.nbytes,
        pruned_bytes=_pruned_bytes(array.size, entries, array.nbytes, gaps),
        shared_bytes=None
        if values is None or code_bits is None
        else _bytes(entries * (code_bits + (gaps or 0))) + (1 + values.size) * array.itemsize,
        reason=reason,
    )


def _pruned_bytes(size: int, entries: int, dense_bytes: int, index_bits: int | None) -> int:
    if index_bits is None:
        return dense_bytes
    return _bytes(entries * index_bits) + entries * (dense_bytes // size)


def _bytes(bits: int) -> int:
    return -(-bits // 8)


def _count_entries(bits: np.ndarray, index_bits: int) -> int:
    """Nonzeros, and the filler zeros between them (docs/format.md section 3), of flat bit patterns."""
    entries, start, previous = 0, 0, -1
    for block in blocks(bits):
        positions = np.flatnonzero(block) + start
        distances = np.diff(positions, prepend=previous) - 1
        entries += positions.size + int((distances >> index_bits).sum())
        start += block.size
        previous = int(positions[-1]) if positions.size else previous
    return entries

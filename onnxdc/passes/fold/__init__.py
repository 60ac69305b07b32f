"""Fold: fewer nodes that compute the same, so that a weight meets its consumer directly.

Identity and inference-time Dropout go, expressions of constants become their results, MatMul + Add becomes Gemm,
BatchNormalization goes into the Conv, ConvTranspose, Gemm or MatMul before it. Weights are computed in float64 and
rounded once; expressions as onnxruntime computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import onnx_ir as ir

from onnxdc.graph.names import Names
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.walk import graphs, node_name
from onnxdc.passes.fold.batch_norm import try_fold_batch_norm
from onnxdc.passes.fold.constants import fold_constants
from onnxdc.passes.fold.identity import try_remove
from onnxdc.passes.fold.matmul_add import matmul_before, try_make_gemm
from onnxdc.passes.fold.site import FoldSite
from onnxdc.passes.result import Folded, Result


def fold(model: ir.Model) -> Result[Folded]:
    """Fold what can be folded, in place, in all graphs and functions of the model.

    Changes and skips carry the names of the nodes that were there before. The model computes the same up to rounding;
    the names of its inputs and outputs stay.

    Raises:
        ModelError: The data of a constant that a fold needs cannot be read.
    """
    result: Result[Folded] = Result(model)
    names = Names(model)
    # In this order: a BatchNormalization can meet its Gemm only once the Dropout between is gone and the Gemm is made,
    # and an expression of constants is whole only without the Identity in it.
    _fold_nodes(result, names, _REMOVALS)
    changes, skips = fold_constants(model, names)
    result.changes += changes
    result.skips += skips
    _fold_nodes(result, names, _FOLDS)
    return result


def _fold_nodes(result: Result[Folded], names: Names, folds: Sequence[_Fold]) -> None:
    for is_candidate, try_fold in folds:
        for function, graph in graphs(result.model):
            for node in [node for node in graph if node.domain == "" and is_candidate(node)]:
                name, op_type = node_name(node), node.op_type
                reason = try_fold(FoldSite(node, result.model, function, names))
                if reason is not None:
                    result.skips.append(Skip(name, SkipCode.NOT_FOLDED, f"{op_type}: {reason}"))
                elif node.graph is None:
                    result.changes.append(Folded(name, op_type))
                else:
                    result.changes.append(Folded(name, op_type, node.op_type, node.name or ""))


_Fold: TypeAlias = tuple[Callable[[ir.Node], bool], Callable[[FoldSite], str | None]]
"""Which nodes it is tried on, and what tries it: it says why not, or None once it is done."""

_REMOVALS: tuple[_Fold, ...] = ((lambda node: node.op_type in ("Identity", "Dropout"), try_remove),)
_FOLDS: tuple[_Fold, ...] = (
    (lambda node: node.op_type == "Add" and matmul_before(node) is not None, try_make_gemm),
    (lambda node: node.op_type == "BatchNormalization", try_fold_batch_norm),
)

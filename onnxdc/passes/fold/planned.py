"""The plan for a model that is folded first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import onnx_ir as ir

from onnxdc.graph.weights import constant_bytes
from onnxdc.passes.fold import fold as fold_model
from onnxdc.passes.fold.equal import merge_equal
from onnxdc.passes.plan import Plan, plan_weights
from onnxdc.passes.result import Folded
from onnxdc.recipe import Recipe

_LEFT: Final = 0.9  # of the bytes of all constants, a choice: folding that leaves no more is worth a file by itself


@dataclass(frozen=True)
class FoldedPlan:
    """The plan for a model, and what folding did to the model.

    Attributes:
        plan: The plan.
        changes: What was folded.
        pays: Whether that makes the model notably smaller.
    """

    plan: Plan
    changes: tuple[Folded, ...] = ()
    pays: bool = False


def plan_folded(model: ir.Model, recipe: Recipe, *, fold: bool = True) -> FoldedPlan:
    """Fold a model in place, find its weights and what the recipe says about each, and store equal ones once.

    Without ``fold`` only the weights are found.

    Raises:
        ModelError: The model is compressed, or the data of a constant cannot be read.
        RecipeError: A rule matches no weight.
    """
    if not fold:
        return FoldedPlan(plan_weights(model, recipe))
    before = constant_bytes(model)
    folded = fold_model(model).changes
    plan, copies = merge_equal(plan_weights(model, recipe))
    return FoldedPlan(plan, (*folded, *copies), constant_bytes(model) < _LEFT * before)

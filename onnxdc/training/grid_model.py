"""A model whose weights are trained on grids: what is done to it before, and how large a file encoding makes of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain import provenance
from onnxdc.graph.constants import lift_constants
from onnxdc.hooks import put_back
from onnxdc.passes.encode import encode
from onnxdc.passes.fold import fold
from onnxdc.passes.plan import plan_weights
from onnxdc.passes.rounded_biases import round_biases
from onnxdc.passes.strip import strip, strip_encoded
from onnxdc.recipe import Recipe
from onnxdc.recipe.recorded import recorded


def ready_for_grids(model: ir.Model, recipe: Recipe) -> int:
    """Fold a model, and round its biases as sharing does, in place; return how many nodes were folded.

    Folding after training would take weights off their grids.
    """
    lift_constants(model)
    folds = fold(model).changes
    if recipe.biases != "keep":
        round_biases(model, recipe.biases)
    return len(folds)


def encoded_bytes(model: ir.Model, recipe: Recipe, values: Mapping[str, np.ndarray]) -> int:
    """Return the bytes of the file that ``onnxdc encode`` makes of a model with other values, by a recipe.

    Args:
        model: The model, which is left as it is.
        recipe: What ``encode`` is told.
        values: The values, by the names of constants of the model.
    """
    copy = model.clone()
    put_back(copy, values)
    plan = plan_weights(copy, recipe)
    if recipe.strip:
        strip(plan)
    if encode(plan).changes:
        if recipe.strip:
            strip_encoded(plan)
        provenance.store(copy, recorded(recipe, "encode"))
    return int(model_io.to_proto(copy).ByteSize())

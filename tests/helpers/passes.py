"""The passes on a model and a recipe, each with a plan of its own."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from onnxdc.passes import encode as encode_module
from onnxdc.passes import prune as prune_module
from onnxdc.passes import share as share_module
from onnxdc.passes.plan import plan_weights
from onnxdc.passes.result import Encoded, Pruned, Result, Shared
from onnxdc.recipe import Recipe


def prune(model: ir.Model, recipe: Recipe | None = None, **arguments: Any) -> Result[Pruned]:
    return prune_module.prune(plan_weights(model, recipe), **arguments)


def share(model: ir.Model, recipe: Recipe | None = None, **arguments: Any) -> Result[Shared]:
    return share_module.share(plan_weights(model, recipe), **arguments)


def encode(model: ir.Model, recipe: Recipe | None = None, **arguments: Any) -> Result[Encoded]:
    return encode_module.encode(plan_weights(model, recipe), **arguments)

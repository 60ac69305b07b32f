"""Fold a model, and hold it against what it was."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from onnxdc.passes.fold import fold
from onnxdc.passes.result import Result
from tests.helpers.text_models import run


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def check_same(model: ir.Model, feeds: dict[str, np.ndarray], tolerance: float = 1e-5) -> Result:
    """Fold the model, and hold its outputs against those of the model before."""
    outputs = [output.name for output in model.graph.outputs]
    before = run(model, feeds)
    result = fold(model)
    after = run(ir.from_proto(ir.to_proto(model)), feeds)
    for expected, actual in zip(before, after, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert [output.name for output in model.graph.outputs] == outputs
    return result


def refused(model: ir.Model) -> str:
    """The only reason why nothing was folded in the model."""
    nodes = operators(model)
    result = fold(model)
    assert result.changes == []
    assert operators(model) == nodes
    assert len(result.skips) == 1
    return result.skips[0].reason

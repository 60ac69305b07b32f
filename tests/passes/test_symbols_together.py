"""In a small model one node yields the symbols of all weights, in a large one kernels' weights have their own."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from onnxdc.passes.decode import decode
from onnxdc.recipe import Recipe, Rule
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal

LAYERS = "g (float[M, {0}] A) => (float[M, {0}] Y) {{ B = MatMul(A, V)  Y = MatMul(B, W) }}"
APART = Recipe(rules=(Rule(pattern="V", execution="sparse"), Rule(pattern="W", execution="dense")))


@pytest.mark.parametrize(("size", "nodes"), [(200, ["Symbols"]), (600, ["SparseSymbols", "Symbols"])])
def test_small_models_have_one_node_for_symbols(size: int, nodes: list[str]):
    tensors = {"V": weight(size, size, density=0.2), "W": weight(size, size, density=0.2, seed=1)}
    model = build(LAYERS.format(size), **tensors)
    dense = ir.to_proto(model)
    encode(model, APART)
    assert sorted(node.op_type for node in model.graph if "Symbols" in node.op_type) == nodes
    feed = {"A": normal(3, size)}
    protos = dense, ir.to_proto(model)
    runs = [onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feed)[0] for proto in protos]
    np.testing.assert_array_equal(*runs)
    assert ir.to_proto(decode(model).model) == dense

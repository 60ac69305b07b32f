"""Sizes that stand for unknown ones are unknown: to shapes, to the choice of kernels, and to fusing."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.graph.shapes import known_shapes, known_size
from onnxdc.model_io import load
from tests.helpers.text_models import build, normal


def conv(batch: int) -> onnx.ModelProto:
    text = "g (float[1, 64, 28, 28] x) => (y) { y = Conv <pads = [1, 1, 1, 1]> (x, w) }"
    proto = ir.to_proto(build(text, w=normal(64, 64, 3, 3)))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    return proto


@pytest.mark.parametrize("size", [-1, -(2**63), 0, 2**31, 2**62])
def test_nonsense_is_unknown(size: int) -> None:
    assert known_size(size) is None
    batch, *others = known_shapes(load(conv(size)))["y"]
    assert others == [64, 28, 28]
    assert not isinstance(batch, int)


@pytest.mark.parametrize("size", [1, 7, 2**31 - 1])
def test_other_sizes_are_known(size: int) -> None:
    assert known_size(size) == size


@pytest.mark.parametrize("batch", [1, -1, 0, 2**40])
def test_a_layer_runs_sparse_whatever_stands_for_the_batch(batch: int) -> None:
    (row,) = onnxdc.compress(conv(batch), density=0.1).report.rows
    assert row.execution == "sparse"


@pytest.mark.parametrize("batch", [-1, 0, 2**40])
def test_a_matrix_product_of_unknown_rows_is_compressed(batch: int) -> None:
    proto = ir.to_proto(build("g (float[1, 512] x) => (float[M, 512] y) { y = MatMul(x, w) }", w=normal(512, 512)))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    result = onnxdc.compress(proto)
    assert result.report.rows[0].encoded_bytes is not None


BRANCHES = """g (float[3, 16] x, bool c) => (float[P, 8] y) {
    h = Relu(x)
    y = If (c) <
        then_branch = t () => (float[3, 8] a) { r = Relu(h)  a = MatMul(r, w) },
        else_branch = e () => (b) {
            s = Concat <axis = 0> (h, h)
            r = Relu(s)
            b = If (c) <
                then_branch = u () => (d) { d = MatMul(r, w) },
                else_branch = v () => (f) { k = Relu(r)  f = MatMul(k, w) }
            >
        }
    >
}"""


def test_values_of_inner_graphs_are_known_but_for_names_that_stand_for_several() -> None:
    model = build(BRANCHES, w=normal(16, 8))
    shapes = known_shapes(model)
    assert {name: shapes.get(name) for name in "hasbdfkr"} == {
        "h": (3, 16),
        "a": (3, 8),
        "s": (6, 16),
        "b": (6, 8),
        "d": (6, 8),
        "f": (6, 8),
        "k": (6, 16),
        "r": None,
    }


def test_a_residual_of_unknown_shape_is_not_fused() -> None:
    text = """g (float[1, 32, 9, 9] x) => (y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w)  b = Conv <pads = [1, 1, 1, 1]> (x, v)  y = Add(a, b) }"""
    proto = ir.to_proto(build(text, w=normal(32, 32, 3, 3), v=normal(32, 32, 3, 3, seed=1)))
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -1
    nodes = onnxdc.compress(proto, density=0.1, execution="sparse").to_proto().graph.node
    assert [node.op_type for node in nodes] == ["SparseQuantConv", "SparseQuantConv", "Add"]


def test_long_ways_from_a_constant_share_what_they_have_in_common() -> None:
    chain = [onnx.helper.make_node("Identity", [f"c{i}" if i else "w"], [f"c{i + 1}"]) for i in range(5000)]
    uses = [onnx.helper.make_node("MatMul", ["x", f"c{i + 1}"], [f"y{i}"]) for i in range(5000)]
    proto = ir.to_proto(build("g (float[N, 16] x) => (float[N, 16] y) { y = MatMul(x, w) }", w=normal(16, 16)))
    proto.graph.node.extend([*chain, *uses])
    (row,) = onnxdc.inspect(proto).rows
    assert (row.name, row.size) == ("w", np.prod((16, 16)))

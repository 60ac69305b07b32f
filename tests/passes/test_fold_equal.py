"""Equal constants become one, wherever they are; held against onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import Recipe, Rule
from onnxdc.graph.weights import named_constants
from onnxdc.passes.fold.equal import merge_equal
from onnxdc.passes.plan import Plan, plan_weights
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run

LAYERS = """g (float[N, 32] x) => (float[N, 32] y) {
    a = MatMul (x, w0)  b = Tanh (a)  c = MatMul (b, w1)  d = Tanh (c)  y = Gemm (d, w2)
}"""


def merged(model: ir.Model, recipe: Recipe | None = None, **feeds: np.ndarray) -> tuple[Plan, list[str]]:
    """The plan without copies, and what became of them; the model computes what it did."""
    before = run(model, feeds)
    plan, changes = merge_equal(plan_weights(model, recipe))
    for expected, found in zip(before, run(ir.from_proto(ir.to_proto(model)), feeds), strict=True):
        np.testing.assert_array_equal(found, expected)
    return plan, [f"{change.name}: {change.detail}" for change in changes]


@pytest.mark.parametrize("ir_version", [3, 8])
@pytest.mark.parametrize("opset", [11, 17, 22])
def test_layers_that_share_a_weight_read_one(ir_version: int, opset: int) -> None:
    text = (
        LAYERS
        if ir_version > 3
        else LAYERS.replace("x) =>", "x, float[32, 32] w0, float[32, 32] w1, float[32, 32] w2) =>")
    )
    model = build(text, ir_version, opset, w0=normal(32, 32), w1=normal(32, 32, seed=1), w2=normal(32, 32))
    plan, changes = merged(model, x=normal(3, 32))
    assert changes == ["w2: copy into original w0"]
    assert [(planned.weight.name, len(planned.weight.uses)) for planned in plan.weights] == [("w0", 2), ("w1", 1)]
    assert len(model.graph.inputs) == (1 if ir_version > 3 else 3)


def test_a_recipe_that_parts_equal_weights_keeps_them_apart() -> None:
    arrays = {name: normal(32, 32) for name in ("w0", "w1", "w2")}
    recipe = Recipe((Rule("w1", bits=3),))
    plan, changes = merged(build(LAYERS, **arrays), recipe, x=normal(3, 32))
    assert changes == ["w2: copy into original w0"]
    assert [(planned.weight.name, planned.settings.bits) for planned in plan.weights] == [("w0", 8), ("w1", 3)]


def test_other_bits_shapes_and_types_are_not_equal() -> None:
    text = "g (float[N, 32] x) => (a, b, c, d) { a = Add (x, u)  b = Add (x, v)  c = Add (x, w)  d = Shape (h) }"
    zeros = np.zeros((32, 32), np.float32)
    arrays = {"u": zeros, "v": -zeros, "w": zeros[None], "h": zeros.view(np.int32)}
    assert merged(build(text, **arrays), x=normal(32, 32))[1] == []


def test_a_weight_and_a_constant_stay_apart_since_only_one_of_them_is_changed() -> None:
    text = "g (float[32, 32] x) => (float[32, 32] y) { h = MatMul (x, w)  y = Add (h, v) }"
    assert merged(build(text, w=normal(32, 32), v=normal(32, 32)), x=normal(32, 32))[1] == []


def test_what_others_may_replace_or_read_by_name_stays() -> None:
    text = """g (float[32, 32] x, float[32, 32] u) => (float[32, 32] y, float[32, 32] v) {
        a = Add (x, u)  b = Add (a, v)  y = Add (b, w)
    }"""
    arrays = {name: normal(32, 32) for name in ("u", "v", "w")}
    model = build(text, **arrays)
    assert merge_equal(plan_weights(model))[1] == []


BRANCHES = """g (bool c, float[N, 32] x) => (float[N, 32] y) {
    y = If (c) <
        then_branch = t () => (float[M, 32] a) { h = MatMul (x, one)  a = Tanh (h) },
        else_branch = e () => (float[M, 32] b) { b = MatMul (x, two) }>
}"""


def with_branches(place: str) -> ir.Model:
    """An If both branches of which have the same weight: as initializers, Constant nodes, or one in the main graph."""
    model = build(BRANCHES, one=normal(32, 32), two=normal(32, 32))
    proto = ir.to_proto(model)
    one, two = (proto.graph.initializer.pop(0) for _ in range(2))
    branches = [attribute.g for attribute in proto.graph.node[0].attribute]
    one.name = two.name = "w"
    for branch in branches:
        for node in branch.node:
            node.input[:] = ["w" if name in ("one", "two") else name for name in node.input]
    for branch, tensor in zip(branches, (one, two), strict=True):
        if place == "initializers":
            branch.initializer.append(tensor)
        elif place == "nodes":
            node = branch.node.add(op_type="Constant", output=["w"])
            node.attribute.add(name="value", type=4).t.CopyFrom(tensor)
            branch.node.insert(0, branch.node.pop())
    if place == "around":
        one.name = "v"
        proto.graph.initializer.append(one)
        branches[0].node[0].input[1] = "v"
        branches[1].initializer.append(two)
    return ir.from_proto(proto)


@pytest.mark.parametrize("place", ["initializers", "nodes", "around"])
def test_the_copies_of_two_branches_become_one_around_them(place: str) -> None:
    model = with_branches(place)
    plan, changes = merged(model, c=np.array(True), x=normal(3, 32))
    assert len(changes) == (1 if place == "around" else 2)
    assert len(list(named_constants(model))) == len(model.graph.initializers) == 1
    (planned,) = plan.weights
    assert (len(planned.weight.uses), planned.settings.bits) == (2, 8)


@pytest.mark.parametrize("opset", [11, 17])
def test_integers_are_stored_once_too(opset: int) -> None:
    text = """g (float[N, 64] x) => (float[N, 64] y) {
        a = DequantizeLinear (q, s)  h = MatMul (x, a)  b = DequantizeLinear (r, s)  y = MatMul (h, b)
    }"""
    q = np.arange(4096).reshape(64, 64).astype(np.int8)
    model = build(text, opset=opset, q=q, r=q.copy(), s=np.array(0.1, np.float32))
    assert merged(model, x=normal(3, 64))[1] == ["r: copy into original q"]


TIED = "g (int64[N] i) => (float[N, M] y) { e = Gather (table, i)  y = MatMul (e, head) }"


@pytest.mark.parametrize(("rows", "changes"), [(2048, ["head: transposed copy into original table"]), (90, [])])
def test_a_large_table_and_its_transpose_are_one(rows: int, changes: list[str]) -> None:
    table = normal(rows, 32)
    model = build(TIED, table=table, head=np.ascontiguousarray(table.T))
    assert merged(model, i=np.array([1, 5, 2]))[1] == changes
    assert next(node.op_type for node in model.graph) == ("Transpose" if changes else "Gather")


def test_a_tied_table_is_compressed_once() -> None:
    table = normal(2048, 32) / 8
    model = build(TIED, table=table, head=np.ascontiguousarray(table.T))
    result = onnxdc.compress(model)
    assert [row.name for row in result.report.rows] == ["table"]
    decoded = constants(onnxdc.decode(result.model).model)
    assert list(decoded) == ["table"]
    feeds = {"i": np.array([1, 5, 2])}
    expected, found = (onnxdc.session(each).run(None, feeds)[0] for each in (model, result.model))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_compress_stores_the_copies_of_a_layer_once_and_no_fold_leaves_them() -> None:
    arrays = {name: normal(128, 128) for name in ("w0", "w1", "w2")}
    model = build(LAYERS.replace("32", "128"), **arrays)
    result = onnxdc.compress(model)
    assert [fold.summary for fold in result.report.folds] == ["copy into original"] * 2
    assert [row.name for row in result.report.rows] == ["w0"]
    assert [row.name for row in onnxdc.compress(model, fold=False).report.rows] == ["w0", "w1", "w2"]

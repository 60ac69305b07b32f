"""What products and recurrent layers read: the weight times its rows is what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.calibration import operators
from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.readings import Sample, Vectors
from onnxdc.passes.plan import plan_weights
from onnxdc.recipe import Recipe
from tests.helpers.text_models import build, normal, run

PLAN = Recipe(min_elements=0)


def product(layer_name: str, model: ir.Model, tensors: dict[str, np.ndarray], weight: np.ndarray) -> np.ndarray:
    """Matrices times rows, ``[rows, g, outputs]``."""
    layer = layers_of(plan_weights(model, PLAN)).layers[layer_name]
    rows = layer.readings[0].rows(Sample(tensors, None, 0, 0))
    return np.einsum("grn,xgn->xgr", layer.matrices.of(weight), rows)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("other", [0, 1])
@pytest.mark.parametrize("side", ["right", "left"])
def test_gemm(transposed: int, other: int, side: str) -> None:
    x, w = normal(7, 5), normal(5, 6, seed=1)
    feed = x.T.copy() if other else x
    weight = w.T.copy() if transposed else w
    if side == "right":
        node = f"Gemm <transA = {other}, transB = {transposed}> (x, w)"
        expected = x @ w
    else:  # y = W X with W [6, 5] and X [5, 7]
        node = f"Gemm <transA = {1 - transposed}, transB = {1 - other}> (w, x)"
        expected = (w.T @ x.T).T
    model = build(f"g (float[{feed.shape[0]}, {feed.shape[1]}] x) => (float[] y) {{ y = {node} }}", w=weight)
    computed = run(model, {"x": feed})[0]

    assert (computed if side == "right" else computed.T) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert product("w", model, {"x": feed}, weight)[:, 0] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("x", "w", "groups"),
    [
        ((5,), (5, 4), 1),
        ((3, 5), (5, 4), 1),
        ((2, 3, 5), (5, 4), 1),
        ((3, 2, 7, 5), (2, 5, 4), 2),
        ((7, 5), (3, 5, 4), 3),
        ((2, 3, 7, 5), (2, 1, 5, 4), 2),
    ],
)
def test_matmul_with_the_constant_on_the_right(x: tuple[int, ...], w: tuple[int, ...], groups: int) -> None:
    feed, weight = normal(*x), normal(*w, seed=1)
    model = build(f"g (float{list(x)} x) => (float[] y) {{ y = MatMul (x, w) }}", w=weight)
    expected = run(model, {"x": feed})[0]
    found = product("w", model, {"x": feed}, weight)

    assert found.shape[1:] == (groups, 4)
    assert np.sort(found.ravel()) == pytest.approx(np.sort(expected.ravel()), rel=1e-5, abs=1e-5)
    if groups == 1:
        assert found.reshape(expected.shape) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("x", "w"), [((5,), (4, 5)), ((5, 3), (4, 5)), ((2, 5, 3), (4, 5)), ((2, 5, 3), (2, 4, 5))])
def test_matmul_with_the_constant_on_the_left(x: tuple[int, ...], w: tuple[int, ...]) -> None:
    feed, weight = normal(*x), normal(*w, seed=1)
    model = build(f"g (float{list(x)} x) => (float[] y) {{ y = MatMul (w, x) }}", w=weight)
    expected = run(model, {"x": feed})[0]
    found = product("w", model, {"x": feed}, weight)

    assert np.sort(found.ravel()) == pytest.approx(np.sort(expected.ravel()), rel=1e-5, abs=1e-5)


def test_many_inputs_are_cut_into_blocks_whose_outputs_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "LARGEST_BLOCK", 4)
    feed, weight = normal(3, 10), normal(10, 2, seed=1)
    model = build("g (float[3, 10] x) => (float[] y) { y = MatMul (x, w) }", w=weight)
    layer = layers_of(plan_weights(model, PLAN)).layers["w"]

    assert layer.is_sum
    assert layer.matrices.last == (5, 2, 2)
    assert product("w", model, {"x": feed}, weight).sum(axis=1) == pytest.approx(feed @ weight, rel=1e-5, abs=1e-5)
    assert np.array_equal(layer.matrices.back(layer.matrices.of(weight)), weight)


def test_a_number_of_inputs_that_cannot_be_cut_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "LARGEST_BLOCK", 4)
    model = build("g (float[3, 11] x) => (float[] y) { y = MatMul (x, w) }", w=normal(11, 2))
    assert "11 inputs are too many" in layers_of(plan_weights(model, PLAN)).skips["w"].reason


@pytest.mark.parametrize("shape", [(2, 3), (6,)])
def test_padded_tokens_are_left_out(shape: tuple[int, ...]) -> None:
    kept = np.array([[True, True, False], [True, False, False]])
    x = normal(*shape, 4)
    rows = Vectors("x", 4).rows(Sample({"x": x}, kept, 0, 0))

    assert np.array_equal(rows[:, 0], x.reshape(6, 4)[[0, 1, 3]])


@pytest.mark.parametrize("shape", [(3, 2), (5,), (2,)])
def test_what_is_no_sequence_of_tokens_is_read_whole(shape: tuple[int, ...]) -> None:
    kept = np.array([[True, True, False], [True, False, False]])
    assert len(Vectors("x", 4).rows(Sample({"x": normal(*shape, 4)}, kept, 0, 0))) == np.prod(shape)


def recurrent(op_type: str, direction: str, layout: int, w: np.ndarray, r: np.ndarray, initial: bool) -> ir.Model:
    """A layer with sequences of 5 steps and 2 items of 3 numbers, and a state of 4."""
    attributes: dict[str, object] = {"direction": direction, "hidden_size": 4}
    if op_type == "GRU":
        attributes["linear_before_reset"] = 1
    x = [2, 5, 3] if layout else [5, 2, 3]
    inputs = ["x", "w", "r", "", "", "h"] if initial else ["x", "w", "r"]
    node = onnx.helper.make_node(op_type, inputs, ["y"], layout=layout, **attributes)
    info = onnx.helper.make_tensor_value_info
    state = [2, len(w), 4] if layout else [len(w), 2, 4]
    graph_inputs = [info("x", 1, x), *([info("h", 1, state)] if initial else [])]
    arrays = [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(r, "r")]
    graph = onnx.helper.make_graph([node], "g", graph_inputs, [info("y", 1, None)], arrays)
    return ir.from_proto(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("initial", [True, False])
def test_a_recurrent_layer_is_computed_from_what_it_reads(direction: str, initial: bool) -> None:
    directions = 2 if direction == "bidirectional" else 1
    w, r = normal(directions, 4, 3, seed=1), normal(directions, 4, 4, seed=2)
    model = recurrent("RNN", direction, 0, w, r, initial)  # y_t = tanh(W x_t + R y_before)
    x, h = normal(5, 2, 3), normal(directions, 2, 4, seed=3)
    y = run(model, {"x": x, "h": h} if initial else {"x": x})[0]
    tensors = {"x": x, "y": y, "h": h}
    of_input = product("w", model, tensors, w).reshape(10, directions, 4)
    of_state = product("r", model, tensors, r)

    assert np.tanh(of_input + of_state) == pytest.approx(y.transpose(0, 2, 1, 3).reshape(10, directions, 4), abs=1e-5)


@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_layers_with_gates_read_the_same(op_type: str, gates: int) -> None:
    w, r = normal(2, gates * 4, 3), normal(2, gates * 4, 4)
    found = layers_of(plan_weights(recurrent(op_type, "bidirectional", 0, w, r, True), PLAN)).layers
    simple = layers_of(plan_weights(recurrent("RNN", "bidirectional", 0, w[:, :4], r[:, :4], True), PLAN)).layers

    assert [found[name].readings for name in "wr"] == [simple[name].readings for name in "wr"]
    assert found["w"].matrices.last == (1, 2 * gates * 4, 3)
    assert found["r"].matrices.last == (2, gates * 4, 4)


def test_states_with_the_items_first_are_the_same_rows() -> None:
    w, r = normal(2, 4, 3), normal(2, 4, 4)
    y, h = normal(5, 2, 3, 4), normal(2, 3, 4)  # steps, directions, items
    plain, first = (
        layers_of(plan_weights(recurrent("RNN", "bidirectional", layout, w, r, True), PLAN)).layers["r"].readings[0]
        for layout in (0, 1)
    )
    expected = plain.rows(Sample({"y": y, "h": h}, None, 0, 0))
    turned = {"y": y.transpose(2, 0, 1, 3), "h": h.transpose(1, 0, 2)}

    assert np.array_equal(first.rows(Sample(turned, None, 0, 0)), expected)

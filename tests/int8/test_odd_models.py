"""Models that exporters write in another way: constants in nodes, old operator sets, outputs of products, names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import Recipe, Rule
from tests.helpers.int8_models import images, optimised_operators, residual_network
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run

DATA = {"x": images(90)}
TABLE = np.where(np.arange(96) == 7, np.float32(300), normal(300, 96))  # of one step a channel, if there can be


def in_nodes(model: ir.Model) -> ir.Model:
    """Move all float initializers of a model to Constant nodes."""
    for name, value in list(model.graph.initializers.items()):
        if value.dtype is not ir.DataType.FLOAT:
            continue
        node = ir.node("Constant", [], {"value": value.const_value}, name=f"{name}_node")
        value.replace_all_uses_with(node.outputs[0])
        del model.graph.initializers[name]
        node.outputs[0].name = name
        model.graph.insert_before(model.graph[0], node)
    return model


def encoder(opset: int) -> ir.Model:
    text = "g (int64[N] i) => (float[N, 96] y) { e = Gather(T, i)  y = MatMul(e, W) }"
    model = build(text, T=TABLE, W=normal(96, 96))
    model.opset_imports[""] = opset
    return model


def test_weights_in_constant_nodes_become_integers() -> None:
    plain = onnxdc.quantize(residual_network(), data=DATA).model
    found = onnxdc.quantize(in_nodes(residual_network()), data=DATA).model
    assert not [node for node in found.graph if node.op_type == "Constant"]
    np.testing.assert_array_equal(run(found, DATA)[0], run(plain, DATA)[0])


@pytest.mark.parametrize("make", [lambda: encoder(17), lambda: encoder(11), lambda: in_nodes(encoder(17))])
def test_tables_open_in_onnxruntime(make) -> None:
    ids = np.arange(0, 300, 7)
    expected = TABLE[ids].astype(np.float64) @ constants(encoder(17))["W"].astype(np.float64)
    model = make()
    for result in (onnxdc.quantize(model).model, onnxdc.compress(model, int8=True).model):
        found = run(result, {"i": ids})[0]
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


def test_a_product_as_an_output_keeps_its_type() -> None:
    proto = ir.to_proto(onnxdc.quantize(residual_network(), data=DATA).model)
    onnx.checker.check_model(proto, full_check=True)
    assert [output.type for output in proto.graph.output] == [
        output.type for output in ir.to_proto(residual_network()).graph.output
    ]


@pytest.mark.parametrize("opset", [11, 12])
def test_static_layers_of_an_old_operator_set_have_one_step(opset: int, tmp_path: Path) -> None:
    model = onnxdc.quantize(residual_network(opset), Recipe(min_elements=100), data=DATA).model
    assert model.opset_imports[""] == opset
    operators = optimised_operators(model, tmp_path)
    assert (operators["QLinearConv"], operators["QGemm"], operators["Conv"]) == (4, 1, 0)
    for node in model.graph:
        if node.op_type == "DequantizeLinear" and node.inputs[1] is not None:
            assert node.inputs[1].const_value.shape == ()
    np.testing.assert_allclose(run(model, DATA)[0], run(residual_network(), DATA)[0], atol=0.15)


@pytest.mark.parametrize("ir_version", [3, 8])
def test_initializers_that_are_inputs_too_become_integers(ir_version: int, tmp_path: Path) -> None:
    plain = onnxdc.quantize(residual_network(), data=DATA).model
    model = residual_network()
    model.ir_version = ir_version
    model.graph.inputs.extend(value for name, value in model.graph.initializers.items() if name != "zero")
    found = onnxdc.quantize(model, data=DATA).model
    assert [value.name for value in found.graph.inputs] == (["x"] if ir_version < 4 else ["x", "widths"])
    for name, expected in plain.graph.initializers.items():
        if expected.dtype == ir.DataType.INT8:
            np.testing.assert_array_equal(found.graph.initializers[name].const_value, expected.const_value)
    # Ranges come from runs in float32, which round in another way where the widths of a Pad are not known.
    np.testing.assert_allclose(run(found, DATA)[0], run(plain, DATA)[0], atol=0.01)
    assert optimised_operators(found, tmp_path)["QLinearConv"] == 4


def test_what_callers_may_give_another_value_for_stays_so() -> None:
    text = "g (float[N, 4, 6, 6] x) => (float[N, 4, 6, 6] y) { a = Conv (x, V)  b = Clip (a, low)  y = Conv (b, W) }"
    model = build(text, V=normal(4, 4, 1, 1), W=normal(4, 4, 1, 1), low=np.array(-9, np.float32))
    model.graph.inputs.append(model.graph.initializers["low"])
    x = normal(60, 4, 6, 6)
    found = onnxdc.quantize(model, Recipe(min_elements=4), data={"x": x}).model
    expected = run(model, {"x": x, "low": np.array(1, np.float32)})[0]
    again = run(found, {"x": x, "low": np.array(1, np.float32)})[0]
    assert np.linalg.norm(again - expected) < 0.1 * np.linalg.norm(expected)


@cache
def outputs_with_other_names() -> np.ndarray:
    return run(onnxdc.quantize(residual_network(), data=DATA).model, DATA)[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("r1", "w1_quantized"),
        ("r1", "x_scale"),
        ("r1", "x_QuantizeLinear_Output"),
        ("w1", "x_zero_point"),
        ("y", "w1_quantized"),
        ("c1", "|3|_scale"),
    ],
)
def test_names_that_the_quantizer_makes_may_be_taken(old: str, new: str) -> None:
    model = residual_network()
    values = [*model.graph.initializers.values(), *(value for node in model.graph for value in node.outputs)]
    next(value for value in values if value.name == old).name = new
    before = ir.to_proto(model).SerializeToString()
    found = onnxdc.quantize(model, data=DATA).model
    np.testing.assert_array_equal(run(found, DATA)[0], outputs_with_other_names())
    assert ir.to_proto(model).SerializeToString() == before
    assert found.graph.outputs[0].name == model.graph.outputs[0].name


def test_a_layer_whose_bias_int32_cannot_hold_stays_float(tmp_path: Path) -> None:
    model = residual_network()
    large = np.where(np.arange(12) == 3, np.float32(3e8), constants(model)["b2"])
    model.graph.initializers["b2"].const_value = ir.tensor(large)
    result = onnxdc.quantize(model, Recipe(min_elements=100), data=DATA)
    told = result.report.notes()
    assert "int8: 4 static layers" in told
    assert "stays float: w2: its bias is too large for int32 at the scale of its products" in told
    assert "onnxruntime runs 4 layers on integers" in told
    assert constants(result.model)["w2"].dtype == np.float32
    operators = optimised_operators(result.model, tmp_path)
    assert (operators["QLinearConv"], operators["QGemm"]) == (3, 1)


def test_layers_that_are_int8_already_are_only_coded() -> None:
    model = onnxdc.quantize(residual_network(channels=24), data=DATA, activation="static").model
    found, coded = onnxdc.compress(model, int8=True), onnxdc.encode(model)
    assert ir.to_proto(found.model).graph == ir.to_proto(coded.model).graph
    told = found.report.notes()
    assert "int8: no float weight to quantize" in told
    assert "onnxruntime runs 5 layers on integers" in told
    assert not any("two bytes" in line for line in told)


def test_layers_of_floats_beside_layers_that_are_int8_already_are_no_reason_to_refuse() -> None:
    recipe = Recipe(rules=(Rule("w1", activation="float"),))
    model = onnxdc.quantize(residual_network(channels=24), recipe, data=DATA).model
    told = onnxdc.compress(model, recipe, int8=True).report.notes()
    assert "stays float: w1: activation is float" in told
    assert "onnxruntime runs 4 layers on integers" in told


@pytest.mark.parametrize("between", ["", "Relu"])
def test_a_layer_of_floats_between_two_of_integers_stays_so(between: str, tmp_path: Path) -> None:
    text = f"""g (float[N, 8, 10, 10] x) => (float[N, 8, 10, 10] y) {{
        a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, V)
        r = {between or "Identity"} (a)
        b = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 2> (r, G)
        s = {between or "Identity"} (b)
        y = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (s, W)
    }}"""
    model = build(text, V=normal(8, 8, 3, 3), G=normal(8, 4, 3, 3, seed=1), W=normal(8, 8, 3, 3, seed=2))
    result = onnxdc.quantize(model, data={"x": normal(60, 8, 10, 10)})
    told = result.report.notes()
    assert any("G: Conv in groups is not faster on integers" in line for line in told)
    assert "onnxruntime runs 2 layers on integers" in told
    assert constants(result.model)["G"].dtype == np.float32
    operators = optimised_operators(result.model, tmp_path)
    assert (operators["QLinearConv"], operators["Conv"]) == (2, 1)

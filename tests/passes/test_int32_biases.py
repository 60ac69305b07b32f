"""Integer biases are stored as the floats that they come from: the same bits and operators in any onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

import onnxdc
from onnxdc import ModelError, Recipe
from onnxdc.passes.int32_biases import quantized_bias, restore_biases
from tests.helpers.c_interface import expand_buffer
from tests.helpers.int8_models import images, optimised_operators, residual_network
from tests.helpers.text_models import normal

pytestmark = pytest.mark.xdist_group("int8")  # what is made once is for one process

RECIPE = Recipe(min_elements=100)
DATA, OTHERS = {"x": images(90)}, {"x": images(30, seed=1)}


def wide_network(opset: int = 17) -> ir.Model:
    """A network with so many biases that they are worth a function: those of four convolutions."""
    return residual_network(opset, channels=64)


@pytest.fixture(scope="module")
def plain() -> ir.Model:
    return onnxdc.quantize(wide_network(), RECIPE, data=DATA, activation="static").model


@pytest.fixture(scope="module")
def encoded(plain: ir.Model) -> ir.Model:
    return onnxdc.encode(plain, RECIPE).model


def run(model: ir.Model, level: object = ort.GraphOptimizationLevel.ORT_ENABLE_ALL) -> np.ndarray:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, OTHERS)[0]


def nodes(model: ir.Model) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type == "QuantizeBias"]


def test_each_bias_has_a_node_and_lies_in_two_bytes(plain: ir.Model, encoded: ir.Model) -> None:
    assert len(nodes(encoded)) == 4
    assert [name for name in encoded.graph.initializers if name.endswith("_int32")] == ["bias_int32"]
    for node in nodes(encoded):
        assert node.inputs[0].const_value.dtype is ir.DataType.FLOAT16


def test_encoding_is_undone_bit_for_bit(plain: ir.Model, encoded: ir.Model) -> None:
    before, after = ir.to_proto(plain), ir.to_proto(onnxdc.decode(encoded).model)
    assert [tensor.name for tensor in after.graph.initializer] == [tensor.name for tensor in before.graph.initializer]
    assert after.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True)


def test_onnxruntime_runs_the_same_operators_and_gives_the_same_bits(
    plain: ir.Model, encoded: ir.Model, tmp_path: Path
) -> None:
    operators = optimised_operators(encoded, tmp_path)
    assert operators == optimised_operators(plain, tmp_path)
    assert operators["QLinearConv"] == 4
    assert operators["QGemm"] == 1
    for level in (ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
        np.testing.assert_array_equal(run(encoded, level), run(plain, level))


@pytest.mark.slow
@pytest.mark.parametrize("opset", [13, 21])
def test_other_operator_sets(opset: int) -> None:
    model = onnxdc.quantize(wide_network(opset), RECIPE, data=DATA, activation="static").model
    small = onnxdc.encode(model, RECIPE, strip=True).model
    onnx.checker.check_model(ir.to_proto(small))
    assert len(nodes(small)) == 4
    np.testing.assert_array_equal(run(small), run(model))


def test_a_scale_that_does_not_follow_goes_back_to_its_place(plain: ir.Model) -> None:
    model = plain.clone()
    values = [*model.graph.initializers.values()]
    model.graph.initializers.clear()
    for value in reversed(values):
        model.graph.initializers.add(value)
    encoded = onnxdc.encode(model, RECIPE).model
    assert len(nodes(encoded)) == 4
    decoded = onnxdc.decode(encoded).model
    assert ir.to_proto(decoded).SerializeToString(deterministic=True) == ir.to_proto(model).SerializeToString(
        deterministic=True
    )


def test_sessions_and_expanded_models_have_plain_biases(plain: ir.Model, encoded: ir.Model) -> None:
    expected = run(plain)
    np.testing.assert_array_equal(onnxdc.session(encoded).run(None, OTHERS)[0], expected)
    expanded = onnxdc.expand(encoded).model
    assert not nodes(expanded)
    np.testing.assert_array_equal(run(expanded), expected)


def test_a_stripped_model_is_as_small_as_it_was_said_to_be(plain: ir.Model) -> None:
    told = onnxdc.encode(plain, RECIPE)
    stripped = onnxdc.encode(plain, RECIPE, strip=True)
    before, after = (ir.to_proto(result.model).ByteSize() for result in (told, stripped))
    assert abs(before - after - told.report.strippable) < 0.02 * before


def test_biases_that_come_from_no_float16_stay() -> None:
    model = onnxdc.quantize(wide_network(), RECIPE, data=DATA, activation="static").model
    name = next(name for name, value in model.graph.initializers.items() if value.dtype is ir.DataType.INT32)
    value = model.graph.initializers[name]
    value.const_value = ir.Tensor(value.const_value.numpy() + 1_000_001, name=name)
    encoded = onnxdc.encode(model, RECIPE).model
    assert len(nodes(encoded)) == 3
    np.testing.assert_array_equal(
        onnxdc.decode(encoded).model.graph.initializers[name].const_value.numpy(), value.const_value.numpy()
    )


def test_integers_are_those_of_float64_rounding() -> None:
    bias = normal(100, seed=1).astype(np.float16)
    x_scale, step = np.float32(0.037), np.float32(0.0021)
    integers, scale = quantized_bias(bias, x_scale, step)
    exact = bias.astype(np.float64) / (np.float64(x_scale) * np.float64(step))
    assert np.abs(integers - exact).max() <= 0.5 + 1e-3
    assert scale == np.float32(x_scale * step)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_node_that_reads_something_else_is_refused(encoded: ir.Model, index: int) -> None:
    model = encoded.clone()
    node = nodes(model)[0]
    node.replace_input_with(index, model.graph.inputs[0])
    with pytest.raises(ModelError, match="QuantizeBias: expected initializers of float16, float32 and float32"):
        restore_biases(model, {})


def test_the_native_library_leaves_the_function_to_onnxruntime(plain: ir.Model, encoded: ir.Model) -> None:
    expanded = onnx.load_from_string(expand_buffer(ir.to_proto(encoded).SerializeToString()))
    assert [function.name for function in expanded.functions] == ["QuantizeBias"]
    session = ort.InferenceSession(expanded.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, OTHERS)[0], run(plain))

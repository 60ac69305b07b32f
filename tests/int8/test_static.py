"""Static layers: as many run on integers as onnxruntime's own quantizer would have, and the outputs stay floats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

import onnxdc
from onnxdc import CompressionResult, OptionError, Recipe, Rule
from onnxdc.passes.fold import fold
from tests.helpers.int8_models import images, optimised_operators, residual_network
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run

DATA, OTHERS = {"x": images(90)}, {"x": images(60, seed=1)}
RECIPE = Recipe(min_elements=100)


class Reader(CalibrationDataReader):
    def __init__(self) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = iter([DATA])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


@pytest.fixture(scope="module")
def quantized() -> CompressionResult:
    return onnxdc.quantize(residual_network(), RECIPE, data=DATA)


def layers(model: ir.Model) -> list[tuple[ir.Node, ...]]:
    """Each layer with the three nodes that dequantize its inputs."""
    found = []
    for node in model.graph:
        if node.op_type in ("Conv", "Gemm"):
            makers = tuple(value.producer() for value in node.inputs if value is not None)
            assert [maker.op_type for maker in makers if maker is not None] == ["DequantizeLinear"] * 3
            found.append((node, *makers))
    return found


def test_onnxruntime_runs_as_many_integer_operators_as_of_its_own_quantizer(
    quantized: CompressionResult, tmp_path: Path
) -> None:
    model = residual_network()
    fold(model)
    ir.save(model, tmp_path / "folded.onnx")
    quantize_static(
        tmp_path / "folded.onnx",
        tmp_path / "own.onnx",
        Reader(),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    own = optimised_operators(tmp_path / "own.onnx", tmp_path)
    ours = optimised_operators(quantized.model, tmp_path)
    assert ours["QLinearConv"] == own["QLinearConv"] == 4
    for operator in ("QLinearAdd", "QGemm"):
        assert ours[operator] == own[operator] == 1
    assert ours["Conv"] == ours["Gemm"] == 0
    assert ours["QuantizeLinear"] <= own["QuantizeLinear"]
    assert ours["DequantizeLinear"] <= own["DequantizeLinear"]


def test_outputs_stay_close_and_are_not_rounded_to_a_byte(quantized: CompressionResult) -> None:
    comparison = onnxdc.verify(residual_network(), quantized.model, OTHERS).comparisons[0]
    assert comparison.divergence < 0.03
    session = ort.InferenceSession(ir.to_proto(quantized.model).SerializeToString())
    (y,) = session.run(None, OTHERS)
    assert ((y > 0) & (y < 1 / 256)).any()
    assert np.unique(y).size > 300
    (last,) = quantized.model.graph.outputs
    assert last.dtype is ir.DataType.FLOAT


def test_a_network_that_ends_with_a_convolution_pools_floats(tmp_path: Path) -> None:
    model = build(
        """g (float[N, 3, 10, 10] x) => (float[N, 8, 1, 1] y) {
            c1 = Conv (x, w1, b1)
            r1 = Relu (c1)
            c2 = Conv (r1, w2, b2)
            r2 = Relu (c2)
            y = GlobalAveragePool (r2)
        }""",
        w1=normal(8, 3, 3, 3, seed=1),
        b1=normal(8, seed=2),
        w2=normal(8, 8, 3, 3, seed=3),
        b2=normal(8, seed=4),
    )
    result = onnxdc.quantize(model, RECIPE, data=DATA)
    operators = optimised_operators(result.model, tmp_path)
    assert operators["QLinearConv"] == 2
    assert operators["GlobalAveragePool"] == 1
    assert operators["Relu"] == operators["QLinearGlobalAveragePool"] == 0


def test_integers_cannot_saturate_and_biases_are_those_of_float16(quantized: CompressionResult) -> None:
    for node, x, weight, bias in layers(quantized.model):
        integers, step = (value.const_value.numpy() for value in weight.inputs[:2])
        assert integers.dtype == np.int8
        rows = np.sort(integers.reshape(len(integers), -1).astype(int), axis=1)
        assert rows[:, -2:].sum(axis=1).max() <= 128
        assert rows[:, :2].sum(axis=1).min() >= -128
        assert step.ndim == 0 or node.op_type == "Gemm"
        of_products = x.inputs[1].const_value.numpy() * step
        given, scale = (value.const_value.numpy() for value in bias.inputs[:2])
        assert given.dtype == np.int32
        np.testing.assert_array_equal(scale, of_products)
        exact = given * scale.astype(np.float64)
        half = exact.astype(np.float16).astype(np.float64)
        assert (np.abs(half - exact) <= scale / 2 * (1 + 1e-6)).all()


def test_zeros_that_were_pruned_stay_zero() -> None:
    pruned = onnxdc.prune(residual_network(), RECIPE, density=0.4)
    result = onnxdc.quantize(pruned.model, RECIPE, data=DATA)
    before, after = constants(pruned.model), constants(result.model)
    for name in ("w1", "w2", "w3", "w4", "fc"):
        assert after[name].dtype == np.int8
        assert not after[name][before[name] == 0].any()
        assert after[name].any()


def test_padding_is_done_on_integers(quantized: CompressionResult) -> None:
    (pad,) = (node for node in quantized.model.graph if node.op_type == "Pad")
    assert pad.inputs[0].producer().op_type == "QuantizeLinear"
    assert pad.inputs[2].const_value.numpy().dtype == np.uint8
    assert [node.op_type for node in pad.outputs[0].consumers()] == ["DequantizeLinear"]


@pytest.mark.parametrize("opset", [13, 17, 21])
def test_every_operator_set_runs_with_and_without_optimisations(opset: int) -> None:
    result = onnxdc.quantize(residual_network(opset), RECIPE, data=DATA)
    proto = ir.to_proto(result.model)
    onnx.checker.check_model(proto, full_check=True)
    fast = ort.InferenceSession(proto.SerializeToString()).run(None, OTHERS)[0]
    slow = run(result.model, OTHERS)[0]
    # A product that lies between two integers may be rounded to either.
    assert np.abs(fast - slow).max() < 0.15
    assert np.abs(fast - slow).mean() < 2e-3
    expected = run(residual_network(opset), OTHERS)[0]
    assert (fast.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9


def test_what_stays_float_is_told_with_the_reason() -> None:
    rules = (Rule(pattern="w2", skip=True), Rule(pattern="w3", activation="float"))
    result = onnxdc.quantize(residual_network(), Recipe(rules=rules, min_elements=100), data=DATA)
    notes = "\n".join(result.report.notes())
    assert "int8: 3 static layers" in notes
    assert "onnxruntime runs 3 layers on integers" in notes
    assert not result.report.cautions
    assert "stays float: w2: left alone by the recipe" in notes
    assert "stays float: w3: activation is float" in notes
    after = constants(result.model)
    assert after["w2"].dtype == after["w3"].dtype == np.float32
    np.testing.assert_array_equal(after["w2"], constants(residual_network())["w2"])


def test_static_activations_need_data() -> None:
    with pytest.raises(OptionError, match=r"static activations need data: w1, w2, w3 and 2 more; or activation float"):
        onnxdc.quantize(residual_network(), RECIPE)
    with pytest.raises(OptionError, match="static activations need data"):
        onnxdc.quantize(residual_network(), RECIPE, activation="static")


def test_the_model_is_not_changed() -> None:
    model = residual_network()
    before = ir.to_proto(model).SerializeToString()
    onnxdc.quantize(model, RECIPE, data=DATA)
    assert ir.to_proto(model).SerializeToString() == before


def test_what_is_joined_has_one_scale_so_that_integers_are_copied(tmp_path: Path) -> None:
    model = build(
        """g (float[N, 3, 10, 10] x) => (float[N, 8, 6, 6] y) {
            a = Conv (x, w1, b1)
            b = Relu (a)
            c = Conv (x, w2, b2)
            d = Relu (c)
            e = Concat <axis = 1> (b, d)
            y = Conv (e, w3, b3)
        }""",
        w1=normal(8, 3, 3, 3, seed=1),
        b1=normal(8, seed=2),
        w2=normal(8, 3, 3, 3, seed=3) / 5,
        b2=normal(8, seed=4),
        w3=normal(8, 16, 3, 3, seed=5),
        b3=normal(8, seed=6),
    )
    result = onnxdc.quantize(model, RECIPE, data=DATA)
    (concat,) = (node for node in result.model.graph if node.op_type == "Concat")
    (after,) = concat.outputs[0].consumers()
    assert after.op_type == "QuantizeLinear"
    scales = {value.producer().inputs[1] for value in concat.inputs} | {after.inputs[1]}
    assert len(scales) == 1
    assert optimised_operators(result.model, tmp_path)["QLinearConcat"] == 1

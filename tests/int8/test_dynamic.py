"""Dynamic layers and tables: integers without any data, and what onnxruntime fuses them to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator
from onnxruntime.quantization import QuantType, quantize_dynamic
from scipy.special import erf

import onnxdc
from onnxdc import ModelError, Recipe, Rule
from tests.helpers.int8_models import encoder, optimised_operators, sentences
from tests.helpers.small_models import constants, recurrent
from tests.helpers.text_models import build, normal

RECIPE = Recipe(min_elements=100)
FEED = {"ids": sentences(40)}


def run(model: ir.Model) -> np.ndarray:
    return ort.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, FEED)[0]


@pytest.fixture(scope="module")
def quantized() -> onnxdc.CompressionResult:
    return onnxdc.quantize(encoder(), RECIPE)


def test_onnxruntime_fuses_as_many_layers_as_of_its_own_quantizer(
    quantized: onnxdc.CompressionResult, tmp_path: Path
) -> None:
    ir.save(encoder(), tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "own.onnx", weight_type=QuantType.QInt8)
    own, ours = optimised_operators(tmp_path / "own.onnx", tmp_path), optimised_operators(quantized.model, tmp_path)
    fused = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DynamicQuantizeLinear")
    assert {operator: ours[operator] for operator in fused} == {operator: own[operator] for operator in fused}
    assert ours["DynamicQuantizeMatMul"] + ours["MatMulIntegerToFloat"] == 3
    assert ours["MatMul"] == ours["MatMulInteger"] == ours["Add"] == 0
    assert ours["DequantizeLinear"] == 1  # of the rows that Gather took


@pytest.mark.parametrize("opset", [13, 17, 21])
def test_outputs_stay_close(opset: int) -> None:
    model = encoder(opset)
    result = onnxdc.quantize(model, RECIPE)
    onnx.checker.check_model(ir.to_proto(result.model), full_check=True)
    expected, found = run(model), run(result.model)
    assert np.square(found - expected).sum() < 0.01 * np.square(expected).sum()


def test_the_reference_evaluator_agrees() -> None:
    result = onnxdc.quantize(encoder(21), RECIPE)
    (reference,) = ReferenceEvaluator(ir.to_proto(result.model)).run(None, FEED)
    np.testing.assert_allclose(run(result.model), reference, atol=0.02 * np.abs(reference).max())


def correlated() -> ir.Model:
    """The encoder with embeddings that depend on each other, as all do."""
    model = encoder()
    mixing = normal(96, 96, seed=8) * np.geomspace(0.02, 1, 96, dtype=np.float32)
    model.graph.initializers["table"].const_value = ir.Tensor(constants(model)["table"] @ mixing / 3, name="table")
    return model


def test_with_data_the_same_steps_lose_less() -> None:
    recipe = Recipe(rules=(Rule(pattern="w*", step=0.5),), min_elements=100)
    alone, calibrated = (
        constants(onnxdc.quantize(correlated(), recipe, data=data).model) for data in (None, {"ids": sentences(300, 1)})
    )
    original = constants(correlated())
    inputs = erf(original["table"].astype(np.float64))
    inputs -= inputs.mean(axis=0)  # of which the bias takes care
    for name in ("w1", "w2"):
        lost = [
            np.square(inputs @ (stored[name] * stored[f"{name}_scale"] - original[name])).sum()
            for stored in (alone, calibrated)
        ]
        assert lost[1] < 0.7 * lost[0]


def test_outputs_far_out_have_steps_of_their_own() -> None:
    rules = (Rule(pattern="w1", step=0.02), Rule(pattern="w*", step=0.3))  # the outlier is most of what w1 has
    result = onnxdc.quantize(encoder(outlier=60.0), Recipe(rules=rules, min_elements=100))
    stored = constants(result.model)
    assert stored["w1"].dtype == np.int8
    assert stored["w1_scale"].shape == (80,)
    assert stored["w2_scale"].shape == (1,)
    restored = stored["w1"] * stored["w1_scale"]
    original = constants(encoder(outlier=60.0))["w1"]
    assert np.abs(restored - original).max() <= stored["w1_scale"].max()
    assert abs(restored[3, 5] - original[3, 5]) <= stored["w1_scale"][5]
    others = np.delete(restored - original, 5, axis=1)
    assert np.abs(others).max() < 0.15 * stored["w1_scale"].max()


def test_gemm_is_dynamic_in_models_without_convolutions(tmp_path: Path) -> None:
    model = build(
        """g (float[N, 96] x) => (float[N, 60] y) {
            h = Gemm <transB = 1> (x, fc1, b1)
            r = Relu (h)
            y = Gemm (r, fc2)
        }""",
        fc1=normal(80, 96, seed=1),
        b1=normal(80, seed=2),
        fc2=normal(80, 60, seed=3),
    )
    result = onnxdc.quantize(model, RECIPE)
    operators = optimised_operators(result.model, tmp_path)
    assert operators["DynamicQuantizeMatMul"] + operators["MatMulIntegerToFloat"] == 2
    assert operators["Gemm"] == 0
    x = normal(50, 96, seed=4)
    before, after = (
        ort.InferenceSession(ir.to_proto(each).SerializeToString()).run(None, {"x": x})[0]
        for each in (model, result.model)
    )
    assert np.square(after - before).sum() < 1e-3 * np.square(before).sum()


def test_a_table_behind_a_slice_is_cut_as_integers(tmp_path: Path) -> None:
    model = build(
        """g (int64[N, T] ids) => (float[N, T, 16] y) {
            e = Gather (table, ids)
            s = Shape (ids)
            t = Slice (s, one, two)
            p = Slice (positions, zero, t)
            y = Add (e, p)
        }""",
        table=normal(50, 16, seed=4),
        positions=normal(20, 16, seed=5),
        zero=np.array([0]),
        one=np.array([1]),
        two=np.array([2]),
    )
    result = onnxdc.quantize(model, RECIPE)
    stored = constants(result.model)
    assert stored["table"].dtype == stored["positions"].dtype == np.int8
    (cut,) = (node for node in result.model.graph if node.op_type == "Slice" and node.inputs[0].name == "positions")
    assert [node.op_type for node in cut.outputs[0].consumers()] == ["DequantizeLinear"]
    assert np.abs(run(result.model) - run(model)).max() < 0.6


def test_what_is_not_faster_on_integers_stays_float() -> None:
    model = build(
        """g (float[N, 64, 6] x) => (float[N, 64, 60] y) {
            c = Conv <group = 4, pads = [1, 1]> (x, grouped)
            d = Conv <group = 64, pads = [1, 1]> (c, depthwise)
            e = Conv (d, plain)
            m = MatMul (e, small)
            y = MatMul (m, large)
        }""",
        grouped=normal(64, 16, 3, seed=1),
        depthwise=normal(64, 1, 3, seed=2),
        plain=normal(64, 64, 1, seed=3) / 8,
        small=normal(6, 90, seed=4),
        large=normal(90, 60, seed=5) / 9,
    )
    result = onnxdc.quantize(model, RECIPE, data={"x": normal(60, 64, 6, seed=6)})
    types = {name: array.dtype for name, array in constants(result.model).items()}
    assert types["grouped"] == types["small"] == np.float32
    assert types["depthwise"] == types["plain"] == types["large"] == np.int8
    notes = "\n".join(result.report.notes())
    assert "stays float: grouped: Conv in groups is not faster on integers" in notes
    assert "stays float: small: fewer than 4,097 elements are not faster as integers" in notes
    assert "int8: 2 static layers, 1 dynamic layer" in notes


def test_without_data_the_divergence_is_told_for_made_up_inputs(quantized: onnxdc.CompressionResult) -> None:
    (note,) = (note for note in quantized.report.notes() if "made-up" in note)
    assert 0 < float(note.split()[1]) < 0.01


def test_a_model_of_which_nothing_can_run_on_integers_is_refused() -> None:
    with pytest.raises(ModelError, match="nothing to quantize: W, R: LSTM is not quantized"):
        onnxdc.quantize(recurrent())

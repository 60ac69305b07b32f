"""Models that exporters write in another way: constants in nodes, old operator sets, outputs of products, names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import ModelError
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


def test_static_layers_of_an_old_operator_set_are_refused() -> None:
    model = residual_network()
    model.opset_imports[""] = 12
    with pytest.raises(
        ModelError, match="expected operator set 13 or later to quantize with static activations, got 12"
    ):
        onnxdc.quantize(model, data=DATA)


def test_layers_that_are_int8_already_are_only_coded() -> None:
    model = onnxdc.quantize(residual_network(channels=64), data=DATA).model
    found, coded = onnxdc.compress(model, int8=True), onnxdc.encode(model)
    assert ir.to_proto(found.model).graph == ir.to_proto(coded.model).graph
    told = found.report.notes()
    assert "int8: no float weight to quantize" in told
    assert "onnxruntime runs 5 layers on integers" in told
    assert not any("two bytes" in line for line in told)


def test_layers_that_onnxruntime_quantizes_by_itself_are_counted(tmp_path: Path) -> None:
    text = """g (float[N, 8, 10, 10] x) => (float[N, 8, 10, 10] y) {
        a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, V)
        b = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 2> (a, G)
        y = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (b, W)
    }"""
    model = build(text, V=normal(8, 8, 3, 3), G=normal(8, 4, 3, 3, seed=1), W=normal(8, 8, 3, 3, seed=2))
    result = onnxdc.quantize(model, data={"x": normal(60, 8, 10, 10)})
    told = result.report.notes()
    assert any("G: Conv in groups is not faster on integers" in line for line in told)
    assert constants(result.model)["G"].dtype == np.float32
    layers = optimised_operators(result.model, tmp_path)["QLinearConv"]
    assert any(line.startswith(f"onnxruntime runs {layers} layers on integers") for line in told)
    assert any("that it rounds by itself" in line for line in told) == (layers > 2)

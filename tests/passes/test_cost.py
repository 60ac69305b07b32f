"""What a layer costs: where the estimate must say sparse, and where dense."""

import re

import numpy as np
import onnx_ir as ir
import pytest

from onnxdc.passes.cost import MARGIN, Layer, dynamic_gain, gain, gain_of_rows, integers_pay
from onnxdc.passes.execution import Execution, ExecutionCode
from tests.helpers.passes import encode
from tests.helpers.small_models import build

MANY = 1000


@pytest.mark.parametrize(
    "layer",
    [Layer(256, 2304, taps=9, positions=196), Layer(3072, 768, positions=128), Layer(4096, 9216, positions=1)],
    ids=["convolution", "many rows", "one row"],
)
def test_fewer_nonzeros_gain_more_and_full_weights_lose(layer: Layer):
    gains = [gain(layer, density) for density in (0.01, 0.1, 0.3, 0.6, 1.0)]
    assert gains == sorted(gains, reverse=True)
    assert gains[1] * MARGIN > 1 > gains[-1] * MARGIN


def test_no_layer_gains_more_than_its_zeros_allow():
    for density in (0.05, 0.2, 0.5):
        assert gain(Layer(512, 4608, taps=9, positions=MANY), density) < 1 / density


def test_depthwise_convolutions_stay_dense_at_any_density():
    assert gain(Layer(256, 9, groups=256, taps=9, positions=MANY), 0.01) < 1


def test_an_unknown_number_of_rows_counts_as_what_gains_less():
    few, many = (Layer(1000, 4096, positions=positions) for positions in (1, 10**6))
    assert gain(Layer(1000, 4096), 0.2) == pytest.approx(min(gain(few, 0.2), gain(many, 0.2)), rel=1e-3)


@pytest.mark.parametrize(("rows", "integers"), [(1, False), (3, False), (8, True), (64, True), (0, True)])
def test_integers_pay_for_several_rows_and_for_an_unknown_number(rows: int, integers: bool):
    assert integers_pay(Layer(768, 3072, positions=rows), 0.1) == integers


def test_integers_pay_for_convolutions_whose_inputs_many_outputs_meet():
    assert dynamic_gain(Layer(256, 2304, taps=9, positions=196), 0.1) > 1.2 * gain(
        Layer(256, 2304, taps=9, positions=196), 0.1
    )
    narrow = Layer(256, 64, taps=1, positions=3136)
    assert dynamic_gain(narrow, 0.05) < gain(narrow, 0.05)


@pytest.mark.parametrize(("dilation", "sparse"), [(1, True), (3, True), (13, False), (36, False)])
def test_taps_of_dilated_kernels_that_meet_padding_cost_nothing_dense(dilation: int, sparse: bool):
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((64, 64, 3, 3)) < 0.2, rng.integers(1, 9, (64, 64, 3, 3)), 0).astype(np.float32)
    pads, dilations = [dilation] * 4, [dilation] * 2
    model = build(
        "g (float[1, 64, 14, 14] x) => (float[1, 64, 14, 14] y) {"
        f" y = Conv <pads = {pads}, dilations = {dilations}> (x, w) }}",
        w=weight,
    )
    (change,) = encode(model).changes
    assert change.execution.sparse == sparse


def test_what_a_call_costs_keeps_tiny_layers_dense():
    assert gain(Layer(10, 100, positions=1), 0.05) < 1
    assert gain(Layer(16, 144, taps=9, positions=4), 0.05) < 1


@pytest.mark.parametrize(("size", "op_type"), [(32, "SparseQuantConv"), (1, "DecodeWeight")])
def test_the_size_of_the_output_counts_if_it_is_known(size: int, op_type: str):
    rng = np.random.default_rng(3)
    weight = np.where(rng.random((64, 64, 1, 1)) < 0.1, 0.5, 0).astype(np.float32)
    text = f"g (float[N, 64, {size}, {size}] X) => (float[N, 64, {size}, {size}] Y) {{ Y = Conv(X, W) }}"
    model: ir.Model = build(text, W=weight)
    encode(model, force=True)
    assert model.graph[0].op_type == op_type


@pytest.mark.parametrize(
    ("elements", "said"), [(100, ""), (10**6, r", about 2\.\d times slower"), (0, ", about .* slower")]
)
def test_rows_are_looked_up_in_less_memory_and_the_reason_says_how_much_slower(elements: int, said: str):
    execution = Execution(True, ExecutionCode.ROWS, gain=gain_of_rows(elements))
    assert re.fullmatch(f"rows are looked up in a quarter of the dense memory{said}", execution.reason)
    assert gain_of_rows(0) <= gain_of_rows(elements) <= 1

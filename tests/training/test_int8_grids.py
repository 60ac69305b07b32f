"""Grids for int8 models: quantize takes the integers as they are."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

import onnxdc as library
from onnxdc.numeric.calibrated.int8 import Form, round_to_int8
from onnxdc.numeric.grids import element_grid
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run
from tests.helpers.training_models import DATA, HELD_OUT, tuned
from tests.training.test_grids import wide_classifier


def test_quantize_changes_no_weight_of_a_model_that_was_trained_for_it():
    found = tuned(wide_classifier(), grid=True, rate=1e-6, int8=True, epochs=6, lr=0.003)
    grids = {name: element_grid(array) for name, array in constants(found.model).items() if array.ndim == 2}
    for codes, steps in grids.values():
        assert steps.size == 1
        assert 1 < np.abs(codes).max() <= 63
    quantized = library.quantize(found.model, data={"x": DATA["x"]}, activation="static")
    arrays = [numpy_helper.to_array(tensor) for tensor in quantized.to_proto().graph.initializer]
    int8 = [array for array in arrays if array.dtype == np.int8 and array.ndim == 2]
    assert int8
    for array in int8:
        assert any(np.array_equal(array, codes) or np.array_equal(array, codes.T) for codes, _ in grids.values())
    right = [
        np.mean(run(model, {"x": HELD_OUT["x"]})[0].argmax(1) == HELD_OUT["labels"])
        for model in (quantized.model, found.model)
    ]
    assert right[0] > right[1] - 0.03


def test_a_weight_on_too_fine_a_grid_begins_anew():
    w = np.random.default_rng(0).integers(-120, 121, (16, 40)).astype(np.float32) / 64
    model = build("g (float[N, 16] x) => (y) { y = MatMul(x, w) }", w=w)
    options = {"teacher": model, "loss": "mse", "grid": True, "rate": 0.0, "lr": 1e-3, "threads": 1}
    codes, steps = element_grid(
        constants(library.finetune(model, {"x": normal(64, 16)}, int8=True, **options).model)["w"]
    )
    assert np.abs(codes).max() <= 63
    assert steps.item() > 2 / 64


@pytest.mark.parametrize(("largest", "kept"), [(63, True), (64, True), (65, False), (100, False)])
def test_integers_that_int8_permits_stay(largest, kept):
    rng = np.random.default_rng(0)
    codes = rng.integers(-9, 10, (1, 12, 200))
    codes[0, 3, :2] = largest
    matrices = (codes * np.float32(0.0371)).astype(np.float32)
    found = round_to_int8(matrices, 1.0, None, Form(by_row=False, pairs=True, axis=0))
    assert np.array_equal(found.integers, codes) == kept
    assert (found.steps == np.float32(0.0371)).all() == kept


def test_a_weight_that_stays_float_keeps_its_grid():
    w = (np.random.default_rng(0).integers(-9, 10, (32, 20)) * np.float32(0.0371)).astype(np.float32)
    model = build(
        "g (float[N, 32] x) => (float[N, 300] y) { a = MatMul(x, w)  b = Relu(a)  y = MatMul(b, v) }",
        w=w,  # of fewer elements than a layer is faster with as integers
        v=normal(20, 300) / 4,
    )
    found = constants(library.quantize(model, data={"x": normal(64, 32)}, activation="dynamic").model)
    assert found["v"].dtype == np.int8
    assert np.array_equal(found["w"], w)

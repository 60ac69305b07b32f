"""Windows of convolutions: the weight times what is read of its input is what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.calibration import im2col
from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.readings import Sample
from onnxdc.passes.plan import plan_weights
from onnxdc.recipe import Recipe
from tests.helpers.text_models import normal, run

CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, object]]] = {
    "plain": ((2, 3, 9, 8), (4, 3, 3, 2), {}),
    "1-D": ((2, 3, 17), (4, 3, 5), {"pads": [2, 1], "strides": [2]}),
    "3-D": ((2, 2, 5, 6, 4), (3, 2, 2, 3, 2), {"pads": [1, 0, 1, 0, 1, 0], "dilations": [2, 1, 1]}),
    "pads, strides and dilations": (
        (2, 3, 11, 12),
        (4, 3, 3, 3),
        {"pads": [2, 1, 0, 3], "strides": [2, 3], "dilations": [1, 2]},
    ),
    "groups": ((2, 6, 7, 7), (4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ((2, 5, 7, 7), (10, 1, 3, 3), {"group": 5, "strides": [2, 2]}),
    "pointwise": ((2, 6, 5, 5), (4, 6, 1, 1), {}),
    "same upper": ((2, 3, 8, 9), (4, 3, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    "same lower": ((2, 3, 8, 9), (4, 3, 4, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    "valid": ((2, 3, 8, 9), (4, 3, 3, 3), {"auto_pad": "VALID"}),
}


def conv(x: tuple[int, ...], w: np.ndarray, op_type: str = "Conv", **attributes: object) -> ir.Model:
    node = onnx.helper.make_node(op_type, ["x", "w"], ["y"], **attributes)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [info("x", 1, ["N", *x[1:]])],
        [info("y", 1, None)],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return ir.from_proto(proto)


def outputs_of(model: ir.Model, feed: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Matrices times rows, ``[rows, outputs]``."""
    layer = layers_of(plan_weights(model, Recipe(min_elements=0))).layers["w"]
    rows = layer.readings[0].rows(Sample({"x": feed}, None, 0, 0))
    assert rows.shape[1:] == (layer.readings[0].groups, layer.columns)
    return np.einsum("grn,xgn->xgr", layer.matrices.of(weight), rows).reshape(len(rows), -1)


@pytest.mark.parametrize("case", CASES)
def test_weight_times_windows_is_the_convolution(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(im2col, "POSITIONS", 10**6)
    shape, kernel, attributes = CASES[case]
    x, w = normal(*shape), normal(*kernel, seed=1)
    model = conv(shape, w, **attributes)
    expected = run(model, {"x": x})[0]
    expected = np.moveaxis(expected, 1, -1).reshape(-1, len(w))

    assert outputs_of(model, x, w) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("groups", [1, 2])
def test_weight_times_pixels_is_what_a_transposed_convolution_spreads(groups: int) -> None:
    x, w = normal(2, 6, 4, 3), normal(6, 4, 2, 2, seed=1)
    model = conv(x.shape, w, "ConvTranspose", group=groups, strides=[2, 2])  # windows of the output do not overlap
    expected = run(model, {"x": x})[0]  # [N, 4 * groups, 8, 6]
    windows = expected.reshape(2, 4 * groups, 4, 2, 3, 2).transpose(0, 2, 4, 1, 3, 5).reshape(24, -1)

    assert outputs_of(model, x, w) == pytest.approx(windows, rel=1e-4, abs=1e-4)


def test_positions_are_a_sample_of_each_item_and_others_in_each() -> None:
    x = np.arange(3 * 1000, dtype=np.float32).reshape(3, 1, 1000)
    w = np.ones((2, 1, 1), np.float32)
    layer = layers_of(plan_weights(conv(x.shape, w), Recipe(min_elements=0))).layers["w"]

    def read(feed: np.ndarray, first: int, seed: int = 0) -> np.ndarray:
        return layer.readings[0].rows(Sample({"x": feed}, None, seed, first))[:, 0, 0].reshape(len(feed), -1)

    rows = read(x, 0)
    assert rows.shape == (3, im2col.POSITIONS)
    assert (np.diff(rows, axis=1) > 0).all()
    assert (rows // 1000 == np.arange(3)[:, None]).all()
    assert not np.array_equal(rows[0], rows[1] % 1000)
    assert np.array_equal(read(x[1:], 1), rows[1:])
    assert not np.array_equal(read(x, 0, seed=1), rows)

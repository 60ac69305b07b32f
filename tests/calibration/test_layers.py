"""Which weights are layers, and why others are none."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from onnxdc.calibration.layers import Layers, layers_of
from onnxdc.passes.plan import plan_weights
from onnxdc.recipe import Recipe, Rule
from tests.helpers.text_models import build, normal

W = normal(6, 6)


def found_in(text: str, recipe: Recipe | None = None, **arrays: np.ndarray) -> Layers:
    return layers_of(plan_weights(build(text, **arrays), recipe or Recipe(min_elements=12)))


def of(body: str, **arrays: np.ndarray) -> Layers:
    return found_in(f"g (float[N, 6] x, int64[N] i) => (float[] y) {{ {body} }}", **arrays)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = Gather (w, i)", "a table to Gather"),
        ("p = Slice (w, i, i)\n y = Add (x, p)", "a table to Slice"),
        ('y = Einsum <equation = "ni,io->no"> (x, w)', "what Einsum multiplies it with is not known"),
        ("h = MatMul (x, w)\n y = Mul (h, w)", "used by Mul, too"),
        ("t = Gather (w, i)\n h = MatMul (x, w)\n y = Add (t, h)", "one of its uses: a table to Gather"),
        ("h = MatMul (x, w)\n y = Gemm <transB = 1> (h, w)", "its uses see it as different matrices"),
        ("p, q = Split <axis = 1, num_outputs = 2> (w)\n y = MatMul (x, p)", "it arrives changed at MatMul"),
    ],
)
def test_what_is_no_layer_is_told(body: str, reason: str) -> None:
    found = (
        found_in(f"g (float[N, 6] x, int64[N] i) => (float[] y) {{ {body} }}", w=W)
        if "Split" not in body
        else layers_of(
            plan_weights(
                build(f"g (float[N, 6] x) => (float[] y) {{ {body} }}", opset=18, w=W), Recipe(min_elements=12)
            )
        )
    )
    assert not found.layers
    assert reason in found.skips["w"].reason


def test_weights_in_subgraphs_and_functions_are_told() -> None:
    branch = "g (bool c, float[N, 6] x) => (float[] y) { y = If (c) <then_branch = t () => (a) { a = MatMul (x, w) }, "
    branch += "else_branch = e () => (b) { b = Identity (x) }> }"
    assert "MatMul a is in a subgraph" in found_in(branch, w=W).skips["w"].reason

    function = """g (float[N, 6] x) => (float[] y) { y = local.f (x) }
    <domain: "local", opset_import: ["" : 17]> f (a) => (b) {
      c = Constant <value = float[2, 6] {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3}> ()
      d = Transpose (c)
      b = MatMul (a, d)
    }"""
    assert "it is in a function" in found_in(function).skips["c"].reason


def test_the_recipe_and_small_constants_are_no_reason_to_tell() -> None:
    recipe = Recipe(min_elements=12, rules=(Rule(pattern="w", skip=True),))
    found = found_in("g (float[N, 6] x) => (float[] y) { y = MatMul (x, w) }", recipe, w=W)
    assert (found.layers, found.skips) == ({}, {})


@pytest.mark.parametrize("path", ["t = Transpose (w)", "t = Cast <to = 1> (w)", "t = Transpose <perm = [0, 1]> (w)"])
def test_a_weight_is_seen_as_it_arrives(path: str) -> None:
    w = normal(6, 6, dtype=np.float16) if "Cast" in path else W
    layer = of(f"{path}\n y = MatMul (x, t)", w=w).layers["w"]
    arriving = w.T if path == "t = Transpose (w)" else w

    assert np.array_equal(layer.matrices.of(w)[0], arriving.T)
    assert np.array_equal(layer.matrices.back(layer.matrices.of(w)), w)


def test_layers_that_read_alike_read_the_same() -> None:
    found = of("a = MatMul (x, q)\n b = Gemm (x, k)\n y = Add (a, b)", q=W, k=W + 1).layers
    assert found["q"].readings == found["k"].readings


def test_a_weight_used_twice_has_two_readings() -> None:
    layer = of("h = MatMul (x, w)\n y = MatMul (h, w)", w=W).layers["w"]
    assert [reading.tensors for reading in layer.readings] == [("x",), ("h",)]


@pytest.mark.parametrize(
    ("body", "shape", "index"),
    [
        ("y = Gemm (x, w, b)", (4,), 2),
        ("y = Gemm (x, w, b)", (1, 4), 2),
        ("h = MatMul (x, w)\n y = Add (h, b)", (4,), 1),
        ("h = MatMul (x, w)\n y = Add (b, h)", (1, 4), 0),
    ],
)
def test_the_bias_of_a_layer(body: str, shape: tuple[int, ...], index: int) -> None:
    bias = of(body, w=normal(6, 4), b=normal(*shape)).biases["w"]
    assert (bias.value.name, bias.index, bias.scale) == ("b", index, 1.0)


@pytest.mark.parametrize(
    "body",
    [
        "y = Gemm (x, w)",
        "y = Gemm <beta = 0.0> (x, w, b)",
        "h = MatMul (x, w)\n c = Add (h, b)\n y = Add (c, h)",
        "h = MatMul (x, w)\n y = Sub (h, b)",
        "h = MatMul (x, w)\n y = Add (h, x)",
        "h = MatMul (x, w)\n y = Add (h, one)",
        "h = MatMul (x, w)\n c = Add (h, b)\n d = MatMul (c, w)\n y = Add (d, b)",
    ],
)
def test_no_bias_where_it_would_not_be_right(body: str) -> None:
    found = of(body, w=W, b=normal(6), one=normal(1))
    assert "w" in found.layers
    assert not found.biases


def test_a_scaled_gemm_scales_what_goes_into_its_bias() -> None:
    bias = of("y = Gemm <alpha = 0.5, beta = 2.0> (x, w, b)", w=W, b=normal(6)).biases["w"]
    assert bias.scale == 0.25


def test_a_bias_of_rows_where_the_constant_is_on_the_left() -> None:
    text = "g (float[6, N] x) => (float[] y) { h = MatMul (w, x)\n y = Add (h, b) }"
    assert found_in(text, w=normal(4, 6), b=normal(4, 1)).biases["w"].value.name == "b"
    assert not found_in(text, w=normal(4, 6), b=normal(4)).biases


def test_the_model_is_left_as_it_is() -> None:
    model = build("g (float[N, 6] x) => (float[] y) { y = MatMul (x, w) }", w=W)
    before = ir.to_proto(model).SerializeToString()
    layers_of(plan_weights(model, Recipe(min_elements=12)))
    assert ir.to_proto(model).SerializeToString() == before

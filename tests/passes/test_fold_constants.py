"""Expressions of constants become their results where that takes no more bytes; held against onnxruntime."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.passes.fold import fold
from tests.helpers.fold_checks import check_same, operators
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal

OPSETS = (11, 13, 17, 22)


def weight_norm(opset: int) -> ir.Model:
    reduce = "ReduceL2 <axes = [1, 2], keepdims = 1> (v)" if opset < 18 else "ReduceL2 <keepdims = 1> (v, axes)"
    text = f"""g (float[1, 8, t] x) => (float[1, 16, u] y) {{
        n = {reduce}
        u = Div (v, n)
        w = Mul (u, g)
        y = Conv (x, w)
    }}"""
    axes = {} if opset < 18 else {"axes": np.array([1, 2])}
    return build(text, opset=opset, v=normal(16, 8, 5), g=normal(16, 1, 1), **axes)


def lora(opset: int) -> ir.Model:
    text = """g (float[N, 32] x) => (float[N, 32] y) {
        ab = MatMul (A, B)
        scaled = Mul (ab, scale)
        w = Add (W, scaled)
        y = MatMul (x, w)
    }"""
    scale = np.array(0.5, np.float32)
    return build(text, opset=opset, W=normal(32, 32), A=normal(32, 2), B=normal(2, 32), scale=scale)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    ("make", "left", "name", "sizes"),
    [
        (weight_norm, ["Conv"], "v", {"x": (1, 8, 20)}),
        (lora, ["MatMul"], "W", {"x": (3, 32)}),
    ],
    ids=["weight norm", "LoRA"],
)
def test_a_weight_behind_an_expression_is_found(make, left: list[str], name: str, sizes, opset: int) -> None:
    model = make(opset)
    last = model.graph[-2]
    result = check_same(model, {key: normal(*size, seed=9) for key, size in sizes.items()})
    assert operators(model) == left
    assert list(model.graph.initializers) == [name]
    assert [(change.op_type, change.into, change.into_name) for change in result.changes] == [
        (last.op_type, "constant", name)
    ]


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("size", [8, 64])
def test_reordered_gates_are_one_weight(opset: int, size: int) -> None:
    text = f"""g (float[S, N, {size}] x) => (float[S, 1, N, 6] y) {{
        i = Slice (W, zero, six)  o = Slice (W, six, twelve)  f = Slice (W, twelve, end)
        gates = Concat <axis = 0> (i, f, o)
        w = {"Unsqueeze <axes = [0]> (gates)" if opset < 13 else "Unsqueeze (gates, zero)"}
        y = LSTM <hidden_size = 6> (x, w, R)
    }}"""
    bounds = {name: np.array([bound]) for name, bound in (("zero", 0), ("six", 6), ("twelve", 12), ("end", 24))}
    model = build(text, opset=opset, W=normal(24, size), R=normal(1, 24, 6), **bounds)
    check_same(model, {"x": normal(4, 2, size)})
    large = size == 64
    assert operators(model) == (["LSTM"] if large else [*["Slice"] * 3, "Concat", "Unsqueeze", "LSTM"])
    assert ("W" in model.graph.initializers, "zero" in model.graph.initializers) == (True, not large)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("zero", "axis"), [(np.int8, 1), (np.uint8, 0)])
def test_a_float_weight_that_is_quantized_becomes_integers_and_no_floats(opset: int, zero: type, axis: int) -> None:
    shape = () if opset < 13 else (32,)
    of_axis = "" if opset < 13 else f" <axis = {axis}>"
    text = f"""g (float[N, 32] x) => (float[N, 32] y) {{
        q = QuantizeLinear{of_axis} (W, s, z)
        w = DequantizeLinear{of_axis} (q, s, z)
        y = MatMul (x, w)
    }}"""
    model = build(text, opset=opset, W=normal(32, 32), s=np.full(shape, 0.02, np.float32), z=np.full(shape, 3, zero))
    check_same(model, {"x": normal(3, 32)}, 0)
    assert operators(model) == ["DequantizeLinear", "MatMul"]
    assert constants(model)["W"].dtype == zero


def test_a_model_that_only_folding_makes_smaller_is_compressed() -> None:
    text = """g (float[N, 64] x) => (float[N, 64] y) {
        q = QuantizeLinear (W, s)
        w = DequantizeLinear (q, s)
        y = MatMul (x, w)
    }"""
    result = onnxdc.compress(build(text, W=np.abs(normal(64, 64)), s=np.array(0.02, np.float32)))
    assert result.report.remarks[0] == "folded only: encoding makes no weight smaller"
    assert [fold.detail for fold in result.report.folds] == ["QuantizeLinear into constant W"]
    with pytest.raises(onnxdc.errors.ModelError):
        onnxdc.compress(build(text, W=np.abs(normal(64, 64)), s=np.array(0.02, np.float32)), fold=False)


@pytest.mark.parametrize(
    ("text", "arrays"),
    [
        ("w = DequantizeLinear (q, s)  y = MatMul (x, w)", {"q": np.ones((32, 32), np.int8), "s": np.float32(2)}),
        (
            "f = Cast <to = 1> (q)  w = Mul (f, m)  y = MatMul (x, w)",
            {"q": np.ones((32, 32), np.int8), "m": normal(1, 32)},
        ),
        ("w = Expand (r, size)  y = MatMul (x, w)", {"r": normal(1, 512), "size": np.array([32, 512])}),
        ("w = Tile (r, size)  y = MatMul (x, w)", {"r": normal(32, 16), "size": np.array([1, 100])}),
        ("w = Mul (c, r)  y = MatMul (x, w)", {"c": normal(32, 1), "r": normal(1, 512)}),
        ("w = Cast <to = 1> (h)  y = MatMul (x, w)", {"h": normal(32, 32, dtype=np.float16)}),
        ("w = Transpose (t)  v = MatMul (x, w)  y = MatMul (v, t)", {"t": normal(32, 32)}),
        ("n = RandomNormalLike <seed = 1.0> (t)  w = Add (n, t)  y = MatMul (x, w)", {"t": normal(32, 32)}),
        ("w = else.Double (t)  y = MatMul (x, w)", {"t": normal(32, 32)}),
    ],
)
def test_what_would_grow_or_is_not_known_stays(text: str, arrays: dict[str, np.ndarray]) -> None:
    model = build(
        f"g (float[N, 32] x) => (y) {{ {text} }}", **{name: np.asarray(array) for name, array in arrays.items()}
    )
    before = ir.to_proto(model)
    assert not fold(model).changes
    assert ir.to_proto(model) == before


def test_what_does_not_pay_says_so() -> None:
    text = "g (float[N, 32] x) => (y) { w = Expand (r, size)  y = MatMul (x, w) }"
    (skip,) = fold(build(text, r=normal(1, 512), size=np.array([32, 512]))).skips
    assert skip.reason == "Expand: its result would take 65,536 bytes, expected at most 8,256"


def test_all_but_the_part_that_grows_is_folded() -> None:
    text = """g (float[N, 32] x) => (float[N, 32] y) {
        ab = MatMul (A, B)  w = Add (W, ab)  wide = Cast <to = 1> (w)  y = MatMul (x, wide)
    }"""
    arrays = {"W": normal(32, 32), "A": normal(32, 2), "B": normal(2, 32)}
    model = build(text, **{name: array.astype(np.float16) for name, array in arrays.items()})
    check_same(model, {"x": normal(3, 32)}, 5e-3)  # onnxruntime rounds to float16 only once
    assert operators(model) == ["Cast", "MatMul"]
    assert constants(model)["W"].dtype == np.float16


def test_of_two_results_the_one_that_pays_is_folded() -> None:
    text = """g (float[N, 32] x) => (float[N, 32] y, float[M, 512] z) {
        v = Mul (W, g)  y = MatMul (x, v)  row = ReduceSum <keepdims = 1> (W)  u = Mul (g, big)  z = Add (u, long)
    }"""
    model = build(text, W=normal(32, 32), g=normal(32, 1), big=normal(1, 512), long=normal(1, 512))
    check_same(model, {"x": normal(3, 32)}, 1e-4)
    assert "W" in model.graph.initializers
    assert operators(model)[-1] == "Add"


def test_parts_of_one_weight_are_weights_of_their_own() -> None:
    text = """g (float[N, 16] x) => (float[N, 8] q, float[N, 24] k) {
        a, b = Split <axis = 1> (W, sizes)
        q = MatMul (x, a)
        k = MatMul (x, b)
    }"""
    model = build(text, W=normal(16, 32), sizes=np.array([8, 24]))
    result = check_same(model, {"x": normal(3, 16)})
    assert operators(model) == ["MatMul", "MatMul"]
    assert {name: array.shape for name, array in constants(model).items()} == {"a": (16, 8), "b": (16, 24)}
    assert len(result.changes) == 2


def test_an_expression_in_a_branch_reads_constants_around_it() -> None:
    text = """g (bool c, float[N, 32] x) => (float[N, 32] y) {
        y = If (c) <
            then_branch = t () => (float[M, 32] a) { w = Mul (W, g)  a = MatMul (x, w) },
            else_branch = e () => (float[M, 32] b) { b = Identity (x) }>
    }"""
    model = build(text.replace("32", "128"), W=normal(128, 128), g=normal(1, 128))
    check_same(model, {"c": np.array(True), "x": normal(3, 128)})
    assert list(model.graph.initializers) == []
    assert len(onnxdc.compress(model).report.rows) == 1


@pytest.mark.parametrize("ir_version", [3, 8])
def test_a_constant_that_a_caller_may_replace_is_not_computed_with(ir_version: int) -> None:
    text = (
        "g (float[N, 32] x, float[32, 32] W, float[1, 32] g) => (float[N, 32] y) { w = Mul (W, g)  y = MatMul (x, w) }"
    )
    model = build(text, ir_version, W=normal(32, 32), g=normal(1, 32))
    check_same(model, {"x": normal(3, 32)})
    assert operators(model) == (["Constant", "MatMul"] if ir_version == 3 else ["Mul", "MatMul"])
    assert len(model.graph.inputs) == (1 if ir_version == 3 else 3)


def test_functions_stay_as_they_are() -> None:
    values = ", ".join(["1.0"] * 256)
    text = f"""g (float[N, 16] x) => (y) {{ y = local.f (x) }}
        <domain: "local", opset_import: ["" : 17]> f (a) => (b) {{
            v = Constant <value = float[16, 16] {{{values}}}> ()
            w = Transpose (v)
            b = MatMul (a, w)
        }}"""
    assert not fold(build(text)).changes


def test_types_that_numpy_has_not_stay() -> None:
    text = "g (bfloat16[N, 32] x) => (bfloat16[N, 32] y) { w = Mul (W, g)  y = MatMul (x, w) }"
    model = build(text, W=normal(32, 32, dtype=ml_dtypes.bfloat16), g=normal(1, 32, dtype=ml_dtypes.bfloat16))
    assert not fold(model).changes


def test_a_scan_over_layers_that_are_stacked_when_it_loads() -> None:
    layers = ", ".join(f"w{i}" for i in range(4))
    text = f"""g (float[N, 64] x) => (float[N, 64] y) {{
        w = Concat <axis = 0> ({layers})
        y = Scan <num_scan_inputs = 1, body = b (float[M, 64] s, float[64, 64] v) => (float[M, 64] r) {{
            h = MatMul (s, v)
            r = Tanh (h)
        }}> (x, w)
    }}"""
    model = build(text, **{f"w{i}": normal(1, 64, 64, seed=i) / 8 for i in range(4)})
    check_same(model, {"x": normal(3, 64)})
    assert operators(model) == ["Scan"]
    (row,) = onnxdc.compress(model).report.rows
    assert (row.kind, row.shape, row.bits) == ("fc", (4, 64, 64), 8)

"""BatchNormalization goes into the linear operator before it, or stays and says why."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from onnxdc.passes.fold import fold
from tests.helpers.fold_checks import check_same, operators, refused
from tests.helpers.text_models import build, normal

# The statistics of five channels.
STATISTICS = {
    "s": normal(5, seed=1),
    "o": normal(5, seed=2),
    "m": normal(5, seed=3),
    "v": np.abs(normal(5, seed=4)) + 0.1,
}


@pytest.mark.parametrize(
    ("node", "weight", "x"),
    [
        ("Conv (x, w)", (5, 4, 3), (2, 4, 9)),
        ("Conv (x, w, b)", (5, 4, 3, 3), (2, 4, 9, 9)),
        ("Conv <strides = [2, 1], pads = [1, 0, 1, 2]> (x, w, b)", (5, 4, 3, 3), (2, 4, 9, 9)),
        ("Conv (x, w)", (5, 4, 2, 2, 2), (1, 4, 5, 5, 5)),
        ("Conv <group = 5> (x, w, b)", (5, 1, 3, 3), (2, 5, 9, 9)),
        ("Conv <group = 5> (x, w)", (5, 2, 3, 3), (2, 10, 9, 9)),
        ("ConvTranspose (x, w, b)", (4, 5, 3, 3), (2, 4, 6, 6)),
        ("ConvTranspose <strides = [2, 2]> (x, w)", (4, 5, 2, 2), (2, 4, 6, 6)),
        ("ConvTranspose <group = 5> (x, w)", (10, 1, 2, 2), (2, 10, 6, 6)),
        ("Gemm (x, w, b)", (4, 5), (3, 4)),
        ("Gemm <transB = 1> (x, w, b)", (5, 4), (3, 4)),
        ("Gemm <transA = 1, alpha = 0.5, beta = 3.0> (x, w, b)", (4, 5), (4, 3)),
        ("Gemm <beta = 3.0> (x, w, scalar)", (4, 5), (3, 4)),
        ("Gemm <alpha = 2.0> (x, w, row)", (4, 5), (3, 4)),
        ("Gemm (x, w)", (4, 5), (3, 4)),
    ],
)
def test_batch_normalization_goes_into_the_linear_operator_before_it(
    node: str, weight: tuple[int, ...], x: tuple[int, ...]
) -> None:
    more = {"b": normal(5), "scalar": normal(), "row": normal(1, 5)}
    used = {name: array for name, array in more.items() if f", {name})" in node}
    model = build(
        f"""g (float{list(x)} x) => (float[] y) {{
            h = {node}
            y = BatchNormalization <epsilon = 0.001> (h, s, o, m, v)
        }}""",
        w=normal(*weight),
        **used,
        **STATISTICS,
    )
    result = check_same(model, {"x": normal(*x, seed=9)})

    assert operators(model) == [node.split()[0]]
    assert [(change.name, change.action) for change in result.changes] == [("y", "folded")]
    assert set(model.graph.initializers) <= {"w", "b", "w_bias", "w.bias"}


def test_two_batch_normalizations_in_a_row_both_fold() -> None:
    model = build(
        """g (float[2, 4, 9] x) => (float[] y) {
            h = Conv (x, w)
            i = BatchNormalization (h, s, o, m, v)
            y = BatchNormalization (i, s, o, m, v)
        }""",
        w=normal(5, 4, 3),
        **STATISTICS,
    )
    check_same(model, {"x": normal(2, 4, 9)})

    assert operators(model) == ["Conv"]


def test_a_whole_head_of_matmul_add_dropout_and_batch_normalization_is_one_gemm() -> None:
    model = build(
        """g (float[3, 4] x) => (float[] y) {
            a = MatMul (x, w)
            b = Identity (a)
            c = Add (bias, b)
            d = Dropout (c)
            e = BatchNormalization (d, s, o, m, v)
            y = Identity (e)
        }""",
        w=normal(4, 5),
        bias=normal(5),
        **STATISTICS,
    )
    result = check_same(model, {"x": normal(3, 4)})

    assert operators(model) == ["Gemm"]
    assert [change.action for change in result.changes] == ["removed"] * 3 + ["folded"] * 2
    assert result.skips == []


def test_batch_normalization_after_a_bare_matmul_makes_a_gemm() -> None:
    model = build(
        "g (float[3, 4] x) => (float[] y) { a = MatMul (x, w)  y = BatchNormalization (a, s, o, m, v) }",
        w=normal(4, 5),
        **STATISTICS,
    )
    check_same(model, {"x": normal(3, 4)})

    assert operators(model) == ["Gemm"]


@pytest.mark.parametrize(
    ("name", "dtype", "node", "shapes", "tolerance"),
    [
        ("float16", np.float16, "Conv", ((2, 4, 9), (5, 4, 3)), 2e-3),
        ("double", np.float64, "Gemm", ((2, 4), (4, 5)), 1e-12),
    ],
)
def test_other_types_are_folded_in_their_own_precision(
    name: str, dtype: type, node: str, shapes: tuple[tuple[int, ...], tuple[int, ...]], tolerance: float
) -> None:
    model = build(
        f"""g ({name}{list(shapes[0])} x) => ({name}[] y) {{
            h = {node} (x, w)
            y = BatchNormalization (h, s, o, m, v)
        }}""",
        w=normal(*shapes[1], dtype=dtype),
        **{key: array.astype(dtype) for key, array in STATISTICS.items()},
    )
    check_same(model, {"x": normal(*shapes[0], dtype=dtype)}, tolerance)

    assert operators(model) == [node]


def test_the_folded_weight_is_the_float64_product_rounded_once() -> None:
    weight = normal(5, 4, 3, dtype=ml_dtypes.bfloat16)
    model = build(
        """g (bfloat16[2, 4, 9] x) => (bfloat16 y) {
            h = Conv (x, w)
            y = BatchNormalization <epsilon = 0.5> (h, s, o, m, v)
        }""",
        w=weight,
        **{key: array.astype(ml_dtypes.bfloat16) for key, array in STATISTICS.items()},
    )
    fold(model)
    scale, variance = (STATISTICS[key].astype(ml_dtypes.bfloat16).astype(np.float64) for key in "sv")
    expected = weight.astype(np.float64) * (scale / np.sqrt(variance + 0.5))[:, None, None]

    assert np.array_equal(model.graph.initializers["w"].const_value.numpy(), expected.astype(ml_dtypes.bfloat16))


def test_zeros_stay_positive_under_a_negative_scale() -> None:
    weight = np.where(normal(5, 4, 3) > 0, normal(5, 4, 3, seed=1), np.float32(0))
    model = conv_bn(w=weight, s=-np.ones(5, np.float32))
    fold(model)
    folded = model.graph.initializers["w"].const_value.numpy()
    assert np.array_equal(folded.view(np.int32) == 0, weight == 0)


CONV_BN = "h = Conv (x, w)  y = BatchNormalization (h, s, o, m, v)"


def conv_bn(body: str = CONV_BN, outputs: str = "y", opset: int = 17, **arrays: np.ndarray) -> ir.Model:
    arrays = {"w": normal(5, 4, 3)} | STATISTICS | arrays
    return build(f"g (float[2, 4, 9] x, float[5] t) => ({outputs}) {{ {body} }}", opset=opset, **arrays)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (conv_bn(outputs="y, h"), "the output of h is an output of the graph"),
        (conv_bn(CONV_BN + "  z = Relu (h)", "y, z"), "the output of h has 2 consumers"),
        (conv_bn(CONV_BN + "  z = Conv (x, w)", "y, z"), "the weight w is used elsewhere too"),
        (conv_bn(outputs="y, w"), "the weight w is used elsewhere too"),
        (conv_bn(CONV_BN.replace("(x, w)", "(x, w, t)")), "the bias of h is not constant"),
        (conv_bn(CONV_BN.replace("(h, s", "(h, t")), "its scale, bias, mean and variance are not all constant"),
        (conv_bn("h = Relu (x)  y = BatchNormalization (h, s, o, m, v)"), "follows Relu, no operator with a weight"),
        (conv_bn("y = BatchNormalization (x, s, o, m, v)"), "follows an input, no operator with a weight"),
        (conv_bn("u = Relu (w)  h = Conv (x, u)  y = BatchNormalization (h, s, o, m, v)"), "the weight of h is not "),
        (conv_bn(CONV_BN.replace("tion (", "tion <training_mode = 1> (")), "training mode"),
        (conv_bn(CONV_BN.replace("y =", "y, a, b ="), "y, a, b", 9), "training mode: its statistics are used"),
        (conv_bn(CONV_BN.replace("tion (", "tion <spatial = 0> ("), opset=7), "spatial = 0: "),
        (conv_bn(v=-np.ones(5, np.float32)), "its variance plus epsilon is not positive"),
        (
            conv_bn(s=np.full(5, 1e38, np.float32), w=np.full((5, 4, 3), 1e3, np.float32)),
            "the folded weight of h",
        ),
        (
            conv_bn(s=normal(3), o=normal(3), m=normal(3), v=np.ones(3)),
            "3 channels do not fit the weight of h, (5",
        ),
        (
            conv_bn("h = Gemm (q, x)  y = BatchNormalization (h, s, o, m, v)", q=normal(4, 5)),
            "the weight of h is",
        ),
        (
            conv_bn("h = Gemm (x, q, c)  y = BatchNormalization (h, s, o, m, v)", q=normal(4, 5), c=normal(3, 1)),
            "the bias of h has shape (3, 1), expected one value for each channel",
        ),
    ],
)
def test_batch_normalization_that_cannot_be_folded_says_why(model: ir.Model, reason: str) -> None:
    assert refused(model).startswith(f"BatchNormalization: {reason}")


def test_a_weight_of_two_convolutions_is_not_folded_twice() -> None:
    model = conv_bn(
        """h = Conv (x, w)  y = BatchNormalization (h, s, o, m, v)
           i = Conv (x, w)  z = BatchNormalization (i, s, o, m, v)""",
        "float[] y, float[] z",
    )
    result = check_same(model, {"x": normal(2, 4, 9), "t": normal(5)})

    assert result.changes == []
    assert len(result.skips) == 2


def test_a_bias_of_two_convolutions_is_copied() -> None:
    model = conv_bn(
        "h = Conv (x, w, b)  y = BatchNormalization (h, s, o, m, v)  z = Conv (x, u, b)",
        "float[] y, float[] z",
        b=normal(5),
        u=normal(5, 4, 3, seed=8),
    )
    check_same(model, {"x": normal(2, 4, 9), "t": normal(5)})

    assert operators(model) == ["Conv", "Conv"]


@pytest.mark.parametrize("ir_version", [3, 8])
def test_initializers_that_are_graph_inputs_too_are_folded(ir_version: int) -> None:
    model = build(
        """g (float[2, 4, 9] x, float[5, 4, 3] w, float[5] s, float[5] o, float[5] m, float[5] v) => (float[] y) {
            h = Conv (x, w)
            y = BatchNormalization (h, s, o, m, v)
        }""",
        ir_version,
        8,
        w=normal(5, 4, 3),
        **STATISTICS,
    )
    check_same(model, {"x": normal(2, 4, 9)})

    assert [value.name for value in model.graph.inputs] == ["x", "w"]
    assert operators(model)[-1] == "Conv"


def test_subgraphs_and_functions_are_folded_too() -> None:
    constants = "s = Constant <value = float[2] {2, 3}> ()  o = Constant <value = float[2] {1, 0}> ()"
    inside = f"""{constants}
        w = Constant <value = float[2, 2] {{1, 2, 3, 4}}> ()
        h = Gemm (a, w)  i = Identity (h)  b = BatchNormalization (i, s, o, o, s)"""
    model = build(
        f"""g (bool c, float[3, 2] a) => (float[] y, float[] z) {{
            y = If (c) <then_branch = t () => (float[3, 2] b) {{ {inside} }},
                        else_branch = e () => (float[3, 2] d) {{ d = Identity (a) }}>
            z = local.f (a)
        }}
        <domain: "local", opset_import: ["" : 17]> f (a) => (b) {{ {inside} }}""",
    )
    result = check_same(model, {"c": np.array(True), "a": normal(3, 2)})

    branch = model.graph[0].attributes["then_branch"].as_graph()
    function = next(iter(model.functions.values()))
    assert [node.op_type for node in branch if node.op_type != "Constant"] == ["Gemm"]
    assert [node.op_type for node in function if node.op_type != "Constant"] == ["Gemm"]
    assert [skip.reason for skip in result.skips] == [
        "Identity: it links an input, a constant or an outer value to an output of the graph"
    ]


def test_a_new_bias_in_a_subgraph_hides_no_outer_value() -> None:
    model = build(
        """g (bool c, float[3, 2] a) => (float[] y) {
            y = If (c) <
                then_branch = t () => (float[3, 2] r) {
                    w = Constant <value = float[2, 2] {1, 2, 3, 4}> ()
                    h = Gemm (a, w)  b = BatchNormalization (h, s, s, s, s)  r = Add (b, outer)
                },
                else_branch = e () => (float[3, 2] d) { d = Identity (a) }
            >
        }""",
        s=np.array([2, 3], np.float32),
        outer=np.array([5, 7], np.float32),
    )
    model.graph.initializers["outer"].name = "w.bias"
    result = check_same(model, {"c": np.array(True), "a": normal(3, 2)})

    assert [change.action for change in result.changes] == ["folded"]


def test_an_operator_in_an_outer_graph_is_left_alone() -> None:
    model = conv_bn(
        """h = Conv (x, w)
        y = If (c) <then_branch = a () => (k) { k = BatchNormalization (h, s, o, m, v) },
                    else_branch = e () => (l) { l = Relu (x) }>"""
    )

    assert refused(model) == "BatchNormalization: h is in another graph"

"""What is fused into sparse operators and what is not; fused models compute the same, and decode to what they were."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx.inliner
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

import onnxdc
from onnxdc.errors import ModelError
from onnxdc.model_io import load
from onnxdc.passes.decode import decode
from onnxdc.recipe import Options, Recipe
from tests.helpers import fused_models
from tests.helpers.few_values import run, weight
from tests.helpers.fused_models import PRODUCTS, TAILS, Tail, encode_sparse
from tests.helpers.passes import encode
from tests.helpers.portable_models import NEWEST_OPSET
from tests.helpers.text_models import build, normal

CONV = "Conv <pads = [1, 1, 1, 1]>"


def op_types(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def conv(text: str, *, x: str = "float[N, 8, 7, 7] x", outputs: str = "float[a, b, c, d] y", **arrays) -> ir.Model:
    """A model whose product is the convolution c of x by W."""
    arrays = {"W": weight(8, 8, 3, 3, density=0.3), **arrays}
    return build(f"g ({x}) => ({outputs}) {{ c = {CONV} (x, W)  {text} }}", **arrays)


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def check_same(original: onnx.ModelProto, encoded: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> None:
    """The encoded model gives in every runtime what the original does, and the original when it is decoded."""
    onnx.checker.check_model(encoded, full_check=True)
    expected = run(load(original), feeds)
    found = [run(load(encoded), feeds, native=native) for native in (True, False)]
    # onnx.reference wants every attribute of a function on each node, and hands none on to LeakyRelu.
    found.append(ReferenceEvaluator(onnx.inliner.inline_local_functions(encoded)).run(None, feeds))
    for outputs in found:
        for one, other in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5 * np.abs(other).max())
    decoded = ir.to_proto(decode(load(encoded)).model)
    assert decoded.SerializeToString() == original.SerializeToString()


@pytest.mark.parametrize("product", ["Conv", "MatMul"])
def test_an_addition_in_a_branch_is_left_alone(product: str):
    other = "float[1, 8, 7, 7] r" if product == "Conv" else "float[8] r"
    call = f"{CONV} (x, W)" if product == "Conv" else "MatMul (x, W)"
    array = weight(8, 8, 3, 3, density=0.3) if product == "Conv" else weight(7, 8, density=0.3)
    branches = "".join(
        f"{name} = b () => (float[a, b, c, d] {name}_y) {{ {name}_y = {op} (c, r) }}, "
        for name, op in (("then_branch", "Add"), ("else_branch", "Mul"))
    )
    model = build(
        f"g (bool p, float[1, 8, 7, 7] x, {other}) => (float[a, b, c, d] y) "
        f"{{ c = {call}  y = If (p) <{branches.removesuffix(', ')}> }}",
        W=array,
    )
    original = ir.to_proto(model)
    feeds = {"p": np.array(True), "x": normal(1, 8, 7, 7), "r": normal(1, 8, 7, 7) if product == "Conv" else normal(8)}
    check_same(original, ir.to_proto(encode_sparse(model).model), feeds)


OPSETS = [
    (name, opset) for name, tail in TAILS.items() for opset in sorted({tail.opset, max(17, tail.opset), NEWEST_OPSET})
]


@pytest.mark.parametrize(("name", "opset"), OPSETS)
def test_each_form_of_an_activation_is_fused(name: str, opset: int):
    original = ir.to_proto(fused_models.model("conv", TAILS[name], opset))
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == [f"SparseQuantConv{TAILS[name].activation}"]
    assert set(encoded.graph.initializers) - {"B", "low", "high"} == {
        value.name for value in encoded.graph[0].inputs[1:9]
    }
    check_same(original, ir.to_proto(encoded), fused_models.feeds("conv"))


ONE_OF_EACH = list({tail.activation: name for name, tail in reversed(TAILS.items())}.values())


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("product", PRODUCTS)
def test_each_product_takes_each_activation(product: str, name: str):
    original = ir.to_proto(fused_models.model(product, TAILS[name], max(13, TAILS[name].opset)))
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == [PRODUCTS[product][1] + TAILS[name].activation]
    check_same(original, ir.to_proto(encoded), fused_models.feeds(product))


@pytest.mark.parametrize("opset", [11, 17, NEWEST_OPSET])
@pytest.mark.parametrize("product", ["conv and residual", "matmul and bias"])
def test_what_is_added_is_fused_without_an_activation(product: str, opset: int):
    original = ir.to_proto(fused_models.model(product, Tail("y = Flatten(c)", ""), opset))
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == [PRODUCTS[product][1], "Flatten"]


@pytest.mark.skipif(NEWEST_OPSET < 24, reason="Swish is of operator set 24")
def test_the_operator_swish_is_fused():
    original = ir.to_proto(fused_models.model("conv", Tail("y = Swish(c)", "Silu"), 24))
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == ["SparseQuantConvSilu"]
    assert ir.to_proto(decode(load(ir.to_proto(encoded))).model) == original


def test_a_bound_that_is_left_out_comes_back():
    model = conv("y = Clip(c, low, high)", low=scalar(0), high=scalar(6))
    model.graph[1].replace_input_with(1, None)
    del model.graph.initializers["low"]
    original = ir.to_proto(model)
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == ["SparseQuantConvClip"]
    check_same(original, ir.to_proto(encoded), fused_models.feeds("conv"))


RESIDUAL = "float[N, 8, 7, 7] r"

LEFT_ALONE = {
    "another consumer": (conv("y = Relu(c)  z = Neg(c)", outputs="float[a, b, c, d] y, float[e, f, g, h] z"), "Relu"),
    "a graph output": (conv("y = Relu(c)", outputs="float[a, b, c, d] y, float[e, f, g, h] c"), "Relu"),
    "another consumer inside": (conv("s = Sigmoid(c)  t = Mul(c, s)  y = Add(t, s)"), "Mul"),
    "a graph output inside": (
        conv("s = Sigmoid(c)  y = Mul(c, s)", outputs="float[a, b, c, d] y, float[e, f, g, h] s"),
        "Mul",
    ),
    "another activation": (conv("y = Tanh(c)"), "Tanh"),
    "another hard sigmoid": (conv("s = HardSigmoid (c)  y = Mul(c, s)"), "Mul"),
    "another constant": (
        conv(
            "d = Div(c, r)  e = Erf(d)  f = Add(e, o)  g = Mul(c, f)  y = Mul(g, h)",
            r=scalar(1.5),
            o=scalar(1),
            h=scalar(0.5),
        ),
        "Erf",
    ),
    "a bound that is computed": (conv("m = ReduceMax <keepdims = 0> (x)  y = Clip(c, m)"), "Clip"),
    "a bound that is an input": (conv("y = Clip(c, m)", x="float[N, 8, 7, 7] x, float m"), "Clip"),
    "a residual of unknown shape": (conv("y = Add(c, r)", x="float[N, 8, 7, 7] x, float[a, b, c, d] r"), "Add"),
    "a residual of another batch": (conv("y = Add(c, r)", x="float[N, 8, 7, 7] x, float[M, 8, 7, 7] r"), "Add"),
    "a residual that is broadcast": (conv("y = Add(c, r)", x="float[N, 8, 7, 7] x, float[N, 8, 1, 1] r"), "Add"),
    "a residual of lower rank": (conv("y = Add(c, r)", r=normal(8, 7, 7)), "Add"),
    "the output twice": (conv("y = Add(c, c)"), "Add"),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_is_not_quite_the_pattern_stays(name: str):
    original, op_type = ir.to_proto(LEFT_ALONE[name][0]), LEFT_ALONE[name][1]
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == ["SparseQuantConv", *op_types(load(original))[1:]]
    assert op_type in op_types(encoded)
    assert ir.to_proto(decode(load(ir.to_proto(encoded))).model) == original


@pytest.mark.parametrize("bias", [(1,), (1, 24), (3, 24)])
def test_a_bias_of_matmul_has_a_value_for_each_column(bias: tuple[int, ...]):
    text = "g (float[3, 40] x) => (float[3, 24] y) { p = MatMul(x, W)  y = Add(p, B) }"
    encoded = encode_sparse(build(text, W=weight(40, 24), B=normal(*bias))).model
    assert op_types(encoded) == ["SparseQuantMatMul", "Add"]


def test_a_residual_before_a_normalization_stays_with_it():
    text = """g (float[N, M, 24] x) => (float[a, b, c] y) {
        p = MatMul(x, W)  s = Add(p, x)  y = LayerNormalization(s, G, B)
    }"""
    encoded = encode_sparse(build(text, W=weight(24, 24), G=normal(24), B=normal(24))).model
    assert op_types(encoded) == ["SparseQuantMatMul", "Add", "LayerNormalization"]


def test_an_initializer_that_a_caller_may_override_is_no_constant():
    model = conv("y = Clip(c, low)", low=scalar(0))
    model.graph.inputs.append(model.graph.initializers["low"])
    assert op_types(encode_sparse(model).model) == ["SparseQuantConv", "Clip"]


def test_what_follows_a_weight_that_is_executed_dense_stays():
    recipe = Recipe(min_elements=64, defaults=Options(execution="dense"))
    encoded = encode(conv("y = Relu(c)"), recipe, force=True).model
    assert op_types(encoded) == ["DecodeDenseWeight", "Conv", "Relu"]


def test_nothing_is_fused_when_it_is_switched_off():
    model = conv("y = Relu(c)")
    assert op_types(encode_sparse(model, fuse=False).model) == ["SparseQuantConv", "Relu"]


def block() -> ir.Model:
    """Two convolutions that meet in an Add, as in a residual network, in a graph with names, texts and shapes."""
    text = f"""g (float[N, 4, 7, 7] x) => (float[a, b, c, d] y) {{
        s = {CONV} (x, S)
        t = Relu(s)
        k = Constant <value = float {{0.0}}> ()
        q = Clip(t, k)
        u = {CONV} (q, U, B)
        r = Conv(x, R)
        v = Add(u, r)
        w = Relu(v)
        e = Sigmoid(w)
        y = Mul(e, w)
    }}"""
    arrays = {"S": weight(8, 4, 3, 3), "U": weight(8, 8, 3, 3, seed=1), "R": weight(8, 4, 1, 1, seed=2, density=0.5)}
    model = build(text, B=normal(8), **arrays)
    for number, node in enumerate(model.graph):
        node.name, node.doc_string = f"node {number}", f"the {number}th"
    model.graph[1].metadata_props["scope"] = "first"
    inferred = onnx.shape_inference.infer_shapes(ir.to_proto(model))
    inferred.graph.value_info[0].doc_string = "a value that goes"
    return load(inferred)


def test_names_texts_shapes_and_order_come_back():
    original = ir.to_proto(block())
    result = encode_sparse(load(original))
    encoded = ir.to_proto(result.model)
    assert op_types(result.model) == [
        *("SparseQuantConvRelu", "Constant", "Clip", "SparseQuantConv", "SparseQuantConvAddRelu", "Sigmoid", "Mul")
    ]
    assert {change.name: change.fused for change in result.changes} == {"S": "Relu", "U": "Add+Relu", "R": ""}
    shapes = {info.name: info for info in original.graph.value_info}
    assert {info.name: info for info in encoded.graph.value_info if info.name in shapes}["w"] == shapes["w"]
    check_same(original, encoded, {"x": normal(2, 4, 7, 7)})
    told = {change.name: change.fused for change in decode(load(encoded)).changes}
    assert told == {"S": "Relu", "U": "Add+Relu", "R": ""}


INPUTS_MADE_LATER = {
    "residual": (f"c = {CONV} (x, W)  r = Neg(x)  d = Add(c, r)  y = Relu(d)", ["Neg", "SparseQuantConvAddRelu"]),
    "bounds": (
        f"c = {CONV} (x, W)  k = Constant <value = float {{0.5}}> ()  y = Clip(c, k)",
        ["Constant", "SparseQuantConvClip"],
    ),
    "both": (
        f"""c = {CONV} (x, W)  k = Constant <value = float {{-1.0}}> ()  r = {CONV} (x, V)  s = Sigmoid(r)
            t = Mul(s, r)  l = Constant <value = float {{0.5}}> ()  d = Add(t, c)  z = Clip(d, k, l)  y = Neg(z)""",
        ["Constant", "SparseQuantConvSilu", "Constant", "SparseQuantConvAddClip", "Neg"],
    ),
}


@pytest.mark.parametrize("name", INPUTS_MADE_LATER)
def test_a_fused_node_comes_behind_all_that_it_uses(name: str):
    text, expected = INPUTS_MADE_LATER[name]
    arrays = {key: weight(8, 8, 3, 3, seed=seed) for seed, key in enumerate("WV") if f"{key})" in text}
    model = build(f"g (float[N, 8, 7, 7] x) => (float[a, b, c, d] y) {{ {text} }}", **arrays)
    original = ir.to_proto(model)
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == expected
    check_same(original, ir.to_proto(encoded), fused_models.feeds("conv"))


def test_a_constant_goes_with_its_last_user_only():
    text = f"""g (float[N, 8, 7, 7] x) => (float[a, b, c, d] y) {{
        half = Constant <value = float {{0.5}}> ()
        c = {CONV} (x, W)  d = Div(c, root)  e = Erf(d)  f = Add(e, one)  g = Mul(c, f)  h = Mul(g, half)
        y = Mul(h, one)
    }}"""
    arrays = {"one": scalar(1), "root": scalar(2**0.5), "W": weight(8, 8, 3, 3)}
    original = ir.to_proto(build(text, **arrays))
    encoded = encode_sparse(load(original)).model
    assert op_types(encoded) == ["SparseQuantConvGelu", "Mul"]
    assert "one" in encoded.graph.initializers
    assert "root" not in encoded.graph.initializers
    check_same(original, ir.to_proto(encoded), fused_models.feeds("conv"))


def test_a_graph_output_keeps_its_name():
    encoded = encode_sparse(conv("y = Relu(c)")).model
    assert [value.name for value in encoded.graph.outputs] == [encoded.graph[0].outputs[0].name] == ["y"]


@pytest.mark.parametrize(
    "product",
    ["conv and residual", *(pytest.param(product, marks=pytest.mark.slow) for product in ("gemm", "matmul and bias"))],
)
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_without_the_record_decode_writes_the_nodes_of_the_body(product: str, name: str):
    model = fused_models.model(product, TAILS[name], 20)
    expected = run(model, fused_models.feeds(product))[0]
    encoded = ir.to_proto(encode_sparse(model).model)
    del encoded.metadata_props[:]
    decoded = decode(load(encoded)).model
    assert not {node.domain for node in decoded.graph} - {""}
    found = run(decoded, fused_models.feeds(product))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("graph", "AAAA"),
        ("graph", "not base64"),
        ("graph", ""),
        ("graph", 3),
        ("nodes", []),
        ("products", []),
        ("nodes", ["1"]),
        ("more", 1),
    ],
)
def test_a_damaged_record_is_refused(field: str, value: object):
    encoded = encode_sparse(conv("y = Relu(c)")).model
    entry = json.loads(encoded.metadata_props["onnxdc.origin"])
    entry["fused"][field] = value
    encoded.metadata_props["onnxdc.origin"] = json.dumps(entry)
    with pytest.raises(ModelError, match=r"^metadata entry onnxdc\.origin"):
        decode(encoded)


def test_a_record_of_another_graph_is_refused():
    encoded = encode_sparse(conv("d = Sigmoid(c)  y = Mul(c, d)")).model
    encoded.graph.inputs[0].name = "c"
    with pytest.raises(ModelError, match=r"^metadata entry onnxdc\.origin: fused"):
        decode(encoded)


def test_compressing_folds_a_batch_normalization_and_fuses_what_follows():
    text = f"""g (float[N, 64, 5, 5] x) => (float[a, b, c, d] y) {{
        c = {CONV} (x, W)  d = BatchNormalization(c, s, t, m, v)  e = Add(d, x)  y = Relu(e)
    }}"""
    statistics = {"s": normal(64), "t": normal(64, seed=1), "m": normal(64, seed=2), "v": 1 + normal(64, seed=3) ** 2}
    model = build(text, W=weight(64, 64, 3, 3, values=7), **statistics)
    feeds = {"x": normal(2, 64, 5, 5)}
    result = onnxdc.compress(model, sharing="kmeans", groups=64)
    assert op_types(result.model) == ["SparseQuantConvAddRelu"]
    (row,) = result.report.rows
    assert (row.fused, row.cells()[-1]) == ("Add+Relu", "sparse + Add+Relu")
    (expected,), (found,) = run(model, feeds), run(result.model, feeds, native=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert onnxdc.inspect(result.model).rows[0].fused == "Add+Relu"
    assert op_types(onnxdc.compress(model, sharing="kmeans", groups=64, fuse=False).model) == [
        "SparseQuantConv",
        "Add",
        "Relu",
    ]


@pytest.mark.parametrize(
    ("product", "name", "shape", "message"),
    [
        ("conv and residual", 12, (2, 8, 7, 6), r"the residual has shape \[2, 8, 7, 6\], which does not broadcast"),
        ("matmul and bias", 11, (23,), r"the bias has shape \[23\], expected \[24\]"),
        ("conv", 12, (2,), r"a bound of Clip has shape \[2\], expected a scalar"),
    ],
)
def test_a_fused_input_of_another_shape_is_an_error(product: str, name: int, shape: tuple[int, ...], message: str):
    model = encode_sparse(fused_models.model(product, TAILS["clip"])).model
    value = ir.Value(name="other", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([None] * len(shape)))
    model.graph.inputs.append(value)
    model.graph[0].replace_input_with(name, value)
    feeds = {**fused_models.feeds(product), "other": np.zeros(shape, np.float32)}
    with pytest.raises(Exception, match=message):
        run(model, feeds, native=True)

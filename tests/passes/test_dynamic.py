"""Encoding for sparse operators on integers: which weights, what they compute, and the way back."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.domain.compressed import computes_with_integers
from onnxdc.errors import OptionError
from onnxdc.model_io import load
from onnxdc.passes.decode import decode
from onnxdc.recipe import Options, Recipe, Rule
from tests.helpers import fused_models
from tests.helpers.few_values import run, weight
from tests.helpers.fused_models import PRODUCTS, TAILS, encode_sparse
from tests.helpers.passes import encode
from tests.helpers.small_models import onnxdc as command
from tests.helpers.small_models import report_of, saved
from tests.helpers.text_models import build, normal

DYNAMIC = Options(activation="dynamic")
NO_FASTER = "not faster on integers on every processor"


def op_types(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph if "Symbols" not in node.op_type]


@pytest.mark.parametrize("tail", ["relu", "clip", "leaky relu", "gelu last" if "gelu last" in TAILS else "silu"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_fused_product_computes_alike_everywhere_and_comes_back(product: str, tail: str):
    original = ir.to_proto(fused_models.model(product, TAILS[tail]))
    encoded = ir.to_proto(encode_sparse(load(original), activation="dynamic").model)
    name = PRODUCTS[product][1].replace("Quant", "Dynamic") + TAILS[tail].activation
    assert op_types(load(encoded)) == [name]
    onnx.checker.check_model(encoded, full_check=True)
    feeds = fused_models.feeds(product)
    (expected,) = run(load(original), feeds)
    (native,), (portable,) = (run(load(encoded), feeds, native=native) for native in (True, False))
    largest = np.abs(expected).max()
    np.testing.assert_allclose(native, portable, rtol=1e-5, atol=1e-6 * largest)
    assert 0 < np.sqrt(np.square(native - expected).mean()) < 0.02 * largest
    assert ir.to_proto(decode(load(encoded)).model).SerializeToString() == original.SerializeToString()


def test_a_fused_operator_without_a_record_becomes_standard_ones():
    model = encode_sparse(fused_models.model("conv and residual", TAILS["relu"]), activation="dynamic").model
    proto = ir.to_proto(model)
    del proto.metadata_props[:]
    decoded = decode(load(proto)).model
    assert op_types(decoded) == ["Conv", "Add", "Relu"]


def test_a_rule_says_which_weights_run_on_integers():
    model = build(
        "g (float[64, 96] x) => (float[64, 64] y) { a = MatMul(x, one)  y = MatMul(a, two) }",
        one=weight(96, 512, density=0.1),
        two=weight(512, 64, density=0.1),
    )
    result = encode(model, Recipe([Rule(pattern="two", activation="dynamic", execution="sparse")]), force=True)
    assert op_types(model) == ["SparseQuantMatMul", "SparseDynamicMatMul"]
    assert [change.execution.dynamic for change in result.changes] == [False, True]
    feeds = {"x": normal(64, 96)}
    (native,), (portable,) = (run(model, feeds, native=native) for native in (True, False))
    np.testing.assert_allclose(native, portable, rtol=1e-4, atol=1e-3 * np.abs(portable).max())


def test_each_kind_of_operators_has_symbols_of_its_own():
    """A library that has no kernels for one kind runs their bodies, and must not yield nothing to them."""
    model = build(
        "g (float[64, 1024] x) => (float[64, 64] y) { a = MatMul(x, one)  b = MatMul(a, two)  y = MatMul(b, three) }",
        one=weight(1024, 512, density=0.2),
        two=weight(512, 512, density=0.2),
        three=weight(512, 64, density=0.2),
    )
    rules = [
        Rule(pattern="one", execution="dense"),
        Rule(pattern="two", activation="dynamic", execution="sparse"),
        Rule(pattern="three", execution="sparse"),
    ]
    encode(model, Recipe(rules), force=True)
    producers = {node.op_type: [value.producer() for value in node.inputs if value is not None] for node in model.graph}
    read = {
        op_type: {node.op_type for node in nodes if node is not None and "Symbols" in node.op_type}
        for op_type, nodes in producers.items()
    }
    assert read["SparseQuantMatMul"] == {"SparseSymbols"}
    assert read["SparseDynamicMatMul"] == {"DynamicSymbols"}
    assert {*op_types(model)} == {"DecodeWeight", "MatMul", "SparseDynamicMatMul", "SparseQuantMatMul"}


@pytest.mark.parametrize("activation", ["static", "dynamic"])
def test_static_in_a_rule_is_told(activation: str):
    model = product_of_rows(64, weight(768, 512, density=0.1))
    (change,) = encode(model, Recipe([Rule(pattern="W", activation=activation)])).changes
    assert change.execution.dynamic == (activation == "dynamic")
    assert change.execution.floats == ("" if activation == "dynamic" else "static ranges are for quantize alone")


def product_of_rows(rows: int | str, array: np.ndarray) -> ir.Model:
    return build(f"g (float[{rows}, 768] x) => (float[{rows}, 512] y) {{ y = MatMul(x, W) }}", W=array)


@pytest.mark.parametrize(
    ("rows", "spoilt", "op_type", "reason"),
    [
        (64, False, "SparseDynamicMatMul", ""),
        (1, False, "SparseQuantMatMul", NO_FASTER),
        ("N", False, "SparseDynamicMatMul", ""),
        (64, True, "SparseQuantMatMul", "holds an infinity or a NaN"),
    ],
)
def test_what_stays_on_floats_is_told(rows: int | str, spoilt: bool, op_type: str, reason: str):
    array = weight(768, 512, density=0.1)
    array[0, 0] = np.inf if spoilt else 0
    model = product_of_rows(rows, array)
    (change,) = encode(model, Recipe(defaults=DYNAMIC)).changes
    assert op_types(model) == [op_type]
    assert change.execution.floats == reason
    assert change.execution.dynamic == (not reason)


def test_too_many_nonzeros_for_sums_of_32_bits_stay_on_floats():
    array = np.zeros((70000, 4), np.float32)
    array[:, 1] = 0.5
    model = build("g (float[64, 70000] x) => (float[64, 4] y) { y = MatMul(x, W) }", W=array)
    options = Options(activation="dynamic", execution="sparse")
    (change,) = encode(model, Recipe(defaults=options), force=True).changes
    assert op_types(model) == ["SparseQuantMatMul"]
    assert "more than 66,311 nonzeros" in change.execution.floats
    array[66000:] = 0
    model = build("g (float[64, 70000] x) => (float[64, 4] y) { y = MatMul(x, W) }", W=array)
    encode(model, Recipe(defaults=options), force=True)
    assert op_types(model) == ["SparseDynamicMatMul"]


def test_a_recipe_may_ask_for_dense_or_for_rows_of_a_table():
    model = product_of_rows(64, weight(768, 512, density=0.1))
    encode(model, Recipe(defaults=Options(activation="dynamic", execution="dense")))
    assert op_types(model) == ["DecodeWeight", "MatMul"]
    table = build("g (int64[n] i) => (float[n, 64] y) { y = Gather(W, i) }", W=weight(2000, 64, density=0.3))
    encode(table, Recipe(defaults=DYNAMIC))
    assert op_types(table) == ["SparseQuantGather"]


def test_the_verbs_know_it(tmp_path):
    path, small, back = (
        saved(product_of_rows(64, weight(768, 512, density=0.1)), tmp_path / "model.onnx"),
        *(tmp_path / name for name in ("small.onnx", "back.onnx")),
    )
    done = command("encode", path, "--activation", "dynamic", "-o", small)
    assert done.exit_code == 0, done.stderr
    assert "layers on integers: outputs for made-up inputs move by 0." in done.stdout
    assert "dynamic" in done.stdout
    assert computes_with_integers(load(small))
    (row,) = report_of(command("inspect", small, "--json"))["weights"]
    assert row["execution"] == "dynamic"
    verified = onnxdc.verify(path, small)
    assert verified.passed
    assert 0 < verified.comparisons[0].relative < 0.02
    assert [each.tolerance for each in verified.comparisons] == [None, None, 0.05]
    assert command("decode", small, "-o", back).exit_code == 0
    assert back.read_bytes() == path.read_bytes()
    assert "activation" in str(report_of(command("inspect", small, "--json"))["provenance"])


@pytest.mark.parametrize(
    ("output", "end"),
    [
        ("int64[64] y", "y = ArgMax<axis=1, keepdims=0>(a)"),
        ("float[64, 512] y", "b = Abs(a)  n = Neg(b)  y = Sqrt(n)"),
        ("int64[2, n] y", "y = NonZero(a)"),
        ("float[m] y", "c = Greater(a, half)  f = Reshape(c, flat)  y = Compress(a, f)"),
    ],
)
def test_outputs_that_cannot_be_compared_are_no_movement(output: str, end: str):
    model = build(
        f"g (float[64, 768] x) => ({output}) {{ a = MatMul(x, W)  {end} }}",
        W=weight(768, 512, density=0.1),
        half=np.float32(0.5),
        flat=np.array([-1]),
    )
    assert "no output for made-up inputs can be compared" in str(onnxdc.encode(model, activation="dynamic").report)


def test_static_ranges_are_for_quantize(tmp_path):
    path = saved(product_of_rows(64, weight(768, 512, density=0.1)), tmp_path / "model.onnx")
    with pytest.raises(OptionError, match="activation"):
        onnxdc.encode(path, activation="static")
    with pytest.raises(OptionError, match="activation"):
        onnxdc.compress(path, activation="static")
    assert command("encode", path, "--activation", "static", "-o", tmp_path / "small.onnx").exit_code == 2


def test_compress_takes_it_too(tmp_path):
    model = product_of_rows(64, weight(768, 512, density=0.1))
    result = onnxdc.compress(model, activation="dynamic", sharing="grid")
    assert [row.execution for row in result.report.rows] == ["dynamic"]

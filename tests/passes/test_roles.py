"""What each stage does to weights, tables and other constants, whatever operator reads them."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxdc
from onnxdc import Recipe, Rule
from onnxdc.errors import RecipeError
from onnxdc.graph.skips import SkipCode
from onnxdc.passes.plan import plan_weights
from tests.helpers.few_values import weight
from tests.helpers.passes import encode, prune, share
from tests.helpers.text_models import build, normal

SCAN = """g (float[N, 16] x) => (float[N, 16] y) {
    y = Scan <num_scan_inputs = 1, body = b (float[M, 16] s, float[16, 16] v) => (float[M, 16] r) {
        h = MatMul (s, v)
        r = Tanh (h)
    }> (x, w)
}"""


def with_experts() -> ir.Model:
    """A mixture of four experts, as onnxruntime runs it."""
    node = helper.make_node(
        "MoE", ["x", "p", "w", "", "w2"], ["y"], domain="com.microsoft", k=1, activation_type="relu"
    )
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3, size]) for name, size in (("x", 16), ("p", 4))]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 16])]
    tensors = [
        numpy_helper.from_array(normal(4, *shape) / 8, name) for name, shape in (("w", (32, 16)), ("w2", (16, 32)))
    ]
    graph = helper.make_graph([node], "g", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=8))


def optimised_by_onnxruntime(folder) -> ir.Model:
    """A convolution as onnxruntime saves it, in blocks of channels."""
    text = "g (float[1, 32, 8, 8] x) => (float[1, 32, 8, 8] y) { y = Conv <pads = [1, 1, 1, 1]> (x, w) }"
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    model = ir.to_proto(build(text, w=normal(32, 32, 3, 3) / 8))
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return ir.load(folder / "optimised.onnx")


TABLES = {
    "GatherND": build("g (int64[N, 1] i) => (float[N, 8] y) { y = GatherND (w, i) }", w=normal(400, 8)),
    "Slice": build(
        """g (float[N, 8] x) => (float[N, 8] y) {
            size = Shape <end = 1> (x)
            rows = Slice (w, zero, size)
            y = Add (x, rows)
        }""",
        w=normal(400, 8),
        zero=np.zeros(1, np.int64),
    ),
    "Scan": build(SCAN, w=normal(12, 16, 16) / 4),
    "MoE": with_experts(),
}


def feeds_of(model: ir.Model) -> dict[str, np.ndarray]:
    """Inputs with three rows."""
    sizes = {
        value.name: tuple(size if isinstance(size, int) else 3 for size in value.shape) for value in model.graph.inputs
    }
    types = {value.name: value.dtype.numpy() for value in model.graph.inputs}
    return {name: normal(*size).astype(types[name]) for name, size in sizes.items()}


def check_runs(model: ir.Model, shared: ir.Model) -> None:
    """Hold an encoded model against the shared one, natively and portably, and decode it."""
    feeds = feeds_of(shared)
    (expected,) = onnxdc.session(shared).run(None, feeds)
    for native in (True, False):
        (found,) = onnxdc.session(model, native=native).run(None, feeds)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    decoded = onnxdc.decode(model).model
    assert onnx.ModelProto.SerializeToString(ir.to_proto(decoded), deterministic=True) == ir.to_proto(
        shared
    ).SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_shared_and_encoded_but_not_pruned(name: str) -> None:
    model = ir.from_proto(ir.to_proto(TABLES[name]))
    recipe = Recipe().with_options(density=0.1)
    pruned = prune(model, recipe)
    assert not pruned.changes
    assert {skip.code for skip in pruned.skips} >= {SkipCode.TABLE}
    assert "w" in [change.name for change in share(model, recipe).changes]
    shared = ir.from_proto(ir.to_proto(model))
    encoded = encode(model, recipe, force=True)
    assert not any(change.execution.sparse for change in encoded.changes)
    check_runs(model, shared)


def test_a_convolution_of_a_model_that_onnxruntime_optimised_is_compressed(tmp_path) -> None:
    model = optimised_by_onnxruntime(tmp_path)
    result = onnxdc.compress(model)
    assert [row.bits for row in result.report.rows] == [8]
    feeds = feeds_of(model)
    expected, found = (onnxdc.session(each).run(None, feeds)[0] for each in (model, result.model))
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


ADDED = "g (float[N, 64] x) => (float[N, 64] y) { h = MatMul (x, w)  s = Add (h, table)  y = Relu (s) }"


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("shape", [(4096,), (1, 4096)])
def test_other_constants_are_only_encoded(shape: tuple[int, ...], opset: int) -> None:
    """Where they are fused, too."""
    arrays = {"w": weight(64, 4096, density=0.5, values=15), "table": np.ones(shape, np.float32)}
    model = build(ADDED.replace("64] y", "4096] y"), opset=opset, **arrays)
    original = ir.from_proto(ir.to_proto(model))
    assert [change.name for change in prune(model, Recipe().with_options(density=0.1)).changes] == ["w"]
    assert {skip.name: skip.reason for skip in share(model).skips}["table"] == "not a weight, feeds Add"
    assert np.array_equal(model.graph.initializers["table"].const_value.numpy(), arrays["table"])
    shared = ir.from_proto(ir.to_proto(original))
    result = encode(original, Recipe().with_options(execution="sparse"))
    assert [change.name for change in result.changes] == ["w", "table"]
    check_runs(original, shared)


def test_a_mask_with_few_values_is_encoded() -> None:
    text = "g (float[N, 99, 99] x) => (float[N, 99, 99] y) { s = Add (x, mask)  y = Softmax (s) }"
    mask = np.triu(np.full((99, 99), -np.inf, np.float32), 1)
    model = build(text, mask=mask)
    shared = ir.from_proto(ir.to_proto(model))
    assert share(model).skips[0].reason == "not a weight, feeds Add"
    assert [change.name for change in encode(model).changes] == ["mask"]
    check_runs(model, shared)


def test_a_small_constant_is_not_encoded_for_a_speed_that_nothing_gains() -> None:
    model = build(ADDED, w=weight(64, 64), table=normal(64))
    result = encode(model, Recipe(min_elements=1), force=True)
    assert [change.name for change in result.changes] == ["w"]
    assert {skip.name: skip.code for skip in result.skips} == {"table": SkipCode.NO_GAIN}


def test_rules_are_for_what_stages_change() -> None:
    model = build(ADDED, w=normal(64, 64), table=normal(64, 64))
    with pytest.raises(RecipeError, match="table is skipped: not a weight, feeds Add"):
        plan_weights(model, Recipe((Rule("table", bits=4),)))
    plan = plan_weights(model, Recipe((Rule("table", skip=True),)))
    assert [planned.settings.skip for planned in plan.weights] == [False, True]


def test_a_table_gets_more_bits_than_a_pruned_weight() -> None:
    model = build(
        "g (int64[N, 1] i) => (y) { t = GatherND (w, i)  y = MatMul (t, v) }", w=normal(90, 8), v=normal(8, 90)
    )
    plan = plan_weights(model, Recipe().with_options(sharing="kmeans", density=0.1))
    assert [planned.settings.bits for planned in plan.weights] == [8, 5]

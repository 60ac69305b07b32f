"""What encode changes, what it leaves alone, and what it says about both."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from onnxdc import model_io
from onnxdc.errors import ModelError
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.decode import decode
from onnxdc.passes.result import Result
from onnxdc.recipe import Options, Recipe, Rule
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal

GEMM = "g (float[M, 64] A) => (float[M, 48] Y) { Y = Gemm <alpha=0.5> (A, W, C) }"
# Of a weight that is so small that its codes and gaps are plain: it has no tables, and its values no step.
GROUP = ["1.codebook", "none", "none", "1.codes", "none", "none", "1.gaps", "1.extent"]
TENSORS = list(dict.fromkeys(GROUP))


def encode_gemm(array: np.ndarray, recipe: Recipe | None = None, force: bool = True) -> Result:
    return encode(build(GEMM, W=array, C=normal(48)), recipe, force=force)


def reasons(result: Result) -> dict[str, str]:
    return {skip.name: skip.reason for skip in result.skips}


def with_execution(execution: str) -> Recipe:
    return Recipe(defaults=Options(execution=execution))


def test_the_group_takes_the_place_of_the_weight_among_the_initializers():
    model = encode_gemm(weight(64, 48)).model
    assert list(model.graph.initializers) == [*TENSORS, "C"]


def test_a_fused_node_keeps_its_other_inputs_attributes_and_names():
    model = build(GEMM, W=weight(64, 48), C=normal(48))
    node = model.graph[0]
    node.name, node.doc_string = "fc1", "the first layer"
    encode(model, with_execution("sparse"), force=True)
    assert [value.name for value in node.inputs] == ["A", "W.codebook", *GROUP[1:], "1.codes", "1.gaps", "C"]
    assert node.attributes["alpha"].as_float() == 0.5
    assert (node.domain, node.op_type, node.name, node.doc_string) == (
        "onnxdc",
        "SparseQuantGemm",
        "fc1",
        "the first layer",
    )


def test_attributes_at_their_defaults_are_not_written():
    node = encode_gemm(weight(64, 48), Recipe(defaults=Options(index_bits=8, execution="sparse"))).model.graph[0]
    assert list(node.attributes) == ["alpha", "checksum"]
    node = encode_gemm(weight(200, 200, density=0.2), with_execution("sparse")).model.graph[1]
    assert node.attributes["packet"].as_int() == 16
    assert node.op_type == "SparseQuantGemm"


def test_the_model_says_what_it_needs():
    model = build(GEMM, ir_version=4, W=weight(64, 48), C=normal(48))
    encode(model, with_execution("sparse"), force=True)
    assert model.opset_imports["onnxdc"] == 1
    assert model.ir_version == 8
    assert ("onnxdc", "SparseQuantGemm", "") in model.functions
    onnx.checker.check_model(ir.to_proto(model), full_check=True)


def test_a_usual_model_gets_no_metadata_entry():
    model = build(GEMM, W=weight(64, 48), C=normal(48))
    for value in model.graph.initializers.values():
        value.type = value.shape = None  # as in a file without value_info for initializers
    assert not encode(model, force=True).model.metadata_props


def test_names_that_are_in_use_are_avoided():
    text = "g (float[M, 64] A) => (float[M, 48] onnxdc_empty) { B = Gemm(A, W, C)  onnxdc_empty = Add(B, D) }"
    model = build(text, W=weight(64, 48, density=1.0), C=normal(48), D=normal(48))
    for old, new in {"C": "W.codebook", "D": "1.codes"}.items():
        model.graph.initializers[old].name = new
    model.graph.outputs[0].name = "none"
    encode(model, with_execution("sparse"), force=True)
    names = [value.name for value in model.graph[0].inputs]
    assert names[1:5] == ["W_1.codebook", "none_1", "none_1", "1_1.codes"]


def test_equal_extents_and_empty_tensors_are_stored_once():
    text = "g (float[M, 64] A) => (float[M, 64] Y) { B = MatMul(A, V)  Y = MatMul(B, W) }"
    model = build(text, V=weight(64, 64, density=1.0, seed=1), W=weight(64, 64, density=1.0))
    encode(model, with_execution("sparse"), force=True)
    assert list(model.graph.initializers) == [
        *("V.codebook", "none", "1.codes", "1.extent"),
        *("W.codebook", "2.codes"),
    ]


def test_bias_and_small_tensors_stay_as_they_are():
    result = encode_gemm(weight(64, 48))
    assert [change.name for change in result.changes] == ["W"]
    assert reasons(result) == {"C": "48 elements, fewer than 256"}


def test_a_weight_that_was_never_shared_is_skipped_with_a_hint():
    result = encode_gemm(normal(64, 48))
    assert not result.changes
    assert "256 distinct values" in reasons(result)["W"]
    assert "share its values first" in reasons(result)["W"]
    assert "onnxdc" not in result.model.opset_imports


@pytest.mark.parametrize(("zeros", "told"), [("both", True), ("positive", False), ("negative", False)])
def test_zeros_of_both_signs_are_told(zeros: str, told: bool):
    array = weight(64, 48, density=0.5)
    signs = np.where(np.arange(array.size).reshape(array.shape) % 2 == 0, 1, -1) if zeros == "both" else 1
    array = np.where(array == 0, np.float32(0) * signs, array).astype(np.float32)
    if zeros == "negative":
        array = np.where(array == 0, np.float32(-0.0), array)
    result = encode_gemm(array)
    assert any("-0.0 beside 0.0" in note for note in notes_of(result.model)) is told


def test_a_weight_that_would_not_shrink_is_skipped_unless_forced():
    dense = weight(32, 8, density=1.0, values=250)
    text = "g (float[M, 32] A) => (float[M, 8] Y) { Y = MatMul(A, W) }"
    result = encode(build(text, W=dense))
    assert "would not make its 1024 bytes fewer" in reasons(result)["W"]
    assert encode(build(text, W=dense), force=True).changes


def test_a_model_that_the_portable_bodies_would_enlarge_is_left_alone():
    text = "g (float[M, 16] A) => (float[M, 12] Y) { Y = MatMul(A, W) }"
    result = encode(build(text, W=weight(16, 12)), Recipe(min_elements=100))
    assert reasons(result)["W"].startswith("the model would not get smaller: coding saves ")
    assert ir.to_proto(result.model) == ir.to_proto(build(text, W=weight(16, 12)))
    assert encode_gemm(weight(64, 48), force=False).changes


@pytest.mark.parametrize(
    ("density", "wish", "sparse"),
    [(0.1, "auto", True), (0.9, "auto", False), (0.9, "sparse", True), (0.1, "dense", False)],
)
def test_execution_follows_density_and_recipe(density: float, wish: str, sparse: bool):
    result = encode_gemm(weight(256, 256, density=density), with_execution(wish))
    assert result.changes[0].execution.sparse is sparse
    decoder = "DecodeWeight" if density < 0.5 else "DecodeDenseWeight"
    assert result.model.graph[1].op_type == ("SparseQuantGemm" if sparse else decoder)


def test_more_outputs_than_the_library_takes_are_executed_dense():
    model = build("g (float[M, 1] A) => (float[M, N] Y) { Y = MatMul (A, W) }", W=np.ones((1, 2**22 + 1), np.float32))
    result = encode(model, with_execution("sparse"))
    assert result.model.graph[1].op_type.startswith("Decode")


def test_the_reason_for_dense_execution_is_said():
    array = weight(12, 64)
    result = encode(build("g (float[64, M] B) => (float[12, M] Y) { Y = MatMul(W, B) }", W=array), force=True)
    execution = result.changes[0].execution
    assert (execution.sparse, execution.reason) == (False, "is input 0 of MatMul")


def test_a_rule_can_leave_a_weight_alone():
    recipe = Recipe(rules=(Rule(pattern="W", skip=True),))
    assert reasons(encode_gemm(weight(64, 48), recipe))["W"] == "left alone by the recipe"


def test_quantized_weights_run_as_they_did():
    text = """g (float[M, 64] A) => (float[M, 48] Y) {
        F = DequantizeLinear(W, s)
        Y = MatMul(A, F)
    }"""
    model = build(text, W=np.ones((64, 48), np.int8), s=np.array(0.1, np.float32))
    result = encode(model, force=True)
    (change,) = result.changes
    assert (change.execution.sparse, change.execution.reason) == (False, "")
    assert [node.op_type for node in result.model.graph][-2:] == ["DequantizeLinear", "MatMul"]


def test_a_constant_inside_a_function_is_skipped():
    values = ", ".join(["1.0", "0.0"] * 64)
    text = f"""g (float[M, 64] A) => (float[M, 2] Y) {{ Y = local.head(A) }}
        <domain: "local", opset_import: ["" : 17]> head (a) => (y) {{
            w = Constant <value = float[64, 2] {{{values}}}> ()
            y = MatMul(a, w)
        }}"""
    result = encode(build(text), Recipe(min_elements=16), force=True)
    assert reasons(result)["w"] == "in the function head, which cannot hold initializers"


def test_a_compressed_model_is_refused():
    model = encode_gemm(weight(64, 48)).model
    with pytest.raises(ModelError, match="already compressed"):
        encode(model)


def test_an_old_operator_set_is_refused():
    with pytest.raises(ModelError, match="operator set 10: a compressed model needs 11 or later"):
        encode(build(GEMM, opset=10, W=weight(64, 48), C=normal(48)))


def test_the_change_counts_every_byte_of_the_group():
    result = encode_gemm(weight(64, 48))
    change, initializers = result.changes[0], result.model.graph.initializers
    stored = {name.partition(".")[2]: initializers[name].const_value.nbytes for name in TENSORS}
    assert (change.group.codebook_bytes, change.group.nbytes) == (stored["codebook"], sum(stored.values()))
    assert (change.dense.nbytes, change.weight.shape, change.group.bits) == (64 * 48 * 4, (64, 48), 4)


@pytest.mark.parametrize("inputs", ["X, W", "X, W, ", "X, W, B"])
def test_the_reference_evaluator_runs_convolutions_with_and_without_a_bias(inputs):
    """It wants every input of a function; decode must still tell an input left out from an empty one."""
    rng = np.random.default_rng(4)
    weight = np.where(rng.random((8, 8, 3, 3)) < 0.3, rng.integers(1, 8, (8, 8, 3, 3)) / 8, 0).astype(np.float32)
    names = [name.strip() for name in inputs.split(",")]
    tensors = {"W": weight, "B": np.ones(8, np.float32)}
    shapes = {"X": [1, 8, 5, 5], "Y": [1, 8, 5, 5]}
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    initializers = [onnx.numpy_helper.from_array(tensors[name], name) for name in names if name in tensors]
    node = onnx.helper.make_node("Conv", names, ["Y"], pads=[1, 1, 1, 1])
    graph = onnx.helper.make_graph([node], "g", [x], [y], initializers)
    dense = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    model = model_io.load(dense)
    encode(model, force=True)
    feed = {"X": rng.standard_normal(shapes["X"]).astype(np.float32)}
    (expected,) = onnxruntime.InferenceSession(dense.SerializeToString()).run(None, feed)
    (found,) = ReferenceEvaluator(ir.to_proto(model)).run(None, feed)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    decode(model)
    assert ir.to_proto(model) == dense


@pytest.mark.parametrize(("opset", "stored"), [(11, "float32"), (12, "float32"), (13, "bfloat16")])
def test_a_codebook_is_bfloat16_only_where_cast_takes_it(opset, stored):
    values = np.float32(2.0) ** np.arange(-40, 40, 8)  # beyond float16, exact in bfloat16
    array = np.random.default_rng(8).choice(values, (64, 48)).astype(np.float32)
    dense = ir.to_proto(build(GEMM, W=array, C=normal(48)))
    dense.opset_import[0].version = opset
    model = model_io.load(dense)
    encode(model, force=True)
    small = ir.to_proto(model)
    assert model.graph.initializers["1.codebook"].const_value.numpy().dtype.name == stored
    feed = {"A": np.random.default_rng(9).standard_normal((3, 64)).astype(np.float32)}
    runs = [onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feed)[0] for proto in (small, dense)]
    np.testing.assert_array_equal(*runs)


def test_a_weight_without_elements_stays_as_it_is():
    result = encode_gemm(np.zeros((64, 0), np.float32), Recipe(min_elements=0))
    assert reasons(result)["W"] == "has no elements"

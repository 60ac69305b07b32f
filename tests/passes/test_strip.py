"""Stripping: what goes, what stays, and that a model computes the same bits after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.model_io import load, save
from onnxdc.passes import strip as strip_module
from onnxdc.passes.decode import decode
from onnxdc.passes.plan import plan_weights
from onnxdc.passes.strip import strip_encoded, strippable_bytes
from onnxdc.passes.strip.shapes import drop_implied_shapes
from onnxdc.recipe import Options, Recipe
from tests.helpers.few_values import CASES, Case, run, weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal
from tests.helpers.text_models import run as run_plainly

TEXT = "written by an exporter"
LAYERS = """
g (float[N, 64] input) => (float[N, 32] output) <float[N, 48] long_name_of_a_product, float[N, 48] long_name_of_a_sum> {
    long_name_of_a_product = MatMul(input, layer_weight)
    long_name_of_a_sum = Relu(long_name_of_a_product)
    output = MatMul(long_name_of_a_sum, last_weight)
}
"""
SUBGRAPHS = """
g (bool which, float[N, 64] input) => (float[N, 48] output) {
    captured_value = Relu(input)
    branch_result = If (which) <
        then_branch = then () => (float[N, 48] then_result) {
            inner_value = Sigmoid(captured_value)
            then_result = MatMul(inner_value, weight)
        },
        else_branch = else () => (float[N, 48] else_result) {
            inner_value = Tanh(captured_value)
            else_result = MatMul(inner_value, weight)
        }>
    count = Constant <value = int64 {3}> ()
    true = Constant <value = bool {1}> ()
    looped = Loop (count, true, branch_result) <
        body = body (int64 iteration, bool before, float[N, 48] carried) => (bool after, float[N, 48] carried_out) {
            carried_sum = Add(carried, branch_result)
            carried_out = Tanh(carried_sum)
            after = Identity(before)
        }>
    output = Add(looped, branch_result)
}
"""
FUNCTION = """
<ir_version: 10, opset_import: ["" : 17, "local" : 1]>
g (float[N, 64] input) => (float[N, 48] output) {
    first_result = local.twice (input, weight)
    output = Relu(first_result)
}
<domain: "local", opset_import: ["" : 17]>
twice (first_argument, second_argument) => (result) {
    product_of_both = MatMul(first_argument, second_argument)
    result = Add(product_of_both, product_of_both)
}
"""


def stripped(model: ir.Model, recipe: Recipe | None = None) -> int:
    """Strip as the verbs do, and return the bytes that are told."""
    plan = plan_weights(model, recipe)
    return strip_module.strip(plan) + strip_encoded(plan)


def layers() -> ir.Model:
    return build(LAYERS, layer_weight=weight(64, 48), last_weight=weight(48, 32, seed=1))


def subgraphs() -> ir.Model:
    return build(SUBGRAPHS, weight=weight(64, 48))


def function() -> ir.Model:
    proto = onnx.parser.parse_model(FUNCTION)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight(64, 48), "weight"))
    return ir.from_proto(proto)


FEEDS = {"input": normal(5, 64)}
MODELS = [(layers, [FEEDS]), (subgraphs, [FEEDS | {"which": np.array(w)} for w in (True, False)]), (function, [FEEDS])]
each_model = pytest.mark.parametrize(("make", "feeds"), MODELS, ids=["layers", "subgraphs", "function"])


def messages(message: object) -> Iterator[object]:
    """A message of protobuf and all that are in it."""
    yield message
    for descriptor, content in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for each in [content] if hasattr(content, "ListFields") else content:
                yield from messages(each)


def with_texts(model: ir.Model) -> onnx.ModelProto:
    """A model with texts everywhere an exporter may write some."""
    proto = ir.to_proto(model)
    proto.producer_name, proto.producer_version = "a trainer", "2.9"
    for number, message in enumerate(messages(proto)):
        fields = message.DESCRIPTOR.fields_by_name
        if "doc_string" in fields:
            message.doc_string = f"{TEXT} {number}"
        if "metadata_props" in fields and not isinstance(message, onnx.ModelProto):
            message.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=f"{TEXT} {number} " * 20)
        if isinstance(message, onnx.NodeProto):
            message.name = f"{TEXT} {number}"
    proto.metadata_props.add(key="license", value="any")
    return proto


def value_names(model: ir.Model) -> set[str]:
    graphs = [model.graph, *model.graph.subgraphs(), *(function.graph for function in model.functions.values())]
    return {value.name for graph in graphs for node in graph for value in node.outputs}


@each_model
def test_a_model_computes_the_same_bits(make: Callable[[], ir.Model], feeds: list):
    model = load(with_texts(make()))
    before = [run_plainly(model, each) for each in feeds]
    assert stripped(model) > 0
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    for expected, each in zip(before, feeds, strict=True):
        for a, b in zip(expected, run_plainly(model, each), strict=True):
            np.testing.assert_array_equal(a, b)


@each_model
def test_no_text_of_an_exporter_is_left_before_or_after_encoding(make: Callable[[], ir.Model], feeds: list):
    model = load(with_texts(make()))
    plan = plan_weights(model)
    strip_module.strip(plan)
    assert TEXT.encode() not in ir.to_proto(model).SerializeToString()
    assert b"stack_trace" not in ir.to_proto(model).SerializeToString()
    encoded = encode(model, force=True).model
    assert "onnxdc.origin" not in encoded.metadata_props or TEXT not in encoded.metadata_props["onnxdc.origin"]
    assert (model.producer_name, model.producer_version) == ("a trainer", "2.9")
    assert model.metadata_props["license"] == "any"


@each_model
def test_the_names_that_others_use_stay(make: Callable[[], ir.Model], feeds: list):
    before, after = ir.to_proto(make()), load(make())
    stripped(after)
    proto = ir.to_proto(after)
    for field in ("input", "output", "initializer"):
        names = [[each.name for each in getattr(each.graph, field)] for each in (before, proto)]
        assert names[0] == names[1]
    for a, b in zip(before.functions, proto.functions, strict=True):
        assert (a.domain, a.name, a.input, a.output) == (b.domain, b.name, b.input, b.output)


def test_inner_names_get_short_in_every_scope():
    model, other = subgraphs(), function()
    stripped(model)
    stripped(other)
    outer = {"which", "input", "output", "weight"}
    assert all(len(name) == 1 for name in value_names(model) - outer)
    assert value_names(other) == {"a", "output", "result"}
    assert len(value_names(model)) == 13  # not one of them is there twice


def test_names_that_are_short_already_are_not_taken_twice():
    text = """
    g (float[N, 8] a, float[N, 8] long_name_c) => (float[N, 8] d) {
        long_name_e = Add(a, b)
        c = Relu(long_name_e)
        long_name_f = Add(c, long_name_c)
        e = Tanh(long_name_f)
        g = If (j) <
            then_branch = t () => (float[N, 8] f) { f = Add(e, c) },
            else_branch = u () => (float[N, 8] h) { i = Add(e, e) h = Neg(i) }>
        d = Add(g, e)
    }
    """
    model = build(text, b=normal(8), j=np.array(True))
    feeds = {"a": normal(3, 8), "long_name_c": normal(3, 8, seed=1)}
    expected = run_plainly(model, feeds)
    stripped(model)
    assert {"c", "e", "f", "g", "h", "i", "d"} < value_names(model)
    assert not any(name.startswith("long") for name in value_names(model))
    np.testing.assert_array_equal(run_plainly(model, feeds), expected)


def test_two_letters_come_after_one():
    nodes = "".join(f"value{i + 1} = Relu(value{i}) " for i in range(100))
    model = build(f"g (float[N] value0) => (float[N] y) {{ {nodes} y = Neg(value100) }}")
    stripped(model)
    assert len(value_names(model)) == 101
    assert sorted({len(name) for name in value_names(model)}) == [1, 2]
    assert stripped(model) == 0


@each_model
def test_stripping_again_drops_nothing(make: Callable[[], ir.Model], feeds: list):
    model = load(with_texts(make()))
    stripped(model)
    once = ir.to_proto(model)
    assert stripped(model) == 0
    assert ir.to_proto(model) == once


def test_names_of_large_constants_stay_and_those_of_small_ones_go():
    text = """
    g (float[N, 64] x) => (float[N, 48] y) {
        large_constant = Identity(W)
        small_constant = Constant <value = float[2] {1, 2}> ()
        y = MatMul(x, large_constant)
    }
    """
    model = build(text, W=weight(64, 48))
    value = ir.Tensor(weight(64, 48), name="inner name", doc_string=TEXT)
    node = next(node for node in model.graph if node.op_type == "Identity")
    node.op_type = "Constant"
    node.resize_inputs(0)
    node.attributes.add(ir.AttrTensor("value", value))
    model.graph.initializers.pop("W")
    stripped(model)
    assert value_names(model) == {"large_constant", "a", "y"}
    assert value.doc_string == TEXT  # the tensor may be another model's, too
    assert b"inner name" not in ir.to_proto(model).SerializeToString()


def test_names_in_quantization_annotations_stay():
    proto = ir.to_proto(layers())
    annotation = proto.graph.quantization_annotation.add(tensor_name="long_name_of_a_product")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="long_name_of_a_sum")
    model = ir.from_proto(proto)
    stripped(model)
    assert value_names(model) == {"a", "long_name_of_a_sum", "output"}
    (after,) = ir.to_proto(model).graph.quantization_annotation
    assert (after.tensor_name, after.quant_parameter_tensor_names[0].value) == ("a", "long_name_of_a_sum")


def test_tensors_in_files_are_read_without_their_texts(tmp_path):
    proto = with_texts(layers())
    onnx.save_model(proto, tmp_path / "m.onnx", save_as_external_data=True, location="data", size_threshold=0)
    model = load(tmp_path / "m.onnx")
    expected = run_plainly(layers(), FEEDS)
    stripped(model)
    save(model, tmp_path / "stripped.onnx")
    assert TEXT.encode() not in (tmp_path / "stripped.onnx").read_bytes()
    np.testing.assert_array_equal(run_plainly(load(tmp_path / "stripped.onnx"), FEEDS), expected)


def test_tensors_of_text_keep_it():
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (string[N] x) => (string[M] y) {y = Concat<axis=0>(x, words)}'
    )
    proto.graph.initializer.append(onnx.helper.make_tensor("words", onnx.TensorProto.STRING, [2], [b"a", b"b"]))
    proto.graph.initializer[0].doc_string = TEXT
    model = load(proto)
    stripped(model)
    (tensor,) = ir.to_proto(model).graph.initializer
    assert (list(tensor.string_data), tensor.doc_string) == ([b"a", b"b"], "")


def test_the_original_of_a_copy_is_left_alone():
    proto = with_texts(subgraphs())
    original = load(proto)
    before = ir.to_proto(original)
    stripped(original.clone())
    assert ir.to_proto(original) == before == proto


def shapes_of(model: ir.Model) -> dict[str, list[int | str]]:
    return {
        info.name: [dim.dim_value or dim.dim_param for dim in info.type.tensor_type.shape.dim]
        for info in ir.to_proto(model).graph.value_info
    }


def test_shapes_that_follow_are_dropped_and_others_stay():
    text = """
    g (float[2, 8] x) => (float[2, 8] y) <float[2, 8] b, float[4, 4] c, float[2, 9] d, float[2, 8] e> {
        b = Relu(x)
        c = local.Unknown(b)
        d = Identity(b)
        e = Reshape(c, shape)
        f = Add(b, e)
        y = Identity(f)
    }
    """
    model = build(text, shape=np.array([2, 8]))
    drop_implied_shapes(model)
    assert shapes_of(model) == {"c": [4, 4], "d": [2, 9], "shape": [2]}  # unknown to inference, and not what it finds


def test_a_size_without_a_number_is_no_reason_to_keep_a_shape():
    sizes = "float[batch, 8] b, float[-1, 8] c"
    model = build(f"g (float[N, 8] x) => (float[N, 8] y) <{sizes}> {{ b = Relu(x) c = Relu(b) y = Relu(c) }}")
    drop_implied_shapes(model)
    assert shapes_of(model) == {}


def test_sparse_operators_keep_the_shapes_that_kernels_ask_for():
    text = """
    g (float[4, 64] x) => (float[4, 8] y) <float[4, 64] b, float[4, 64] c, float[4, 64] d, float[4, 64] e> {
        b = MatMul(x, V)
        c = Relu(b)
        d = Sigmoid(c)
        e = MatMul(d, W)
        f = Relu(e)
        y = MatMul(f, U)
    }
    """
    model = build(text, V=weight(64, 64), W=weight(64, 64, seed=1), U=normal(64, 8))
    strip_module.strip(plan_weights(model))
    encode(model, Recipe(min_elements=1024, defaults=Options(execution="sparse")), force=True)
    drop_implied_shapes(model)
    assert [node.op_type for node in model.graph] == [
        "SparseQuantMatMulRelu",
        "Sigmoid",
        "SparseQuantMatMulRelu",
        "MatMul",
    ]
    assert list(shapes_of(model).values()) == [[4, 64]]  # of the first, whose output goes through Sigmoid to the second


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("execution", ["sparse", "dense"])
def test_every_weight_is_encoded_and_decoded_as_without_stripping(case: Case, execution: str):
    recipe = Recipe(min_elements=16, defaults=Options(execution=execution))
    model = load(with_texts(case.make()))
    strip_module.strip(plan_weights(model, recipe))
    bare = ir.to_proto(model)
    result = encode(model, recipe, force=True)
    plain = encode(case.make(), recipe, force=True)
    assert [change.name for change in result.changes] == [change.name for change in plain.changes]
    for native in (True, False):
        for expected, found in zip(
            run(plain.model, case.feeds, native=native), run(model, case.feeds, native=native), strict=True
        ):
            np.testing.assert_array_equal(expected, found)
    assert ir.to_proto(decode(model).model) == bare


@each_model
def test_bytes_are_told_nearly_exactly(make: Callable[[], ir.Model], feeds: list):
    proto = with_texts(make())
    model = load(proto)
    told = stripped(model)
    saved = proto.ByteSize() - ir.to_proto(model).ByteSize()
    assert abs(told - saved) <= 0.01 * saved


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_stripping_would_save_is_known_after_encoding(case: Case):
    recipe = Recipe(min_elements=16)
    encoded = encode(load(with_texts(case.make())), recipe, force=True).model
    before = ir.to_proto(encoded)
    told = strippable_bytes(encoded, recipe.min_elements)
    assert ir.to_proto(encoded) == before
    model = load(with_texts(case.make()))
    plan = plan_weights(model, recipe)
    strip_module.strip(plan)
    encode(model, recipe, force=True)
    strip_encoded(plan)
    saved = before.ByteSize() - ir.to_proto(model).ByteSize()
    assert abs(told - saved) <= 0.01 * saved + 32


def test_types_of_weights_that_are_inputs_too_stay_for_the_way_back():
    proto = ir.to_proto(layers())
    proto.graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, 1, tensor.dims) for tensor in proto.graph.initializer
    )
    recipe = Recipe(defaults=Options(execution="dense"))
    sizes = []
    for strip in (False, True):
        model = load(proto)
        plan = plan_weights(model, recipe)
        if strip:
            strip_module.strip(plan)
        encode(model, recipe, force=True)
        if strip:
            strip_encoded(plan)
        told = strippable_bytes(model, recipe.min_elements)
        sizes.append((ir.to_proto(model).ByteSize(), told))
        assert [value.name for value in ir.to_proto(decode(model).model).graph.input] == [
            *("input", "layer_weight", "last_weight")
        ]
        onnx.checker.check_model(ir.to_proto(model))
    (before, told), (after, rest) = sizes
    assert 0 < before - after - 8 <= told <= before - after + 8
    assert rest == 0

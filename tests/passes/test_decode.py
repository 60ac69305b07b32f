"""What decode gives back beyond the weights, and how it refuses damaged models."""

from __future__ import annotations

import json
from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.group import read_group
from onnxdc.errors import FormatError, ModelError
from onnxdc.model_io import load, to_proto
from onnxdc.numeric.decoding import decode_weight
from onnxdc.passes import decode as decode_module
from onnxdc.passes.decode import decode, decode_dense_nodes
from onnxdc.recipe import Options, Recipe
from tests.helpers.few_values import run, weight
from tests.helpers.merged_decoder import merged_decoder
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal

MATMUL = "g (float[M, 64] A) => (float[M, 48] Y) { Y = MatMul(A, W) }"
SPARSE = Recipe(defaults=Options(execution="sparse"))
DENSE = Recipe(defaults=Options(execution="dense"))


def proto_of_matmul() -> onnx.ModelProto:
    return ir.to_proto(build(MATMUL, W=weight(64, 48)))


def give_the_tensor_texts(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].doc_string = "trained for a week"
    proto.graph.initializer[0].metadata_props.add(key="epoch", value="7")


def give_the_value_texts(proto: onnx.ModelProto) -> None:
    info = proto.graph.value_info[0]
    assert info.name == "W"
    info.doc_string = "a weight"
    info.metadata_props.add(key="layer", value="fc1")
    info.type.tensor_type.shape.dim[0].dim_param = "features"


def store_in_float_data(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend(weight(64, 48).ravel())


def drop_the_value_info(proto: onnx.ModelProto) -> None:
    del proto.graph.value_info[:]


def give_the_model_texts(proto: onnx.ModelProto) -> None:
    proto.doc_string, proto.producer_name, proto.model_version = "a model", "a trainer", 3
    proto.metadata_props.add(key="license", value="any")
    proto.graph.doc_string = "its graph"
    proto.graph.node[0].metadata_props.add(key="scope", value="fc1")


@pytest.mark.parametrize(
    "change",
    [give_the_tensor_texts, give_the_value_texts, store_in_float_data, drop_the_value_info, give_the_model_texts],
)
@pytest.mark.parametrize("recipe", [SPARSE, DENSE], ids=["sparse", "dense"])
def test_what_the_tensors_do_not_say_comes_back(change: Callable[[onnx.ModelProto], None], recipe: Recipe):
    original = proto_of_matmul()
    change(original)
    compressed = ir.to_proto(encode(load(original), recipe, force=True).model)
    assert ir.to_proto(decode(load(compressed)).model) == original


GEMM = "g (float[M, 64] A) => (float[M, 48] Y) { Y = Gemm(A, W, b) }"
BRANCHES = """g (float[M, 64] A, bool c) => (float[M, 48] Y) {
    Y, Z = If (c) <
        then_branch = one () => (float[M, 48] u, float[64, 48] V) { u = MatMul(A, V) },
        else_branch = other () => (float[M, 48] v, float[64, 48] W) { v = MatMul(A, W) }
    >
}"""


@pytest.mark.parametrize("name", ["W", "b"])
@pytest.mark.parametrize("has_info", [False, True], ids=["no info", "info"])
@pytest.mark.parametrize("recipe", [SPARSE, DENSE], ids=["sparse", "dense"])
def test_an_initializer_that_is_an_output_comes_back(name: str, has_info: bool, recipe: Recipe):
    original = ir.to_proto(build(GEMM, W=weight(64, 48), b=normal(48)))
    (info,) = [each for each in original.graph.value_info if each.name == name]
    original.graph.output.append(info)
    if not has_info:
        original.graph.value_info.remove(info)
    compressed = to_proto(encode(load(original), recipe, force=True).model)
    assert to_proto(decode(load(compressed)).model) == original


@pytest.mark.parametrize("execution", ["sparse", "dense"])
def test_initializers_that_are_outputs_of_branches_come_back(execution: str):
    original = ir.to_proto(build(BRANCHES))
    for attribute in original.graph.node[0].attribute:
        name = attribute.g.output[1].name
        attribute.g.initializer.append(onnx.numpy_helper.from_array(weight(64, 48), name))
    recipe = Recipe(defaults=Options(execution=execution))
    compressed = to_proto(encode(load(original), recipe, force=True).model)
    assert is_compressed(load(compressed))
    assert to_proto(decode(load(compressed)).model) == original


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_data_fields_of_other_types_come_back(dtype: type):
    array = weight(64, 48, dtype=dtype)
    original = ir.to_proto(build("g (float[M, 64] A) => (float[M, 48] Y) { F = Cast <to=1> (W)  Y = MatMul(A, F) }"))
    data_type = ir.DataType.from_numpy(array.dtype).value
    original.graph.initializer.append(onnx.helper.make_tensor("W", data_type, array.shape, array.ravel()))
    compressed = ir.to_proto(encode(load(original), force=True).model)
    assert not original.graph.initializer[0].raw_data
    assert ir.to_proto(decode(load(compressed)).model) == original


def test_a_lifted_ir_version_comes_back():
    original = ir.to_proto(build(MATMUL, ir_version=4, W=weight(64, 48)))
    model = encode(load(original), force=True).model
    assert model.ir_version == 8
    assert ir.to_proto(decode(model).model) == original


def test_a_constant_node_still_comes_before_its_consumer_in_a_changed_graph():
    model = build(
        "g (float[M, 64] A) => (float[M, 48] Y) { B = Relu(A)  C = Relu(B)  Y = MatMul(C, W) }", W=weight(64, 48)
    )
    value = model.graph.initializers.pop("W")
    constant = ir.Node("", "Constant", [], [ir.AttrTensor("value", ir.Tensor(weight(64, 48)))])
    constant.outputs[0].name = "W"
    value.replace_all_uses_with(constant.outputs[0])
    model.graph.insert_before(model.graph[2], constant)
    expected = run(model, {"A": normal(3, 64)})
    encode(model, SPARSE, force=True)
    for relu in list(model.graph)[:2]:  # somebody removes two nodes of the compressed model
        relu.outputs[0].replace_all_uses_with(relu.inputs[0])
        model.graph.remove(relu, safe=True)
    decode(model)
    np.testing.assert_array_equal(run(model, {"A": np.maximum(normal(3, 64), 0)}), expected)


def test_decoding_what_is_not_compressed_is_refused():
    model = build(MATMUL, W=weight(64, 48))
    assert not is_compressed(model)
    with pytest.raises(ModelError, match="nothing to decode"):
        decode(model)


def compressed_matmul(recipe: Recipe = SPARSE) -> ir.Model:
    return encode(build(MATMUL, W=weight(64, 48)), recipe, force=True).model


def corrupt_codes(model: ir.Model) -> None:
    value = model.graph.initializers["1.codes"]
    array = value.const_value.numpy().copy()
    array[3] ^= 0x10
    value.const_value = ir.Tensor(array, name="1.codes")


def forget_the_extent(model: ir.Model) -> None:
    model.graph[0].replace_input_with(8, None)


def feed_the_extent(model: ir.Model) -> None:
    extent = model.graph.initializers.pop("1.extent")
    extent.const_value = None
    model.graph.inputs.append(extent)


def drop_the_checksum(model: ir.Model) -> None:
    del model.graph[0].attributes["checksum"]


def claim_an_unknown_type(model: ir.Model) -> None:
    model.graph[0].attributes.add(ir.AttrInt64("dtype", 99))


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (corrupt_codes, "checksum"),
        (forget_the_extent, "tensor-type"),
        (feed_the_extent, "tensor-type"),
        (drop_the_checksum, "checksum"),
        (claim_an_unknown_type, "codebook-type"),
    ],
)
def test_a_damaged_weight_is_named(damage: Callable[[ir.Model], None], rule: str):
    model = compressed_matmul()
    damage(model)
    with pytest.raises(FormatError, match=r"^(W|SparseQuantMatMul.*): " + rule) as caught:
        decode(model)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"weights": 3}', '{"weights": {"W": {"input": "first"}}}', '{"weights": {"W": {"unknown": 1}}}'],
)
def test_a_damaged_origin_is_named(text: str):
    model = compressed_matmul()
    model.metadata_props["onnxdc.origin"] = text
    with pytest.raises(ModelError, match=r"onnxdc\.origin"):
        decode(model)


def test_an_unknown_operator_of_the_domain_is_named():
    model = compressed_matmul()
    model.graph[0].op_type = "SparseQuantSoftmax"
    with pytest.raises(ModelError, match=r"unknown operator onnxdc\.SparseQuantSoftmax"):
        decode(model)


def test_only_dense_nodes_are_decoded_for_running():
    text = "g (float[M, 256] A) => (float[M, 256] Y) { B = MatMul(A, V)  Y = MatMul(B, W) }"
    model = build(text, V=weight(256, 256, density=0.1), W=weight(256, 256, density=0.9, seed=1))
    feeds = {"A": normal(3, 256)}
    expected = run(model, feeds)
    encode(model, force=True)
    result = decode_dense_nodes(model)
    assert [change.name for change in result.changes] == ["W"]
    assert [node.op_type for node in model.graph] == ["SparseQuantMatMul", "MatMul"]
    assert [name for name in model.graph.initializers if name.startswith("W")] == ["W"]
    np.testing.assert_allclose(run(model, feeds, native=True), expected, rtol=1e-5, atol=1e-5)


def test_a_decoder_can_be_given():
    seen = []

    def decoder(compressed):
        seen.append(compressed)
        return decode_weight(compressed)

    model = compressed_matmul()
    expected = read_group(model.graph[0])
    decode(model, decoder=decoder)
    assert [found.checksum for found in seen] == [expected.checksum]


def test_large_weights_are_decoded_when_they_are_read(monkeypatch):
    monkeypatch.setattr(decode_module, "_LAZY", 1000)
    original = proto_of_matmul()
    model = decode(encode(load(original), force=True).model).model
    assert isinstance(model.graph.initializers["W"].const_value, ir.LazyTensor)
    assert ir.to_proto(model) == original


def test_the_origin_is_compact_json():
    model = encode(load(proto_of_matmul()), SPARSE, force=True).model
    assert json.loads(model.metadata_props["onnxdc.origin"]) == {"weights": {"W": {"info": "plain"}}}


@pytest.mark.parametrize("name", ["a", "r"])
def test_a_weight_whose_name_an_inner_graph_has_is_refused(name: str):
    """By that name the nodes of the inner graph would read its own value, not the weight."""
    model = encode(merged_decoder(), SPARSE).model
    codebook = model.graph.initializers.pop("v.codebook")
    codebook.name = f"{name}.codebook"
    model.graph.initializers.add(codebook)
    with pytest.raises(ModelError, match=f"{name}: a weight decodes to this name, which another value has"):
        decode(load(ir.to_proto(model)))

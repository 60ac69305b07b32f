"""The portable bodies in onnxruntime and onnx.reference, against the standard operators on the dense weight."""

from __future__ import annotations

import collections

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from onnxdc.domain.group import decoder_of
from onnxdc.domain.operators import DECODERS
from onnxdc.domain.portable import portable_functions
from onnxdc.domain.portable.symbols import Stream, SymbolsLayout, Table
from onnxdc.numeric.encoding import encode_weight, plain
from tests.helpers.portable_models import (
    NEWEST_OPSET,
    OPSETS,
    Node,
    compressed_model,
    model_of,
    run,
    run_in_reference,
    sparse,
)

OPERATORS = ["DecodeWeight", "SparseQuantConv", "SparseQuantGather", "SparseQuantGemm", "SparseQuantMatMul"]
BYTES_ALLOWED = 9500
RNG = np.random.default_rng(7)


def activations(*shape: int) -> np.ndarray:
    """Small integers, so that products with the weights of `sparse` add up exactly in any order."""
    return RNG.integers(-4, 5, shape).astype(np.float32)


INDICES = np.array([[1, 5], [0, -1]], np.int64)

CASES = {
    "gemm": ("Gemm", sparse((20, 12), 0.3), Node(2, {"A": activations(3, 20)}, {"C": activations(12)})),
    "gemm without C": ("Gemm", sparse((20, 12), 0.3), Node(2, {"A": activations(3, 20)}, {}, {"transB": 0})),
    "gemm with all": (
        "Gemm",
        sparse((12, 20), 0.3),
        Node(
            2,
            {"A": activations(20, 3)},
            {"C": activations(3, 1)},
            {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1},
        ),
    ),
    "matmul": ("MatMul", sparse((20, 12), 0.3), Node(3, {"A": activations(2, 3, 20)})),
    "matmul of a vector": ("MatMul", sparse((20, 12), 1.0), Node(1, {"A": activations(20)})),
    "conv": ("Conv", sparse((6, 4, 3, 3), 0.3), Node(4, {"X": activations(2, 4, 8, 9)}, {"B": activations(6)})),
    "conv without B": (
        "Conv",
        sparse((6, 4, 3, 3), 0.3),
        Node(4, {"X": activations(1, 4, 8, 9)}, {}, {"auto_pad": "SAME_UPPER"}),
    ),
    "conv with all": (
        "Conv",
        sparse((6, 2, 3, 2), 0.5),
        Node(
            4,
            {"X": activations(1, 4, 9, 10)},
            {"B": activations(6)},
            {"dilations": [2, 1], "group": 2, "kernel_shape": [3, 2], "pads": [1, 0, 2, 1], "strides": [2, 3]},
        ),
    ),
    "conv of rank 1": ("Conv", sparse((5, 3, 4), 0.5), Node(3, {"X": activations(2, 3, 11)}, {}, {"strides": [2]})),
    "conv of rank 3": ("Conv", sparse((3, 2, 2, 3, 2), 0.5), Node(5, {"X": activations(1, 2, 4, 5, 4)})),
    "gather": ("Gather", sparse((8, 10), 0.3), Node(3, {}, {"indices": INDICES})),
    "gather on axis 1": ("Gather", sparse((8, 10), 1.0), Node(3, {}, {"indices": INDICES}, {"axis": 1})),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", CASES)
def test_operator_equals_the_standard_one_on_the_dense_weight(name, opset):
    standard, weight, node = CASES[name]
    expected = run(model_of(standard, {"W": weight}, node, opset), node.feeds)
    model = compressed_model(f"SparseQuant{standard}", weight, node, opset)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run(model, node.feeds), expected)
    np.testing.assert_array_equal(run_in_reference(model, node.feeds), expected)


def with_groups(shape: tuple[int, ...], groups: int, axis: int) -> np.ndarray:
    """A weight with 200 values in each of its groups, and others in every next one."""
    weight = np.moveaxis(sparse(shape, 0.9, values=200), axis, 0).copy()
    for number, part in enumerate(np.split(weight, groups), 1):
        part *= np.float32(number) + np.float32(1 / 1024)
    return np.ascontiguousarray(np.moveaxis(weight, 0, axis))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("groups", "axis"), [(1, 0), (2, 0), (3, 1), (2, 2)])
def test_decode_weight_yields_the_weight_in_every_opset(groups, axis, opset):
    weight = with_groups((14, 12, 10), groups, axis)
    group = encode_weight(weight, group_axis=axis)
    assert len(group.codebook) == groups
    attributes = {"group_axis": axis} if groups > 1 else {}
    model = compressed_model(decoder_of(group), group, Node(3, attributes=attributes), opset)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run(model), weight)
    np.testing.assert_array_equal(run_in_reference(model), weight)


@pytest.mark.parametrize("axis", [0, 1])
def test_fused_operator_hands_its_group_axis_on(axis):
    weight = with_groups((40, 20), 2, axis)
    group = encode_weight(weight, group_axis=axis)
    assert len(group.codebook) == 2
    node = Node(3, {}, {"indices": INDICES}, {"group_axis": axis})
    np.testing.assert_array_equal(
        run(compressed_model("SparseQuantGather", group, node, 17), node.feeds), weight[INDICES]
    )


@pytest.mark.parametrize("packet", [8, 16, 32, 64])
@pytest.mark.parametrize("density", [0.5, 1.0])
def test_any_packet_size(packet, density):
    weight = sparse((90, 100), density)
    group = encode_weight(weight, packet=packet)
    model = compressed_model(decoder_of(group), group, Node(2), 17)
    np.testing.assert_array_equal(run(model), weight)
    np.testing.assert_array_equal(run_in_reference(model), weight)


@pytest.mark.parametrize("opset", [11, 15, 17, NEWEST_OPSET])
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("values", [1, 2, 3, 15, 100, 255])
def test_codes_of_any_number_of_values(values, density, opset):
    weight = sparse((60, 70), density, values=values)
    group = encode_weight(weight)
    model = compressed_model(decoder_of(group), group, Node(2), opset)
    np.testing.assert_array_equal(run(model), weight)
    np.testing.assert_array_equal(run_in_reference(model), weight)


@pytest.mark.parametrize("entries", [0, 1, 2, 7, 64, 65, 455])
@pytest.mark.parametrize("values", [1, 11, 60])
def test_few_entries(values, entries):
    weight = np.zeros(1000, np.float32)
    weight[1 : 2 * entries : 2] = np.resize(np.arange(1, values + 1, dtype=np.float32) / 7, entries)
    group = encode_weight(weight)
    model = compressed_model(decoder_of(group), group, Node(1), 17)
    np.testing.assert_array_equal(run(model), weight)
    np.testing.assert_array_equal(run_in_reference(model), weight)


@pytest.mark.parametrize("opset", [13, 17, NEWEST_OPSET])
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint8"])
def test_other_element_types(dtype, density, opset):
    rng = np.random.default_rng(3)
    weight = rng.integers(-7, 8, (40, 50)) if dtype != "uint8" else rng.integers(0, 16, (40, 50))
    weight = (weight * (rng.random((40, 50)) < density)).astype(dtype)
    group = encode_weight(weight)
    kind = helper.np_dtype_to_tensor_dtype(weight.dtype)
    model = compressed_model(decoder_of(group), group, Node(2, attributes={"dtype": kind}, kind=kind), opset)
    result = run(model)
    assert result.dtype == weight.dtype
    np.testing.assert_array_equal(result, weight)
    np.testing.assert_array_equal(run_in_reference(model), weight)


@pytest.mark.parametrize("opset", [11, 17, NEWEST_OPSET])
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("operator", ["DecodeWeight", "SparseQuantGather"])
def test_plain_streams(operator, density, opset):
    weight = sparse((40, 50), density)
    group = plain(encode_weight(weight))
    node = Node(2) if operator == "DecodeWeight" else Node(3, {}, {"indices": INDICES})
    model = compressed_model(decoder_of(group) if operator == "DecodeWeight" else operator, group, node, opset)
    assert not any("Symbols" in function.name for function in model.functions)
    expected = weight if operator == "DecodeWeight" else weight[INDICES]
    np.testing.assert_array_equal(run(model, node.feeds), expected)
    np.testing.assert_array_equal(run_in_reference(model, node.feeds), expected)


@pytest.mark.parametrize("opset", [21, 22, 23, 24, NEWEST_OPSET])
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("dtype", ["int4", "uint4"])
def test_integers_of_four_bits(dtype, density, opset):
    rng = np.random.default_rng(3)
    integers = rng.integers(-8, 8, (40, 50)) if dtype == "int4" else rng.integers(0, 16, (40, 50))
    weight = (integers * (rng.random((40, 50)) < density)).astype(np.int8).astype(getattr(ml_dtypes, dtype))
    group = encode_weight(weight)
    kind = helper.np_dtype_to_tensor_dtype(weight.dtype)
    model = compressed_model(decoder_of(group), group, Node(2, attributes={"dtype": kind}, kind=kind), opset)
    cast = helper.make_node("Cast", ["Y"], ["Z"], to=TensorProto.INT32)  # Python cannot take what is packed
    model.graph.node.append(cast)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("Z", TensorProto.INT32, [40, 50]))
    np.testing.assert_array_equal(run(model), weight.astype(np.int32))


@pytest.mark.parametrize("opset", [11, 17, NEWEST_OPSET])
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("operator", ["", "SparseQuantGather"])
def test_weights_on_a_grid(operator, density, opset):
    rng = np.random.default_rng(3)
    weight = np.float32(0.0625 * 1.375) * rng.integers(-60, 61, (40, 50)) * (rng.random((40, 50)) < density)
    weight = (weight + np.float32(0)).astype(np.float32)
    group = encode_weight(weight)
    assert group.step.size == 1
    node = Node(3, {}, {"indices": INDICES}) if operator else Node(2)
    model = compressed_model(operator or decoder_of(group), group, node, opset)
    expected = weight[INDICES] if operator else weight
    np.testing.assert_array_equal(run(model, node.feeds), expected)
    np.testing.assert_array_equal(run_in_reference(model, node.feeds), expected)


@pytest.mark.parametrize("opset", [11, 17, NEWEST_OPSET])
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("is_grid", [False, True])
def test_one_body_decodes_weights_of_each_kind_and_form(is_grid, density, opset):
    rng = np.random.default_rng(5)
    weight = (rng.integers(-30, 31, (40, 50)) * (rng.random((40, 50)) < density)).astype(np.float32)
    weight *= np.float32(0.375) if is_grid else np.float32(1 / 3)
    group = encode_weight(weight + np.float32(0))
    node = Node(3, {}, {"indices": INDICES})
    model = compressed_model("SparseQuantGather", group, node, opset, decoders=DECODERS)
    assert "DecodeAny" in {function.name for function in model.functions}
    np.testing.assert_array_equal(run(model, node.feeds), weight[INDICES])
    np.testing.assert_array_equal(run_in_reference(model, node.feeds), weight[INDICES])


@pytest.mark.parametrize("opset", OPSETS)
def test_onnxruntime_folds_the_decoder_when_it_creates_the_session(opset, tmp_path):
    node = Node(2, {"A": activations(3, 60)})
    model = compressed_model("SparseQuantGemm", sparse((60, 40), 0.2), node, opset)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    assert [node.op_type for node in graph.node] == ["Gemm"]
    assert len(graph.initializer) == 1


@pytest.mark.parametrize("opset", OPSETS)
def test_shape_inference_goes_through_the_bodies(opset):
    model = compressed_model("SparseQuantMatMul", sparse((20, 12), 0.3), Node(2, {"A": activations(3, 20)}), opset)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert inferred.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("opset", OPSETS)
def test_all_bodies_together_are_small(opset):
    table = Table(values=16, low=False, shortest=2)
    layout = SymbolsLayout("SparseSymbols", 32, (table,), (Stream(0, 10, 100), Stream(0, 10, 100)))
    functions = portable_functions(OPERATORS, opset, [layout], decoders=["DecodeWeight"], attributes=[])
    model = helper.make_model(helper.make_graph([], "g", [], []))
    empty = model.ByteSize()
    model.functions.extend(functions)
    assert model.ByteSize() - empty < BYTES_ALLOWED


def test_functions_import_the_given_version_and_their_own_domain_where_they_call_it():
    for function in portable_functions(OPERATORS, 15):
        calls = collections.Counter(node.domain for node in function.node)
        expected = {"": 15} | ({"onnxdc": 1} if calls["onnxdc"] else {})
        assert {entry.domain: entry.version for entry in function.opset_import} == expected


def test_only_what_is_asked_for_travels():
    names = [function.name for function in portable_functions(["SparseQuantConv"], 17, decoders=["DecodeGrid"])]
    assert names == ["DecodeGrid", "SparseQuantConv"]
    names = [function.name for function in portable_functions(["SparseQuantConv"], 17)]
    assert names == ["DecodeAny", "SparseQuantConv"]
    assert portable_functions([], 17) == []


def test_unknown_operator_is_an_error():
    with pytest.raises(ValueError, match="SparseQuantFoo"):
        portable_functions(["SparseQuantFoo"], 17)

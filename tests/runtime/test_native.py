"""The native library from Python: which file, which instruction set, and what it says of a bad model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import onnxdc
from onnxdc import native
from onnxdc.errors import FormatError, NativeError
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.weight import crc32
from tests.helpers.native_models import Pair, normal, session, sparse_array

STREAMS = ("code_table", "codes", "gap_table", "gaps", "extent")
RUNTIME_ERRORS = onnxruntime.capi.onnxruntime_pybind11_state


def gemm_pair() -> Pair:
    rng = np.random.default_rng(0)
    return Pair("Gemm", sparse_array(rng, (20, 12)), {"A": normal(rng, (3, 20)), "C": normal(rng, (12,))})


def creation_error(model: onnx.ModelProto) -> str:
    """The message of the error that creating a session raises."""
    with pytest.raises(Exception, match="SparseQuant") as error:
        session(model)
    return str(error.value)


def test_library_path_is_a_file_that_exists():
    assert Path(native.library_path()).is_file()


def test_decode_weight_gives_the_weight_back():
    weight = sparse_array(np.random.default_rng(1), (50, 60))
    np.testing.assert_array_equal(native.decode_weight(encode_weight(weight)), weight)


def test_decode_weight_takes_tensors_that_are_not_contiguous():
    weight = sparse_array(np.random.default_rng(1), (50, 60))
    encoded = encode_weight(weight)
    every_second = {name: np.repeat(getattr(encoded, name), 2, axis=-1)[..., ::2] for name in ("codebook", *STREAMS)}
    strided = replace(encoded, **every_second)
    np.testing.assert_array_equal(native.decode_weight(strided), weight)


def test_decode_weight_names_the_rule_that_is_broken():
    encoded = encode_weight(sparse_array(np.random.default_rng(1), (50, 60)))
    with pytest.raises(FormatError, match="the CRC-32 is") as error:
        native.decode_weight(replace(encoded, checksum=encoded.checksum ^ 1))
    assert error.value.rule == "checksum"


@pytest.mark.parametrize("name", ["sse9", "AVX2", "scalar "])
def test_unknown_instruction_set_is_an_error(name, monkeypatch):
    monkeypatch.setenv("ONNXDC_ISA", name)
    with pytest.raises(NativeError, match="ONNXDC_ISA"):
        native.isa()
    with pytest.raises(Exception, match="ONNXDC_ISA"):
        session(gemm_pair().sparse_model())


def test_instruction_set_of_another_architecture_is_an_error(monkeypatch):
    monkeypatch.delenv("ONNXDC_ISA", raising=False)
    other = "avx2" if native.isa().startswith("neon") else "neon"
    monkeypatch.setenv("ONNXDC_ISA", other)
    with pytest.raises(NativeError, match=other):
        native.isa()


def test_package_that_was_not_installed_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxdc, "__path__", [str(tmp_path)])
    with pytest.raises(NativeError, match="installed without its native library; `onnxdc doctor` says what to do"):
        native.library_path()


def test_supported_instruction_sets_end_with_scalar_and_begin_with_the_default(monkeypatch):
    monkeypatch.delenv("ONNXDC_ISA", raising=False)
    supported = native.supported_isas()
    assert supported[0] == native.isa()
    assert supported[-1] == "scalar"


def with_body(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a body for its operator that yields something else, so that one can tell which of the two ran."""
    node = model.graph.node[0]
    inputs = [f"i{i}" for i in range(len(node.input))]
    body = onnx.helper.make_node("Neg", inputs[:1], ["negated"])
    attributes = [attribute.name for attribute in node.attribute]
    imports = [onnx.helper.make_opsetid("", 17)]
    function = onnx.helper.make_function("onnxdc", node.op_type, inputs, ["negated"], [body], imports, attributes)
    model.functions.append(function)
    return model


def test_kernel_runs_where_the_model_has_a_body_too():
    pair = gemm_pair()
    np.testing.assert_array_equal(pair.run(with_body(pair.sparse_model())), pair.run(pair.sparse_model()))


@pytest.mark.parametrize("body", [False, True])
def test_shapes_behind_the_kernel_are_found_at_run_time(body):
    pair = gemm_pair()
    model = with_body(pair.sparse_model()) if body else pair.sparse_model()
    nodes = [
        onnx.helper.make_node("Transpose", ["Y"], ["T"], perm=[1, 0]),
        onnx.helper.make_node("Shape", ["T"], ["S"]),
        onnx.helper.make_node("ConstantOfShape", ["S"], ["Z"]),
    ]
    model.graph.node.extend(nodes)
    model.graph.output[0].name = "Z"
    assert pair.run(model).shape == (12, 3)


def test_creation_error_names_node_weight_and_rule():
    pair = gemm_pair()
    message = creation_error(pair.sparse_model(replace(pair.compressed, checksum=7)))
    assert "SparseQuantGemm node 'node', weight 'W': checksum: the CRC-32 is" in message


def test_weight_that_is_given_is_read_in_the_first_run_and_may_not_change():
    pair = gemm_pair()
    expected, model = pair.run(pair.dense_model()), pair.sparse_model()
    (codes,) = [tensor for tensor in model.graph.initializer if tensor.name == "W.codes"]
    model.graph.initializer.remove(codes)
    model.graph.input.append(onnx.helper.make_tensor_value_info("W.codes", codes.data_type, list(codes.dims)))
    created, given = session(model), onnx.numpy_helper.to_array(codes)
    damaged = given ^ np.uint8(1)
    for _ in range(2):
        with pytest.raises(Exception, match="SparseQuantGemm node 'node', weight 'W': checksum: the CRC-32 is"):
            created.run(None, pair.feeds | {"W.codes": damaged})
    for _ in range(2):
        (found,) = created.run(None, pair.feeds | {"W.codes": given.copy()})
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(Exception, match="weight 'W': the weight group is another than in the first run"):
        created.run(None, pair.feeds | {"W.codes": damaged})


def test_missing_checksum_is_an_error():
    model = gemm_pair().sparse_model()
    attributes = model.graph.node[0].attribute
    attributes.remove(next(attribute for attribute in attributes if attribute.name == "checksum"))
    assert "attribute checksum is missing" in creation_error(model)


def test_weight_of_another_type_is_an_error():
    pair = gemm_pair()
    message = creation_error(pair.sparse_model(encode_weight(pair.weight.astype(np.float64))))
    assert "element type 11" in message


BAD_ATTRIBUTES = {
    "alpha": ("Gemm", {"alpha": 1}, "attribute alpha must be a float"),
    "alpha as a list": ("Gemm", {"alpha": [1.0]}, "attribute alpha must be a float"),
    "transB": ("Gemm", {"transB": "yes"}, "attribute transB must be an integer"),
    "kernel_shape": ("Conv", {"kernel_shape": [3, 2]}, "kernel_shape is [3, 2], the weight's is [3, 3]"),
    "strides": ("Conv", {"strides": [1]}, "strides is [1], expected 2 values"),
    "zero stride": ("Conv", {"strides": [0, 1]}, "strides is [0, 1], expected 2 values from 1"),
    "huge dilation": ("Conv", {"dilations": [2**62, 1]}, "dilations is"),
    "pads": ("Conv", {"pads": [1, 1, -1, 1]}, "pads is [1, 1, -1, 1], expected 4 values from 0"),
    "auto_pad": ("Conv", {"auto_pad": "SAME"}, "auto_pad is SAME"),
    "group": ("Conv", {"group": 3}, "group is 3, which does not divide 4 output channels"),
    "axis": ("Gather", {"axis": 2}, "axis is 2, the weight has rank 2"),
    "weight of rank 4 in a matrix product": ("MatMul", {}, "expected rank 2"),
    "weight of rank 2 in a convolution": ("Conv", {}, "expected rank 3, 4 or 5"),
}


@pytest.mark.parametrize("name", BAD_ATTRIBUTES)
def test_attribute_that_does_not_fit_is_an_error(name):
    op, attributes, message = BAD_ATTRIBUTES[name]
    shape: tuple[int, ...] = {"Conv": (4, 2, 3, 3), "MatMul": (4, 5)}.get(op, (6, 5))
    if not attributes:
        shape = (4, 2, 3, 3) if op == "MatMul" else (4, 5)
    feeds = {"indices": np.arange(3)} if op == "Gather" else {"A": np.ones((1, 1), np.float32)}
    pair = Pair(op, sparse_array(np.random.default_rng(2), shape), feeds)
    assert message in creation_error(pair.sparse_model(**attributes))


CLAIMED_OUTPUTS = {
    "columns": ("Gemm", (1, 2**22 + 1), {}),
    "rows, transposed": ("Gemm", (2**22 + 1, 1), {"transB": 1}),
    "columns of a weight without elements": ("MatMul", (0, 2**31 - 1), {}),
    "channels": ("Conv", (2**30, 1, 1), {}),
    "channels of their own": ("Conv", (2**28, 1, 1), {"group": 2**28}),
}


@pytest.mark.parametrize("name", CLAIMED_OUTPUTS)
def test_outputs_that_a_small_file_only_claims_to_have_take_no_memory(name):
    op, shape, attributes = CLAIMED_OUTPUTS[name]
    empty = replace(encode_weight(np.zeros((1, 1), np.float32)), extent=np.array([0, 0, *shape], np.int64))
    empty = replace(empty, checksum=crc32(empty.tensors))
    pair = Pair(op, np.zeros((1, 1), np.float32), {"A": np.ones((1, 1), np.float32)}, attributes)
    assert "outputs, this operator takes at most 4194304" in creation_error(pair.sparse_model(empty))


BAD_INPUTS = {
    "inner dimensions": ("Gemm", (20, 12), {"A": (3, 21)}, {}, "expected [M, 20]"),
    "rank of A": ("Gemm", (20, 12), {"A": (3, 2, 20)}, {}, "expected [M, 20]"),
    "transposed": ("Gemm", (20, 12), {"A": (3, 20)}, {"transA": 1}, "expected [20, M]"),
    "C too long": ("Gemm", (20, 12), {"A": (3, 20), "C": (13,)}, {}, "broadcast"),
    "C of rank 3": ("Gemm", (20, 12), {"A": (3, 20), "C": (1, 1, 12)}, {}, "broadcast"),
    "C with more rows": ("Gemm", (20, 12), {"A": (1, 20), "C": (3, 12)}, {}, "broadcast"),
    "last dimension": ("MatMul", (20, 12), {"A": (2, 3, 21)}, {}, "last dimension of 20"),
    "scalar": ("MatMul", (20, 12), {"A": ()}, {}, "last dimension of 20"),
    "channels": ("Conv", (4, 2, 3, 3), {"X": (1, 3, 8, 8)}, {}, "with 2 channels"),
    "rank": ("Conv", (4, 2, 3, 3), {"X": (1, 2, 8)}, {}, "expected rank 4"),
    "smaller than the kernel": ("Conv", (4, 2, 3, 3), {"X": (1, 2, 2, 8)}, {}, "smaller than the kernel"),
    "padding beyond all memory": (
        "Conv",
        (1, 1, 2, 2, 2),
        {"X": (1, 1, 1, 1, 1)},
        {"pads": [2**31 - 1] * 3 + [0] * 3, "dilations": [2**31 - 1] * 3},
        "more than 2^40 elements",
    ),
    "bias": ("Conv", (4, 2, 3, 3), {"X": (1, 2, 8, 8), "B": (5,)}, {}, "expected [4]"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_input_that_does_not_fit_is_an_error_of_that_run_only(name):
    op, weight_shape, shapes, attributes, message = BAD_INPUTS[name]
    rng = np.random.default_rng(3)
    pair = Pair(
        op, sparse_array(rng, weight_shape), {key: normal(rng, shape) for key, shape in shapes.items()}, attributes
    )
    with pytest.raises(RUNTIME_ERRORS.InvalidArgument, match="weight 'W'") as error:
        pair.run(pair.sparse_model())
    assert message in str(error.value)


@pytest.mark.parametrize("index", [6, -7, 2**40, -(2**63)])
def test_index_out_of_range_is_an_error(index):
    pair = Pair("Gather", sparse_array(np.random.default_rng(4), (6, 5)), {"indices": np.array([0, index])})
    with pytest.raises(RUNTIME_ERRORS.InvalidArgument, match=f"index {index} is out of range for an axis of length 6"):
        pair.run(pair.sparse_model())


def test_indices_of_another_type_are_an_error():
    pair = Pair("Gather", sparse_array(np.random.default_rng(4), (6, 5)), {"indices": np.array([0.0], np.float32)})
    with pytest.raises(RUNTIME_ERRORS.InvalidArgument, match="expected int32"):
        pair.run(pair.sparse_model())

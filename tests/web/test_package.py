"""The npm package: its own tests, and what it makes of every operator and type that the encoder writes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper

import onnxdc
from onnxdc.domain.group import decoder_of
from onnxdc.domain.operators import ACTIVATIONS, OPERATORS
from onnxdc.numeric.encoding import encode_weight, plain
from tests.helpers.int8_models import images, residual_network
from tests.helpers.integer_models import MODELS as INTEGERS
from tests.helpers.integer_models import feeds_of
from tests.helpers.merged_decoder import FEEDS, SIZE, merged_decoder
from tests.helpers.portable_models import Node, compressed_model, run, sparse
from tests.web.pages import PACKAGE

pytestmark = pytest.mark.xdist_group("web")

RNG = np.random.default_rng(7)
TYPES = [np.float32, np.float16, np.float64, ml_dtypes.bfloat16, np.uint8, np.int8, ml_dtypes.uint4, ml_dtypes.int4]
FORMS = {"dense": 1.0, "gaps": 0.1}  # with the density of weights that get them
GROUPED = {"axis 0": (0, (6, 90)), "axis 1": (1, (90, 6))}
MERGED = "merged decoder"
BIASES = "integer biases"
OPSET = 21  # the first one that has integers of four bits


def activations(*shape: int) -> np.ndarray:
    """Small integers, so that products with the weights of `sparse` add up exactly in any order."""
    return RNG.integers(-4, 5, shape).astype(np.float32)


def sparse_node(name: str) -> tuple[np.ndarray, Node]:
    """The weight and the other inputs of an operator, whatever it has fused."""
    operator = OPERATORS[name]
    fused = {"bias": activations(12), "add": activations(1, 12, 6, 6)}
    fused |= {"min": np.array(-3, np.float32), "max": np.array(5, np.float32)}
    after = {key: fused[key] for key in operator.fused_inputs}
    attributes = {"slope": 0.125} if operator.activation == "LeakyRelu" else {}
    match operator.standard:
        case "Gemm":
            attributes |= {"alpha": 0.5, "transB": 1}
            weight, node = sparse((12, 20), 0.4), Node(2, {"A": activations(3, 20)}, {"C": activations(12)} | after)
        case "MatMul":
            weight, node = sparse((20, 12), 1.0), Node(3, {"A": activations(2, 3, 20)}, after)
        case "Conv":
            attributes |= {"strides": [2, 1], "pads": [1, 0, 2, 0]}
            weight, x = sparse((12, 4, 3, 3), 0.4), activations(1, 4, 11, 8)
            node = Node(4, {"X": x}, {"B": activations(12)} | after)
        case _:
            attributes |= {"axis": 1}
            weight, node = sparse((8, 10), 0.4), Node(3, {}, {"indices": np.array([[1, 5], [0, -1]], np.int64)})
    return weight, Node(node.rank, node.before, node.after, attributes)


def type_weight(dtype: type, density: float) -> np.ndarray:
    """A weight of any type, with an odd number of elements."""
    integers = RNG.integers(0, 8, (23, 31)) if np.dtype(dtype).itemsize == 1 else RNG.integers(-90, 90, (23, 31)) / 16
    return np.where(RNG.random((23, 31)) < density, integers, 0).astype(dtype)


def decoding_model(weight: np.ndarray, axis: int, *, is_plain: bool = False) -> onnx.ModelProto:
    """A model that yields a weight as float32, which every runtime can hand out."""
    group = encode_weight(weight, group_axis=axis)
    if is_plain:
        group = plain(group)
    attributes = {"dtype": ir.DataType.from_numpy(weight.dtype).value, "group_axis": axis if group.groups > 1 else 0}
    model = compressed_model(decoder_of(group), group, Node(2, attributes=attributes), OPSET)
    decode = model.graph.node[-1]
    decode.output[0] = "W"
    model.graph.node.append(helper.make_node("Cast", ["W"], ["Y"], to=TensorProto.FLOAT))
    return model


def grouped_weight(axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """A weight on a grid with a step for each index of an axis."""
    steps = np.moveaxis(np.resize([0.5, 0.75, 1.25, 1.875], 6).reshape(6, 1), 0, axis)
    return (RNG.integers(-100, 100, shape) * steps).astype(np.float32)


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[onnx.ModelProto, dict[str, np.ndarray]]]:
    """Name -> model, and what it is fed."""
    cases = {}
    for name in OPERATORS:
        weight, given = sparse_node(name)
        cases[name] = (compressed_model(name, weight, given, OPSET), given.feeds)
    for dtype in TYPES:
        for form, density in FORMS.items():
            cases[f"{np.dtype(dtype).name}-{form}"] = (decoding_model(type_weight(dtype, density), 0), {})
    for form, density in FORMS.items():
        cases[f"plain-{form}"] = (decoding_model(type_weight(np.float32, density), 0, is_plain=True), {})
    for name, (axis, shape) in GROUPED.items():
        cases[name] = (decoding_model(grouped_weight(axis, shape), axis), {})
    quantized = onnxdc.quantize(residual_network(OPSET, channels=64), data={"x": images(90)}, activation="static").model
    cases[BIASES] = (onnxdc.encode(quantized, check=False).to_proto(), {"x": images(10, seed=1)})
    for name, make in INTEGERS.items():
        original = make()
        coded = onnxdc.encode(original, execution="dense", check=False).to_proto()
        cases[f"{name}, integers"] = (coded, feeds_of(original))
    cases[MERGED] = (onnxdc.encode(merged_decoder(), execution="sparse", check=False).to_proto(), FEEDS[0])
    return cases


@pytest.fixture(scope="module")
def unpacked(models, node, package, tmp_path_factory) -> Path:
    """A folder with what the package makes of the models."""
    folder = tmp_path_factory.mktemp("unpacked")
    for name, (model, _) in models.items():
        onnx.save(model, folder / f"{name}.onnx")
    command = [node, "unpack.mjs", package, str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


NAMES = [*OPERATORS, *(f"{np.dtype(dtype).name}-{form}" for dtype in TYPES for form in FORMS), *GROUPED]
NAMES += [f"plain-{form}" for form in FORMS]


@pytest.mark.parametrize("name", NAMES)
def test_plain_model_computes_what_the_portable_body_does(models, unpacked, name):
    model, feeds = models[name]
    standard = onnx.load(unpacked / f"{name}.plain")
    onnx.checker.check_model(standard, full_check=True)
    assert not standard.functions
    assert {node.domain for node in standard.graph.node} == {""}
    # The weight; or its integers, their scales and their sums.
    assert len(standard.graph.initializer) == (3 if "Dynamic" in name else 1)
    np.testing.assert_array_equal(run(standard, feeds), run(model, feeds))


def test_biases_of_quantized_layers_are_made_by_standard_nodes(models, unpacked):
    model, feeds = models[BIASES]
    assert [node.op_type for node in model.graph.node].count("QuantizeBias") == 4
    standard = onnx.load(unpacked / f"{BIASES}.plain")
    onnx.checker.check_model(standard, full_check=True)
    assert not standard.functions
    assert {node.domain for node in standard.graph.node} == {""}
    np.testing.assert_array_equal(run(standard, feeds), run(model, feeds))


@pytest.mark.parametrize("name", INTEGERS)
def test_quantised_models_are_the_original_again(unpacked, name):
    original = INTEGERS[name]()
    standard = onnx.load(unpacked / f"{name}, integers.plain")
    onnx.checker.check_model(standard, full_check=True)
    assert not standard.functions
    weights = {
        value.name: value.const_value
        for graph in ir.from_proto(standard).graphs()
        for value in graph.initializers.values()
        if value.const_value.size > 255 and value.const_value.dtype.itemsize <= 1
    }
    expected = [
        value.const_value
        for graph in original.graphs()
        for value in graph.initializers.values()
        if value.name in weights and value.const_value.size > 255
    ]
    assert expected
    for tensor in expected:
        assert weights[tensor.name].dtype == tensor.dtype
        if tensor.name != "inner":  # each branch has one
            np.testing.assert_array_equal(weights[tensor.name].numpy(), tensor.numpy())
    expected, found = (outputs(model, feeds_of(original)) for model in (ir.to_proto(original), standard))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def outputs(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """All that onnxruntime alone yields."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def test_a_weight_that_inner_graphs_use_is_stored_once(models, unpacked):
    model, feeds = models[MERGED]
    standard = onnx.load(unpacked / f"{MERGED}.plain")
    onnx.checker.check_model(standard, full_check=True)
    large = [
        value.const_value.shape.numpy()
        for graph in ir.from_proto(standard).graphs()
        for value in graph.initializers.values()
        if len(value.const_value.shape) == 2
    ]
    assert large == [(SIZE, SIZE)] * 2
    np.testing.assert_allclose(run(standard, feeds), run(model, feeds), rtol=1e-5, atol=1e-5)


def test_every_operator_and_activation_is_among_them():
    assert {OPERATORS[name].activation for name in NAMES if name in OPERATORS} == set(ACTIVATIONS)


@pytest.mark.slow
def test_the_package_passes_its_own_tests(node):
    done = subprocess.run([node, "--test"], cwd=PACKAGE, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, "\n".join(re.findall(r"^not ok.*$", done.stdout, re.MULTILINE)) or done.stderr

"""Each way in which a model can use a weight: encoded, it computes the same, and decoding gives the same model back."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.domain.operators import DECODERS, is_symbols
from onnxdc.model_io import load, save
from onnxdc.passes.decode import decode
from onnxdc.recipe import Options, Recipe
from tests.helpers.few_values import CASES, Case, run, weight
from tests.helpers.passes import encode
from tests.helpers.text_models import normal

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def encoded(case: Case, execution: str = "sparse") -> ir.Model:
    recipe = Recipe(min_elements=16, defaults=Options(execution=execution))
    result = encode(case.make(), recipe, force=True)
    assert result.changes, result.skips
    return result.model


@each_case
def test_every_weight_becomes_what_can_execute_it(case: Case):
    model = encoded(case)
    nodes = [node for graph in model.graphs() for node in graph if node.domain == "onnxdc"]
    nodes = [node for node in nodes if not is_symbols(node.op_type)]
    dense = [node for node in nodes if node.op_type in DECODERS]
    assert len(dense) == case.dense
    assert len(nodes) - len(dense) == case.sparse


@each_case
@pytest.mark.parametrize(
    ("execution", "native"),
    [("sparse", True), ("sparse", False), ("dense", False)],
    ids=["native", "portable", "portable and dense"],
)
def test_encoded_model_computes_the_same(case: Case, execution: str, native: bool):
    model = encoded(case, execution)
    for expected, found in zip(run(case.make(), case.feeds), run(model, case.feeds, native=native), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=1e-30))


@each_case
@pytest.mark.parametrize("execution", ["sparse", pytest.param("dense", marks=pytest.mark.slow), "auto"])
def test_decoding_gives_the_same_model_back(case: Case, execution: str):
    original = ir.to_proto(case.make())
    decoded = decode(encoded(case, execution)).model
    assert ir.to_proto(decoded) == original


@each_case
def test_decoding_gives_the_same_file_back(case: Case, tmp_path):
    save(case.make(), tmp_path / "original.onnx")
    model = encode(load(tmp_path / "original.onnx"), Recipe(min_elements=16), force=True).model
    save(model, tmp_path / "encoded.onnx")
    save(decode(load(tmp_path / "encoded.onnx")).model, tmp_path / "decoded.onnx")
    assert (tmp_path / "decoded.onnx").read_bytes() == (tmp_path / "original.onnx").read_bytes()


def random_model(seed: int) -> onnx.ModelProto:
    """Some convolutions and some dense layers, with random weights in every place where a model may keep them."""
    rng = np.random.default_rng(seed)
    helper = onnx.helper
    nodes, initializers, inputs = [], [], [helper.make_tensor_value_info("x0", 1, ["n", 4, 9, 9])]

    def constant(name: str, array: np.ndarray) -> str:
        if rng.random() < 0.3:
            tensor = helper.make_tensor(name, 1, array.shape, array.ravel())  # in float_data
        else:
            tensor = onnx.numpy_helper.from_array(array, name)
        place = rng.integers(3)
        if place == 0:
            nodes.append(helper.make_node("Constant", [], [name], name=f"constant {name}", value=tensor))
            return name
        if place == 1:
            inputs.append(helper.make_tensor_value_info(name, 1, array.shape))
        initializers.append(tensor)
        return name

    channels, convolutions = 4, int(rng.integers(1, 4))
    for layer in range(convolutions):
        group, out = int(rng.choice([1, 2, channels])), channels * int(rng.integers(1, 3))
        array = weight(out, channels // group, 3, 3, seed=seed + layer, density=rng.random())
        arguments = [f"x{layer}", constant(f"conv{layer}.w", array)]
        if rng.random() < 0.5:
            arguments.append(constant(f"conv{layer}.b", rng.standard_normal(out).astype(np.float32)))
        nodes.append(helper.make_node("Conv", arguments, [f"x{layer + 1}"], pads=[1] * 4, group=group))
        channels = out
    nodes.append(helper.make_node("Flatten", [f"x{convolutions}"], ["f0"]))
    size, layers = channels * 81, int(rng.integers(1, 4))
    for layer in range(layers):
        out = int(rng.integers(2, 12))
        array = weight(size, out, seed=seed + layer, density=rng.random())
        if rng.random() < 0.5:
            nodes.append(helper.make_node("MatMul", [f"f{layer}", constant(f"fc{layer}.w", array)], [f"f{layer + 1}"]))
        else:
            name = constant(f"fc{layer}.w", np.ascontiguousarray(array.T))
            nodes.append(helper.make_node("Gemm", [f"f{layer}", name], [f"f{layer + 1}"], transB=1))
        size = out
    outputs = [helper.make_tensor_value_info(f"f{layers}", 1, ["n", size])]
    graph = helper.make_graph(nodes, f"random {seed}", inputs, outputs, initializers)
    opset = int(rng.choice([11, 13, 17, 20]))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("seed", range(12))
def test_random_models_compute_the_same_and_come_back(seed: int):
    original = random_model(seed)
    feeds = {"x0": normal(2, 4, 9, 9, seed=seed)}
    result = encode(load(original), Recipe(min_elements=1), force=True)
    assert {change.name for change in result.changes} == {
        name for node in original.graph.node for name in node.input if name.endswith(".w")
    }
    expected = run(load(original), feeds)[0]
    for native in (True, False):
        found = run(result.model, feeds, native=native)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert ir.to_proto(decode(load(ir.to_proto(result.model))).model) == ir.to_proto(load(original)) == original

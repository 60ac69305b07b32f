"""The training graph: the same network in standard operators, with the rules of training in it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from onnxdc import hooks, model_io
from onnxdc.graph.constants import read_constant, replace_constant
from onnxdc.graph.weights import named_constants
from onnxdc.hooks import HookedWeight, TrainingHook
from onnxdc.torch.module import OnnxModule, module
from tests.helpers.hook_models import moved, pruned, shared
from tests.helpers.small_models import saved
from tests.helpers.text_models import build, normal


def models() -> dict[str, ir.Model]:
    """Return models whose weights lie wherever a weight can."""
    array = np.random.default_rng(0).choice([0, 0, 0.5, -0.25, 3], (16, 16)).astype(np.float32)
    other = np.where(np.abs(normal(16, 16)) > 1, normal(16, 16), 0)
    text = "m (float[N, 16] x) => (float[N, 16] y) "
    return {
        "shared": shared(),
        "pruned": pruned(),
        "twice": build(text + "{ h = MatMul(x, w) y = MatMul(h, w) }", w=array),
        "old": build(text + "{ h = MatMul(x, w) y = MatMul(h, v) }", opset=9, ir_version=4, w=array, v=other),
        "inputs": build(
            text.replace(")", ", float[16, 16] w)", 1) + "{ y = MatMul(x, w) }", ir_version=3, opset=11, w=array
        ),
        "nodes": constants_as_nodes(array, other),
    }


def constants_as_nodes(array: np.ndarray, other: np.ndarray) -> ir.Model:
    """Build one weight in a Constant node of the graph, others of one name in both branches of an If."""
    branch = "() => (float[a, b] out) { v = Constant<value = float[1] {0}>() out = MatMul(h, v) }"
    model = build(
        "m (float[N, 16] x, bool c) => (float[a, b] y) { w = Constant<value = float[1] {0}>() h = MatMul(x, w) "
        f"y = If(c) <then_branch: graph = t {branch}, else_branch: graph = e {branch}> }}"
    )
    nodes = [node for graph in (model.graph, *model.graph.subgraphs()) for node in graph if node.op_type == "Constant"]
    for node, values in zip(nodes, (array, other, 2 * array.T), strict=True):
        node.attributes.add(ir.AttrTensor("value", ir.Tensor(np.ascontiguousarray(values))))
    return model


@pytest.mark.parametrize("name", models())
def test_the_training_graph_computes_the_same_and_keeps_the_rules(name, tmp_path):
    model = models()[name]
    path = saved(model, tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook")
    assert {weight.stage for weight in hook.weights.values()} & {"pruned", "shared"}
    graph = onnxruntime.InferenceSession(tmp_path / "hook" / "training.onnx")
    for condition in (True, False):
        feed = {"x": normal(3, 40 if name in ("shared", "pruned") else 16, seed=9)}
        feed |= {"c": np.array(condition)} if name == "nodes" else {}
        expected = onnxruntime.InferenceSession(path).run(None, feed)[0]
        np.testing.assert_array_equal(graph.run(None, feed)[0], expected)


@pytest.mark.parametrize("name", models())
def test_a_trained_graph_comes_back(name, tmp_path):
    path = saved(models()[name], tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook")
    trained = moved(hook)
    train(tmp_path / "hook" / "training.onnx", hook, trained)
    hooks.import_(path, hook, trained).save(tmp_path / "expected.onnx")
    hooks.import_(path, hook, tmp_path / "hook" / "training.onnx").save(tmp_path / "tuned.onnx")
    assert (tmp_path / "tuned.onnx").read_bytes() == (tmp_path / "expected.onnx").read_bytes()
    assert (tmp_path / "tuned.onnx").read_bytes() != path.read_bytes()


def train(path, hook: TrainingHook, trained: dict[str, np.ndarray]) -> None:
    """Put trained values into a training graph, where the values before training are."""
    graph = ir.load(path)
    constants = list(named_constants(graph))
    for name, weight in hook.weights.items():
        before, after = weight.values, trained[name]
        if weight.codebook is not None:
            before = weight.codebook[1:]
            after = np.array([trained[name][weight.codes == code][0] for code in range(1, weight.clusters)])
        equal = [constant.value for constant in constants if np.array_equal(read_constant(constant.value), before)]
        assert len(equal) == 1, name
        replace_constant(equal[0], after.astype(before.dtype))
    ir.save(graph, path)


@pytest.mark.parametrize("make", [pruned, shared])
def test_a_trained_graph_is_a_module_with_its_values(make, tmp_path):
    hook = hooks.export(make(), tmp_path)
    trained = moved(hook)
    train(tmp_path / "training.onnx", hook, trained)
    found = module(tmp_path).state()
    assert found.keys() == trained.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, trained[name])


def test_differentiating_it_gives_the_gradients_of_the_hook(tmp_path):
    for name, model in (("pruned", pruned()), ("shared", shared())):
        hook = hooks.export(saved(model, tmp_path / f"{name}.onnx"), tmp_path / name)
        free = gradients(model, {name: weight.values for name, weight in hook.weights.items()})
        graph = model_io.load(tmp_path / name / "training.onnx")
        parameters = {constant.name: read_constant(constant.value) for constant in named_constants(graph)}
        books = {f"{name}.codebook" for name in hook.codebooks()}
        trained = hook.weights.keys() - hook.codebooks().keys() | books
        found = gradients(graph, {name: parameters[name] for name in trained})
        for weight, gradient in hook.centroid_gradients(free).items():
            np.testing.assert_allclose(found[f"{weight}.codebook"], gradient[1:], rtol=1e-4)
        for weight in hook.weights.keys() - hook.codebooks().keys():
            np.testing.assert_allclose(found[weight], hook.mask_gradients(free)[weight], rtol=1e-4)


def gradients(model: ir.Model, parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Differentiate half the squares of a model's outputs, by constants without a rule but those in the graph."""
    net = OnnxModule(model, {name: HookedWeight(name, array, "dense") for name, array in parameters.items()})
    (0.5 * net(torch.from_numpy(normal(7, 40, seed=2))).square().sum()).backward()
    return {name: net.get_parameter(own).grad.numpy() for name, own in net.names.items()}

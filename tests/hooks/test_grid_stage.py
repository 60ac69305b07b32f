"""Hooks of weights on grids: integers, steps and prices go out, and come back in any of their forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import safetensors.numpy
import torch
from torch.nn.utils import parametrize

import onnxdc
from onnxdc import hooks, model_io
from onnxdc.errors import HookError
from onnxdc.graph.constants import read_constant, replace_constant
from onnxdc.graph.weights import named_constants
from onnxdc.hooks import HookedWeight, TrainingHook
from onnxdc.numeric.grids import element_grid
from onnxdc.torch.grid import Grid
from onnxdc.torch.module import OnnxModule, module
from tests.helpers.small_models import constants, dense, saved
from tests.helpers.small_models import onnxdc as command
from tests.helpers.text_models import build, normal


def made() -> dict[str, ir.Model]:
    """Return models whose weights are on no grid, on one, and on one for each channel."""
    text = "m (float[N, 40] x) => (float[N, 32] y) "
    channels = np.random.default_rng(0).integers(-9, 10, (40, 32)) * np.exp2(np.arange(32) % 2) * 0.375
    return {
        "dense": dense(),
        "shared": onnxdc.share(dense(), step=0.4).model,
        "channels": build(text + "{ y = MatMul(x, w) }", w=channels.astype(np.float32)),
        "half": build(text.replace("float", "float16") + "{ y = MatMul(x, w) }", w=normal(40, 32).astype(np.float16)),
    }


def steps_of_channels(kind: str = "float", channels: int = 32) -> ir.Model:
    """Return a model with a weight whose channels are too unlike to be on one grid, or are all on one."""
    integers = np.random.default_rng(0).integers(-9, 10, (40, 32))
    steps = (9 + 2 * (np.arange(channels) % 4)) * np.exp2(np.arange(channels) % 7 * 2) / 64
    text = "m (float[N, 40] x) => (float[N, 32] y) { y = MatMul(x, w) }".replace("float", kind)
    return build(text, w=(integers * steps).astype(np.float64 if kind == "double" else np.float32))


def on_grids(hook: TrainingHook) -> list[HookedWeight]:
    return [weight for weight in hook.weights.values() if weight.grid is not None]


@pytest.mark.parametrize("name", made())
def test_integers_and_steps_are_those_of_the_values(name, tmp_path):
    model = made()[name]
    hook = hooks.export(model, tmp_path, stage="grid")
    read = TrainingHook.load(tmp_path)
    assert on_grids(hook)
    assert {weight.stage for weight in hook.weights.values()} <= {"grid", "dense"}
    for weight in on_grids(hook):
        grid = weight.grid
        assert grid.codes.dtype == np.int16
        error = np.abs(grid.codes * grid.step.astype(np.float64) - weight.values)
        if name in ("dense", "half"):
            root = np.sqrt(np.mean(weight.values.astype(np.float64) ** 2))
            assert grid.step.item() == pytest.approx(0.4 * root, rel=1e-3)
            assert (error <= 0.501 * grid.step).all()
        else:
            assert not error.any()
        again = read.weights[weight.name].grid
        np.testing.assert_array_equal(again.codes, grid.codes)
        np.testing.assert_array_equal(again.step, grid.step)
    tensors = safetensors.numpy.load_file(tmp_path / "hook.safetensors")
    for entry in json.loads((tmp_path / "hook.json").read_text())["weights"]:
        if entry["stage"] == "grid":
            assert "whole multiples of a step" in entry["rule"]
            codes, lengths = (tensors[entry["tensors"][part]] for part in ("codes", "lengths"))
            largest = lengths.size // 2
            seen = np.array([np.count_nonzero(codes == code) for code in range(-largest, largest + 1)]) + 0.5
            ideal = -np.log2(seen / seen.sum())
            assert (lengths <= ideal + 1e-4).all()
            for place in (0, seen.argmax(), -1):  # what lies between may be rarer than what is farther out
                assert lengths[place] == pytest.approx(ideal[place], rel=1e-5)


def test_small_weights_and_vectors_are_dense():
    model = build("m (float[N, 4] x) => (float[N, 4] y) { y = MatMul(x, w) }", w=normal(4, 4))
    assert hooks.export(model, stage="grid").weights["w"].stage == "dense"


def test_values_come_back_if_they_are_on_a_grid_and_are_rounded_if_asked_to():
    model = dense()
    hook = hooks.export(model, stage="grid")
    trained = {name: normal(*weight.shape, seed=4) for name, weight in hook.weights.items()}
    with pytest.raises(HookError, match=r"fc1: expected whole multiples of one step, .*255.* \(project\) restores"):
        hooks.import_(model, hook, trained)
    found = constants(hooks.import_(model, hook, trained, project=True).model)
    for weight in on_grids(hook):
        step = weight.grid.step.astype(np.float64)
        expected = np.clip(np.rint(trained[weight.name] / step), -127, 127) * step
        np.testing.assert_allclose(found[weight.name], expected, rtol=1e-6)
        trained[weight.name] = np.rint(trained[weight.name] / 0.3) * np.float32(0.3) + 0
    back = constants(hooks.import_(model, hook, trained).model)
    for name, array in trained.items():
        np.testing.assert_array_equal(back[name], array)


def moved(hook: TrainingHook) -> dict[str, np.ndarray]:
    """Draw other integers and steps, and other values of what is free."""
    rng = np.random.default_rng(5)
    arrays = {name: normal(*weight.shape, seed=6) for name, weight in hook.weights.items() if weight.grid is None}
    for weight in on_grids(hook):
        arrays[f"{weight.name}.codes"] = rng.integers(-20, 21, weight.shape).astype(np.int8)
        arrays[f"{weight.name}.step"] = (weight.grid.step * 1.25).astype(np.float32)
    return arrays


def test_integers_and_steps_come_back_and_are_encoded(tmp_path):
    path = saved(dense(), tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook", stage="grid")
    trained = moved(hook)
    safetensors.numpy.save_file(trained, tmp_path / "hook" / "trained.safetensors")
    found = hooks.import_(path, tmp_path / "hook").model
    for weight in on_grids(hook):
        codes, step = trained[f"{weight.name}.codes"], trained[f"{weight.name}.step"]
        array = constants(found)[weight.name]
        np.testing.assert_array_equal(array, codes * step)
        assert not np.signbit(array[array == 0]).any()
        assert element_grid(array) is not None
    assert onnxdc.encode(found).to_proto().ByteSize() < 0.4 * path.stat().st_size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"fc1.step": -a["fc1.step"]}, "fc1.step: expected finite numbers above 0"),
        (lambda a: a | {"fc1.step": np.ones((1, 2), np.float32)}, r"fc1.step: expected axes of 1, or as in \[40, 84\]"),
        (lambda a: {name: a[name] for name in a if name != "fc1.step"}, "fc1.step: missing, got fc1.codes alone"),
        (lambda a: a | {"fc1.codes": a["fc1.codes"] * 0.5}, "fc1.codes: expected integers"),
        (
            lambda a: a | {"fc1.codes": np.arange(40 * 84).reshape(40, 84)},
            "at most 255 integers besides zero, got 3359",
        ),
        (lambda a: a | {"fc1": np.zeros((40, 84), np.float32)}, "expected its values, or its codes and its step"),
    ],
)
def test_what_is_no_grid_is_refused(change, message):
    model = dense()
    hook = hooks.export(model, stage="grid")
    with pytest.raises(HookError, match=message):
        hooks.import_(model, hook, change(moved(hook)))


HIDDEN = {
    "steps of channels": ("float", 32, 0, r"expected steps of channels with four significant bits, got 0\.15468"),
    "float64": ("double", 1, 0, r"expected a step of float64 values with four significant bits, got 0\.15468"),
    "large integers": ("float", 1, 9, r"expected integers that begin at 8 or less, got none below 10$"),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_encoding_cannot_find_is_refused_by_its_cause(case):
    kind, channels, added, cause = HIDDEN[case]
    model = steps_of_channels(kind, channels)
    hook = hooks.export(model, stage="grid")
    (grid,) = hook.grids().values()
    assert grid.step.size == channels
    codes, step = grid.codes + added * np.sign(grid.codes), grid.step * np.float32(1.1)
    with pytest.raises(HookError, match=f"^trained: w: {cause}"):
        hooks.import_(model, hook, {"w.codes": codes, "w.step": step})
    hooks.import_(model, hook, {"w.codes": codes, "w.step": step}, project=True)


@pytest.mark.parametrize("kind", ["float", "double"])
def test_steps_come_back_from_their_logarithms(kind, tmp_path):
    path = saved(steps_of_channels(kind), tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook", stage="grid")
    (grid,) = hook.grids().values()
    step = np.exp(np.log(grid.step))
    assert (step != grid.step).any()
    for trained in ({"w.codes": grid.codes, "w.step": step}, tmp_path / "hook" / "training.onnx"):
        np.testing.assert_array_equal(constants(hooks.import_(path, hook, trained).model)["w"], hook.values()["w"])


@pytest.mark.parametrize("kind", ["float16", "float", "double"])
def test_a_hook_that_was_not_trained_comes_back(kind, tmp_path):
    dtype = {"float16": np.float16, "float": np.float32, "double": np.float64}[kind]
    text = "m (float[N, 40] x) => (float[N, 32] y) { y = MatMul(x, w) }".replace("float", kind)
    path = saved(build(text, w=normal(40, 32, dtype=dtype)), tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook", stage="grid")
    (grid,) = hook.grids().values()
    for trained in ({"w.codes": grid.codes, "w.step": grid.step}, tmp_path / "hook" / "training.onnx"):
        found = constants(hooks.import_(path, hook, trained).model)["w"]
        np.testing.assert_allclose(found, grid.values(found.dtype), rtol=2e-3 if kind == "float16" else 1e-6)


@pytest.mark.parametrize(("part", "array"), [("codes", np.zeros((40, 84), np.int32)), ("step", np.zeros((1, 1), "f4"))])
def test_damaged_grids_are_refused(part, array, tmp_path):
    hooks.export(dense(), tmp_path, stage="grid")
    tensors = safetensors.numpy.load_file(tmp_path / "hook.safetensors")
    safetensors.numpy.save_file(tensors | {f"fc1.{part}": array}, tmp_path / "hook.safetensors")
    with pytest.raises(HookError, match=f"hook.json: fc1: {part}: expected "):
        TrainingHook.load(tmp_path)


def test_the_command_line_has_the_stage(tmp_path):
    path = saved(dense(), tmp_path / "model.onnx")
    result = command("hook", "export", path, "-o", tmp_path / "hook", "--stage", "grid")
    assert result.exit_code == 0
    assert "fc1: grid, 40x84, " in result.stdout
    assert " values" in result.stdout.splitlines()[0]


def free(graph: ir.Model, names: set[str]) -> OnnxModule:
    """Make a module of a training graph as it is, whose constants of these names are trained without a rule."""
    arrays = {constant.name: read_constant(constant.value) for constant in named_constants(graph)}
    return OnnxModule(graph, {name: HookedWeight(name, arrays[name], "dense") for name in names})


@pytest.mark.parametrize("name", made())
def test_the_training_graph_has_the_rule_of_torch(name, tmp_path):
    model = made()[name]
    hook = hooks.export(model, tmp_path, stage="grid")
    graph = model_io.load(tmp_path / "training.onnx")
    assert len(graph.graph.outputs) == len(model.graph.outputs) + 1
    dtype = np.float16 if name == "half" else np.float32
    x = normal(7, 40, seed=2).astype(dtype)
    names = set(hook.weights) | {f"{weight.name}.log_step" for weight in on_grids(hook)}
    plain, ruled = free(graph, names), OnnxModule(model_io.load(model), hook.weights)
    rules = {
        weight.name: ruled.get_submodule(f"parametrizations.{ruled.names[weight.name]}") for weight in on_grids(hook)
    }
    for weight, rule in rules.items():
        rule[0].measure(rule.original.detach())
        grid = hook.weights[weight].grid  # the same integers, but away from the corners of the price
        away = torch.from_numpy(grid.values(x.dtype) + 0.2 * grid.step * (1 + np.abs(normal(*grid.codes.shape)) / 4))
        for latent in (rule.original, plain.get_parameter(plain.names[weight])):
            latent.data.copy_(away)
    answers, bits = plain(torch.from_numpy(x))
    expected = ruled(torch.from_numpy(x))
    price = sum(rule[0].rate(rule.original) for rule in rules.values())
    tolerance = {"rtol": 1e-2, "atol": 1e-2} if name == "half" else {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(answers.detach(), expected.detach(), **tolerance)
    assert bits.item() == pytest.approx(price.item(), rel=1e-4)
    (answers.float().square().sum() + 1e-3 * bits).backward()
    (expected.float().square().sum() + 1e-3 * price).backward()
    for weight, rule in rules.items():
        pairs = [(plain.names[weight], rule.original), (plain.names[f"{weight}.log_step"], rule[0].log_step)]
        for own, parameter in pairs:
            gradient, wanted = plain.get_parameter(own).grad.double().numpy(), parameter.grad.double().numpy()
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(gradient / scale, wanted / scale, **tolerance)
            assert np.abs(wanted).max() > 0


def test_the_training_graph_runs_in_onnxruntime(tmp_path):
    model = made()["shared"]
    hooks.export(model, tmp_path, stage="grid")
    x = normal(3, 40, seed=9)
    found = onnxruntime.InferenceSession(tmp_path / "training.onnx").run(None, {"x": x})
    expected = onnxruntime.InferenceSession(saved(model, tmp_path / "model.onnx")).run(None, {"x": x})
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
    assert found[-1].shape == ()


@pytest.mark.parametrize("name", ["dense", "channels", "half"])
def test_a_trained_graph_comes_back(name, tmp_path):
    path = saved(made()[name], tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook", stage="grid")
    graph = ir.load(tmp_path / "hook" / "training.onnx")
    expected = {}
    for constant in list(named_constants(graph)):
        old = read_constant(constant.value)
        if constant.name.endswith(".log_step"):
            replace_constant(constant.value, (old + 0.1).astype(old.dtype))
        elif constant.name.endswith(".lengths"):
            replace_constant(constant.value, old[::-1].copy())
        elif constant.name in hook.weights:
            latent = normal(*old.shape, seed=8).astype(old.dtype)
            replace_constant(constant.value, latent)
            weight = hook.weights[constant.name]
            expected[constant.name] = latent
            if weight.grid is not None:
                step = np.exp(np.log(weight.grid.step) + np.float32(0.1))
                codes = np.clip(np.rint(latent.astype(np.float64) / step), -127, 127)
                expected[constant.name] = (codes * step).astype(old.dtype)
    ir.save(graph, tmp_path / "hook" / "training.onnx")
    found = constants(hooks.import_(path, hook, tmp_path / "hook" / "training.onnx").model)
    of_module = module(tmp_path / "hook").state()
    for weight, array in expected.items():
        np.testing.assert_allclose(found[weight], array, rtol=1e-5)
        np.testing.assert_allclose(of_module[weight], found[weight], rtol=2e-3 if name == "half" else 1e-5)


def train_half_way(path: Path, hook: TrainingHook) -> None:
    """Move what is trained of the weights on grids in a training graph, and make its price tables anew."""
    graph = ir.load(path)
    values = {constant.name: constant.value for constant in named_constants(graph)}
    for weight in on_grids(hook):
        latent = read_constant(values[weight.name])
        moved = (latent + 0.3 * weight.grid.step * normal(*latent.shape, seed=3)).astype(latent.dtype)
        log_step = read_constant(values[f"{weight.name}.log_step"]) + np.float32(0.1)
        lengths = weight.grid.lengths(weight.grid.nearest(moved, np.exp(log_step)))
        for part, array in (("", moved), (".log_step", log_step), (".lengths", lengths)):
            replace_constant(values[weight.name + part], array)
    ir.save(graph, path)


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize("name", [*made(), "steps of channels"])
def test_a_module_begins_where_the_training_graph_is(name, is_trained, grid, tmp_path):
    hook = hooks.export({**made(), "steps of channels": steps_of_channels()}[name], tmp_path, stage="grid")
    if is_trained:
        train_half_way(tmp_path / "training.onnx", hook)
    x = normal(7, 40, seed=2).astype(np.float16 if name == "half" else np.float32)
    *answers, bits = onnxruntime.InferenceSession(tmp_path / "training.onnx").run(None, {"x": x})
    network = module(tmp_path, grid=grid)
    tolerance = (1e-2 if name == "half" else 1e-5) * np.abs(answers[0]).max()
    np.testing.assert_allclose(network(torch.from_numpy(x)).detach(), answers[0], rtol=0, atol=tolerance)
    price, latent = 0.0, constants(ir.load(tmp_path / "training.onnx"))
    for weight in on_grids(hook):
        rules = network.get_submodule(f"parametrizations.{network.names[weight.name]}")
        np.testing.assert_array_equal(rules.original.detach(), latent[weight.name])
        np.testing.assert_allclose(rules[0].log_step.detach(), latent[f"{weight.name}.log_step"], rtol=1e-5, atol=1e-6)
        rules[0].measure(rules.original.detach())
        price += rules[0].rate(rules.original).item()
    assert bits.item() == pytest.approx(price, rel=1e-4)


@pytest.mark.parametrize(
    ("part", "array", "message"),
    [
        ("", np.full((40, 84), np.nan, np.float32), "fc1: NaN or infinite values"),
        ("", np.zeros((40, 83), np.float32), r"fc1: expected shape \[40, 84\], got \[40, 83\]"),
        (".log_step", np.full((1, 1), np.nan, np.float32), "fc1: expected finite numbers above 0"),
    ],
)
def test_a_training_graph_that_training_has_spoilt_is_refused(part, array, message, tmp_path):
    model = dense()
    hook = hooks.export(model, tmp_path, stage="grid")
    graph = ir.load(tmp_path / "training.onnx")
    graph.graph.initializers[f"fc1{part}"].const_value = ir.tensor(array, name=f"fc1{part}")
    ir.save(graph, tmp_path / "training.onnx")
    with pytest.raises(HookError, match=f"training.onnx: {message}"):
        hooks.import_(model, hook, tmp_path / "training.onnx")
    with pytest.raises(HookError, match=message):
        module(tmp_path)


def test_old_operators_cannot_round(tmp_path):
    old = build("m (float[N, 40] x) => (float[N, 32] y) { y = MatMul(x, w) }", opset=9, ir_version=4, w=normal(40, 32))
    with pytest.raises(HookError, match="expected operator set 13 or later to round in, got 9"):
        hooks.export(old, tmp_path / "hook", stage="grid")


def test_a_hook_on_grids_makes_grids_in_torch():
    net = torch.nn.Linear(40, 32, bias=False)
    model = build("m (float[N, 40] x) => (float[N, 32] y) { y = MatMul(x, w) }", w=net.weight.detach().numpy().T.copy())
    hook = hooks.export(model, stage="grid")
    attachment = onnxdc.torch.attach(net, hook)
    assert parametrize.is_parametrized(net, "weight")
    assert isinstance(net.parametrizations.weight[0], Grid)
    assert len(attachment.steps()) == 1
    attachment.freeze()
    found = constants(hooks.import_(model, hook, attachment.state()).model)["w"]
    assert element_grid(found) is not None
    np.testing.assert_allclose(found, hook.weights["w"].values, atol=0.55 * hook.weights["w"].grid.step.item())

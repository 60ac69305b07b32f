"""An ONNX graph as a PyTorch module in training: gradients, rules, statistics, and values that are ready to import."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from onnxdc.hooks import import_, read_hook
from onnxdc.torch import module
from onnxdc.torch.parametrizations import FromCodebook, Masked
from onnxdc.torch.types import to_numpy
from tests.helpers import few_values
from tests.helpers.text_models import build, normal, run
from tests.helpers.torch_graphs import IMAGES, MODELS, mixed, outputs_of

torch.set_num_threads(1)


# Weights of a branch that is not taken get no gradient.
NOT_TAKEN = {
    "one name in both branches": ["W#2"],
    "initializer of a branch, and one around it": ["V"],
    "used in both branches, True": ["V"],
    "used in both branches, False": ["E"],
}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_reach_every_parameter(name: str) -> None:
    make, feeds = MODELS[name]
    net = module(make())
    sum(output.double().square().sum() for output in outputs_of(net, feeds)).backward()
    for onnx_name, own in net.names.items():
        is_parametrized = parametrize.is_parametrized(net, own)
        parameter = net.parametrizations[own].original if is_parametrized else getattr(net, own)
        assert (parameter.grad is None) == (onnx_name in NOT_TAKEN.get(name, ())), onnx_name


def test_what_is_trained_and_what_is_not() -> None:
    model = mixed()
    net = module(model)
    assert list(net.names) == list(read_hook(model).values()) == ["conv", "conv_bias", "scale", "shift", "fc"]
    assert {"mean", "variance"} <= dict(net.named_buffers()).keys()
    assert list(net.statistics) == ["mean", "variance"]
    assert net.state().keys() == {*net.names, *net.statistics}
    assert net.state_dict().keys() >= {"mean", "variance"}
    assert isinstance(net.parametrizations["conv"][0], FromCodebook)
    assert isinstance(net.parametrizations["fc"][0], Masked)
    assert dict(net.named_parameters())["parametrizations.conv.original"].shape == (15,)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_keeps_the_rules_and_comes_back(optimizer: str, autocast: bool) -> None:
    model = mixed()
    hook, net = read_hook(model), module(model)
    kinds = {
        "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
        "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, weight_decay=0.01),
    }
    optimize = kinds[optimizer](net.parameters())
    images, labels = torch.from_numpy(IMAGES), torch.tensor([1, 2, 3, 4])
    losses = []
    for _ in range(8):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = torch.nn.functional.cross_entropy(net(images).float(), labels)
        optimize.zero_grad()
        loss.backward()
        optimize.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    state = net.state()
    for name, values in hook.values().items():
        assert hook.weights[name].violation(state[name]) is None
        assert not np.array_equal(state[name], values)
    tuned = import_(model, hook, state).model
    expected = run(tuned, {"x": IMAGES})[0]
    output = net.eval()(images).detach().numpy()
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_bfloat16_weights_come_back_in_their_type() -> None:
    case = next(case for case in few_values.CASES if case.name == "bfloat16")
    model = case.make()
    (name,) = read_hook(model).weights
    state = module(model).state()
    assert state[name].dtype == model.graph.initializers[name].const_value.numpy().dtype
    assert import_(model, read_hook(model), state).model is not None


def test_values_are_copies() -> None:
    net = module(mixed())
    before = net.state()
    with torch.no_grad():
        net.conv_bias.add_(1)
    np.testing.assert_array_equal(net.state()["conv_bias"], before["conv_bias"] + 1)
    assert to_numpy(net.conv_bias).flags.writeable


@pytest.mark.parametrize("momentum", [0.9, 0.6])
def test_statistics_move_as_those_of_a_layer_of_torch(momentum: float) -> None:
    model = build(
        f"m (float[N, 5, 4, 4] x) => (float[N, 5, 4, 4] y) "
        f"{{ y = BatchNormalization<momentum: float = {momentum}>(x, scale, shift, mean, variance) }}",
        scale=normal(5),
        shift=normal(5, seed=1),
        mean=normal(5, seed=2),
        variance=np.square(normal(5, seed=3)),
    )
    net, layer = module(model), torch.nn.BatchNorm2d(5, momentum=1 - momentum)
    parts = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
    layer.load_state_dict(
        {own: torch.tensor(net.state()[name]) for own, name in parts.items()} | {"num_batches_tracked": torch.tensor(0)}
    )
    for step in range(3):
        x = torch.tensor(normal(6, 5, 4, 4, seed=10 + step))
        torch.testing.assert_close(net.train()(x), layer.train()(x))
    for own, name in parts.items():
        torch.testing.assert_close(torch.tensor(net.state()[name]), layer.state_dict()[own])
    torch.testing.assert_close(net.eval()(x), layer.eval()(x))
    x = torch.tensor(normal(1, 5, 1, 1, seed=20))  # a single value a channel has no variance
    torch.testing.assert_close(net.train()(x), layer.eval()(x))

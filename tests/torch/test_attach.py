"""A user's own PyTorch module keeps the rules of a hook: its parameters found, constrained, and handed back."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import onnxdc
from onnxdc.errors import HookError
from onnxdc.hooks import read_hook
from onnxdc.numeric.grids import element_grid
from onnxdc.torch import attach
from tests.helpers import few_values
from tests.helpers.text_models import build, normal
from tests.helpers.torch_networks import IMAGES, OPTIMIZERS, assert_imported, model, net, pruned, train

torch.set_num_threads(1)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_keeps_the_rules_and_comes_back(optimizer: str, autocast: bool) -> None:
    onnx = model()
    hook, module = read_hook(onnx), net(onnx, before=True)
    attachment = attach(module, hook)
    train(module, OPTIMIZERS[optimizer](module.parameters()), autocast=autocast)
    state = attachment.state()
    for name, weight in hook.weights.items():
        assert weight.violation(state[name]) is None
        assert np.array_equal(state[name], weight.values) == (weight.stage == "statistic")
    assert_imported(onnx, attachment)


@pytest.mark.parametrize("outlier", [1, 100])
def test_a_module_stays_on_its_grids(outlier: float) -> None:
    weight = normal(30, 40)
    weight[0] *= outlier  # so that each channel has a step of its own
    onnx = onnxdc.share(build("g (float[N, 40] x) => (y) { y = Gemm <transB = 1> (x, w) }", w=weight)).model
    hook, module = read_hook(onnx), nn.Linear(40, 30, bias=False)
    attachment = attach(module, hook, {"w": "weight"}, grid=True)
    torch.testing.assert_close(module.weight, torch.from_numpy(hook.weights["w"].values), rtol=1e-6, atol=0)
    attachment.freeze()
    np.testing.assert_array_equal(attachment.state()["w"], hook.weights["w"].values)
    x = torch.from_numpy(normal(64, 40, seed=1))
    optimizer = torch.optim.Adam(attachment.steps(), lr=0.05)
    for _ in range(10):
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()
    before, after = element_grid(hook.weights["w"].values), element_grid(attachment.state()["w"])

    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1].size == after[1].size == (1 if outlier == 1 else 30)
    assert (after[1] < before[1]).all()
    np.testing.assert_array_equal(after[0] * after[1], attachment.state()["w"])
    assert hook.weights["w"].violation(attachment.state()["w"]) is None


def test_a_module_is_trained_for_its_bits() -> None:
    model = build("g (float[N, 40] x) => (y) { y = Gemm <transB = 1> (x, w) }", w=normal(30, 40))
    attachments = []
    for rate in (0.0, 0.02):
        module = nn.Linear(40, 30, bias=False)
        attachment = attach(module, read_hook(model), {"w": "weight"}, grid=True)
        x = torch.from_numpy(normal(64, 40, seed=1))
        wanted = module(x).detach()
        optimizer = torch.optim.Adam([{"params": module.parametrizations.weight.original}], lr=0.01)
        optimizer.add_param_group({"params": attachment.steps(), "lr": 0.01})
        for _ in range(100):
            optimizer.zero_grad()
            ((module(x) - wanted).square().mean() + rate * attachment.rate()).backward()
            optimizer.step()
        attachment.freeze()
        attachments.append(attachment)
    free, priced = (attachment.state()["w"] for attachment in attachments)
    assert np.count_nonzero(priced) < 0.7 * np.count_nonzero(free)
    assert len(np.unique(priced)) < len(np.unique(free))
    assert element_grid(priced) is not None


def test_running_statistics_take_the_values_of_the_model_and_come_back() -> None:
    onnx = model()
    module = net(onnx)
    for name, path in {"mean": "norm.running_mean", "variance": "norm.running_var"}.items():
        onnx.graph.initializers[name].name = path
    with torch.no_grad():
        module.norm.running_mean.fill_(9)
        module.norm.running_var.fill_(0.1)
    attachment = attach(module, read_hook(onnx))
    assert_imported(onnx, attachment)
    train(module.train(), OPTIMIZERS["sgd"](module.parameters()))
    module.eval()
    state = attachment.state()
    for name in ("norm.running_mean", "norm.running_var"):
        assert not np.array_equal(state[name], attachment.hook.weights[name].values)
    assert_imported(onnx, attachment)
    attachment.detach()
    np.testing.assert_array_equal(module.norm.running_mean.numpy(), state["norm.running_mean"])


def test_running_statistics_that_moved_without_a_match_are_told() -> None:
    onnx = model()
    module = net(onnx)
    with torch.no_grad():
        module.norm.running_mean.add_(1)
    attachment = attach(module, read_hook(onnx))
    assert attachment.unmatched == ("mean",)
    train(module.train(), torch.optim.SGD(module.parameters(), lr=0.01), steps=1)
    with pytest.raises(
        HookError, match=r"^norm\.running_mean: moved in training, but nothing in the ONNX model is matched"
    ):
        attachment.state()
    with torch.no_grad():
        for path, before in attachment.statistics.items():
            module.get_buffer(path).copy_(before)
    module.norm.eval()
    train(module, torch.optim.SGD(module.parameters(), lr=0.01), steps=1)
    assert attachment.state().keys() == attachment.hook.weights.keys()


def test_detaching_leaves_plain_parameters_of_the_same_values() -> None:
    onnx = model()
    hook, module = read_hook(onnx), net(onnx)
    names, shapes = list(module.state_dict()), [tensor.shape for tensor in module.state_dict().values()]
    attachment = attach(module, hook)
    train(module, OPTIMIZERS["sgd"](module.parameters()))
    output, state = module(torch.from_numpy(IMAGES)), attachment.state()
    attachment.detach()
    attachment.detach()
    assert sorted(module.state_dict()) == sorted(names)
    assert sorted(tensor.shape for tensor in module.state_dict().values()) == sorted(shapes)
    assert type(module.conv) is nn.Conv2d
    assert torch.equal(module(torch.from_numpy(IMAGES)), output)
    for name, array in attachment.state().items():
        np.testing.assert_array_equal(array, state[name])


def test_checkpoints_and_copies_keep_the_rules() -> None:
    onnx = model()
    hook = read_hook(onnx)
    module, other = net(onnx), net(onnx)
    attach(module, hook)
    there = attach(other, hook)
    train(module, OPTIMIZERS["sgd"](module.parameters()))
    twin = copy.deepcopy(module)
    train(twin, OPTIMIZERS["adam"](twin.parameters()))
    images = torch.from_numpy(IMAGES)
    assert not torch.equal(twin(images), module(images))
    other.load_state_dict(twin.state_dict())
    assert torch.equal(other(images), twin(images))
    for name, array in there.state().items():
        assert hook.weights[name].violation(array) is None


def test_tied_parameters_stay_tied() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(30, 12)
            self.head = nn.Linear(12, 30, bias=False)
            self.head.weight = self.table.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.table(ids))

    for table in (few_values.weight(30, 12, density=0.5), pruned(30, 12, seed=1)):
        onnx = build(
            "g (int64[N] ids) => (float[N, 30] y) { e = Gather(table, ids)  y = MatMul(e, head) }",
            table=table,
            head=np.ascontiguousarray(table.T),
        )
        module = Tied()
        with torch.no_grad():
            module.table.weight.copy_(torch.from_numpy(table))
        hook, ids = read_hook(onnx), torch.arange(6)
        attachment = attach(module, hook)
        assert len(list(module.parameters())) == 1
        optimizer = OPTIMIZERS["sgd"](module.parameters())
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(ids), ids).backward()
            optimizer.step()
        state = attachment.state()
        np.testing.assert_array_equal(state["head"], state["table"].T)
        assert not np.array_equal(state["table"], table)
        assert all(weight.violation(state[name]) is None for name, weight in hook.weights.items())
        output = module(ids)
        attachment.detach()
        assert module.head.weight is module.table.weight
        assert torch.equal(module(ids), output)

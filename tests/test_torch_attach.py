"""A user's own PyTorch module keeps the rules of a hook: its parameters found, constrained, and handed back."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from onnxdc.api import prune, share
from onnxdc.errors import HookError
from onnxdc.hooks import export, import_, read_hook
from onnxdc.torch import attach
from onnxdc.torch.attach import Attachment
from tests import few_values
from tests.text_models import build, normal, run

torch.set_num_threads(1)


class Net(nn.Module):
    """The network of ``model``, with the layouts of PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.hidden = nn.Linear(128, 16)
        self.out = nn.Linear(16, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        return self.out(torch.relu(self.hidden(x.flatten(1))))


def model() -> ir.Model:
    """A shared convolution and two pruned products, one of them transposed and square."""
    return build(
        """g (float[N, 3, 8, 8] x) => (float[N, 16] y) {
            c = Conv <pads=[1, 1, 1, 1], strides=[2, 2]> (x, kernel, conv_bias)
            b = BatchNormalization (c, scale, shift, mean, variance)
            r = Relu(b)
            f = Flatten(r)
            h = Gemm <transB=1> (f, fc1, fc1_bias)
            a = Relu(h)
            y = MatMul(a, fc2)
        }""",
        kernel=few_values.weight(8, 3, 3, 3, density=0.6),
        conv_bias=normal(8),
        scale=np.abs(normal(8, seed=1)),
        shift=normal(8, seed=2),
        mean=normal(8, seed=3),
        variance=np.abs(normal(8, seed=4)) + 1,
        fc1=pruned(16, 128, seed=5),
        fc1_bias=normal(16, seed=6),
        fc2=pruned(16, 16, seed=7),
    )


def pruned(*shape: int, seed: int) -> np.ndarray:
    array = normal(*shape, seed=seed)
    return np.where(np.abs(array) > 0.7, array, np.float32(0))


def net(onnx: ir.Model, *, before: bool = False) -> Net:
    """The module with the model's values; as it was before pruning and sharing, too, if ``before`` says so."""
    torch.manual_seed(0)
    made = Net().eval()
    values = {name: value.const_value.numpy() for name, value in onnx.graph.initializers.items()}
    places = {
        made.conv.weight: values["kernel"],
        made.conv.bias: values["conv_bias"],
        made.norm.weight: values["scale"],
        made.norm.bias: values["shift"],
        made.norm.running_mean: values["mean"],
        made.norm.running_var: values["variance"],
        made.hidden.weight: values["fc1"],
        made.hidden.bias: values["fc1_bias"],
        made.out.weight: values["fc2"].T,
    }
    with torch.no_grad():
        for tensor, array in places.items():
            tensor.copy_(torch.from_numpy(array.copy()))
        if before:
            made.conv.weight.add_(torch.randn_like(made.conv.weight) * 0.01)
            made.hidden.weight.add_((made.hidden.weight == 0) * torch.randn_like(made.hidden.weight) * 0.3)
            made.out.weight.add_((made.out.weight == 0) * torch.randn_like(made.out.weight) * 0.3)
    return made


IMAGES = normal(6, 3, 8, 8, seed=9)
LABELS = torch.tensor([1, 2, 3, 4, 5, 6])


def train(module: nn.Module, optimizer: torch.optim.Optimizer, *, autocast: bool = False, steps: int = 6) -> None:
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = nn.functional.cross_entropy(module(torch.from_numpy(IMAGES)).float(), LABELS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, weight_decay=0.01),
}


@pytest.mark.parametrize("before", [False, True])
def test_weights_are_found_by_content_and_take_the_values_of_the_model(before: bool) -> None:
    onnx = model()
    module = net(onnx, before=before)
    attachment = attach(module, read_hook(onnx))
    places = {name: (place.paths[0], place.axes) for name, place in attachment.matches.items()}
    assert places == {
        "kernel": ("conv.weight", (0, 1, 2, 3)),
        "conv_bias": ("conv.bias", (0,)),
        "scale": ("norm.weight", (0,)),
        "shift": ("norm.bias", (0,)),
        "mean": ("norm.running_mean", (0,)),
        "variance": ("norm.running_var", (0,)),
        "fc1": ("hidden.weight", (0, 1)),
        "fc1_bias": ("hidden.bias", (0,)),
        "fc2": ("out.weight", (1, 0)),
    }
    assert attachment.unmatched == ()
    expected = run(onnx, {"x": IMAGES})[0]
    output = module(torch.from_numpy(IMAGES)).detach().numpy()
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    for name, array in attachment.state().items():
        np.testing.assert_array_equal(array, onnx.graph.initializers[name].const_value.numpy())


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


def assert_imported(onnx: ir.Model, attachment: Attachment) -> None:
    """The ONNX model with what was trained computes what the module does."""
    tuned = import_(onnx, attachment.hook, attachment.state()).model
    expected = run(tuned, {"x": IMAGES})[0]
    output = attachment.module(torch.from_numpy(IMAGES)).detach().numpy()
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_module_of_16_bits_is_found_by_content(dtype: torch.dtype) -> None:
    onnx = model()
    attachment = attach(net(onnx).to(dtype), read_hook(onnx))
    assert attachment.unmatched == ()
    state = import_(onnx, attachment.hook, attachment.state()).summary
    assert max(line.moved for line in state.lines if line.moved is not None) < 0.02


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


def test_running_statistics_of_the_same_values_are_named() -> None:
    """A layer that has seen nothing yet has the statistics of any other, and its mean is all zeros."""
    onnx = model()
    onnx.graph.initializers["mean"].const_value = ir.Tensor(np.zeros(8, np.float32))
    module = net(onnx)
    module.twin = nn.BatchNorm2d(8)
    names = {"mean": "norm.running_mean"}
    assert attach(copy.deepcopy(module), read_hook(onnx)).unmatched == ("mean",)
    attachment = attach(module, read_hook(onnx), names)
    assert attachment.statistics.keys() == {"twin.running_mean", "twin.running_var"}
    train(module.train(), OPTIMIZERS["adam"](module.norm.parameters()))
    module.eval()
    assert_imported(onnx, attachment)


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


def test_a_hook_folder_and_explicit_names(tmp_path) -> None:
    onnx = model()
    export(onnx, tmp_path / "hook")
    module = net(onnx)
    with torch.no_grad():
        module.out.weight.normal_()
    with pytest.raises(HookError, match=r"^fc2: no parameter of the module has its values"):
        attach(module, tmp_path / "hook")
    attachment = attach(module, tmp_path / "hook", {"fc2": "out.weight"})
    assert attachment.matches["fc2"].axes == (1, 0)  # what the operator says, as no values do
    np.testing.assert_array_equal(attachment.state()["fc2"], onnx.graph.initializers["fc2"].const_value.numpy())


def test_dense_weights_that_are_not_found_are_reported() -> None:
    onnx = model()
    module = net(onnx)
    module.hidden.bias = None
    attachment = attach(module, read_hook(onnx))
    assert attachment.unmatched == ("fc1_bias",)
    np.testing.assert_array_equal(attachment.state()["fc1_bias"], normal(16, seed=6))


def test_a_folded_batch_normalization_is_refused_by_name() -> None:
    onnx = model()
    factors = torch.from_numpy(np.linspace(0.2, 3, 8, dtype=np.float32)).reshape(8, 1, 1, 1)
    module = net(onnx)
    with torch.no_grad():
        module.conv.weight.mul_(factors)
    hook = read_hook(onnx)
    message = (
        r"^kernel: it is the parameter conv\.weight times a factor .*BatchNormalization is folded.*fuse_conv_bn_eval"
    )
    for names in ({}, {"kernel": "conv.weight"}):
        with pytest.raises(HookError, match=message):
            attach(module, hook, names)
    assert not any("parametrizations" in name for name, _ in module.named_parameters())


@pytest.mark.parametrize("name", ["kernel", "conv.weight"])
@pytest.mark.parametrize("stage", ["dense", "pruned", "shared"])
def test_a_folded_batch_normalization_near_one_is_refused_at_any_stage(stage: str, name: str) -> None:
    module = nn.Sequential()
    module.conv = nn.Conv2d(3, 16, 3, bias=False)
    factors = np.linspace(0.8, 1.3, 16, dtype=np.float32).reshape(16, 1, 1, 1)
    kernel = normal(16, 3, 3, 3)
    with torch.no_grad():
        module.conv.weight.copy_(torch.from_numpy(kernel))
    onnx = build("g (float[N, 3, 8, 8] x) => (float[N, 16, 6, 6] y) { y = Conv(x, w) }", w=kernel * factors)
    onnx.graph.initializers["w"].name = name
    onnx = onnx if stage == "dense" else prune(onnx, density=0.5).model
    onnx = share(onnx, bits=4).model if stage == "shared" else onnx
    with pytest.raises(
        HookError, match=r"conv\.weight times a factor for each output channel: BatchNormalization is folded"
    ):
        attach(module, read_hook(onnx))


@pytest.mark.parametrize("bits", [2, 4])
def test_the_noise_of_sharing_is_no_folded_batch_normalization(bits: int) -> None:
    kernel = normal(16, 3, 3, 3) * np.linspace(0.5, 2, 16, dtype=np.float32).reshape(16, 1, 1, 1)
    onnx = build("g (float[N, 3, 8, 8] x) => (float[N, 16, 6, 6] y) { y = Conv(x, w) }", w=kernel)
    module = nn.Conv2d(3, 16, 3, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(kernel))
    assert attach(module, read_hook(share(onnx, bits=bits).model)).matches["w"].paths == ("weight",)


def test_what_is_ambiguous_is_refused_until_it_is_named() -> None:
    onnx = model()
    module = net(onnx)
    module.twin = nn.Linear(128, 16, bias=False)
    with torch.no_grad():
        module.twin.weight.copy_(module.hidden.weight)
    hook = read_hook(onnx)
    with pytest.raises(HookError, match=r"^fc1: its values are in several places \(hidden\.weight, twin\.weight\)"):
        attach(module, hook)
    assert attach(module, hook, {"fc1": "hidden.weight"}).matches["fc1"].paths == ("hidden.weight",)


def test_a_name_that_both_have_decides() -> None:
    onnx = model()
    module = net(onnx)
    onnx.graph.initializers["fc1"].name = "hidden.weight"
    module.twin = nn.Linear(128, 16, bias=False)
    with torch.no_grad():
        module.twin.weight.copy_(module.hidden.weight)
    assert attach(module, read_hook(onnx)).matches["hidden.weight"].paths == ("hidden.weight",)


def test_errors_say_what_and_where() -> None:
    onnx = model()
    hook, module = read_hook(onnx), net(onnx)
    with pytest.raises(HookError, match=r"^fc9: no such weight in the hook, expected one of kernel, conv_bias"):
        attach(module, hook, {"fc9": "out.weight"})
    with pytest.raises(
        HookError, match=r"^fc1: the module has no parameter 'fc\.weight' to constrain, expected one of"
    ):
        attach(module, hook, {"fc1": "fc.weight"})
    with pytest.raises(HookError, match=r"^fc1: expected shape \[16, 128\] in some order of axes, got \[16, 16\]"):
        attach(module, hook, {"fc1": "out.weight"})
    attach(module, hook)
    with pytest.raises(HookError, match=r"^kernel: no parameter .*; parametrized already: conv, hidden, out$"):
        attach(module, hook)


def test_a_parameter_of_the_same_name_with_other_values_is_not_taken_in_silence() -> None:
    onnx = build("g (float[N, 12] x) => (float[N, 20] y) { y = MatMul(x, weight) }", weight=pruned(12, 20, seed=1))
    layer, hook = nn.Linear(12, 20, bias=False), read_hook(onnx)
    with pytest.raises(HookError, match=r"^weight: the parameter of this name has other values: give it in `names`"):
        attach(layer, hook)
    assert attach(layer, hook, {"weight": "weight"}).matches["weight"].axes == (1, 0)
    with pytest.raises(HookError, match=r"^weight: expected shape \[12, 20\] in some order of axes, got \[20, 13\]"):
        attach(nn.Linear(13, 20, bias=False), hook)


def test_recurrent_weights_say_why_they_are_not_found() -> None:
    onnx = build(
        "g (float[S, N, 16] x) => (float[S, D, N, 8] y) { y = LSTM<hidden_size: int = 8>(x, W, R) }",
        W=pruned(1, 32, 16, seed=1),
        R=pruned(1, 32, 8, seed=2),
    )
    with pytest.raises(HookError, match=r"^W: no parameter .*gates in another order; use onnxdc\.torch\.module$"):
        attach(nn.LSTM(16, 8), read_hook(onnx))

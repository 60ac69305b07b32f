"""The parameters of a module that hold the weights of a model are found, or it is said why not."""

from __future__ import annotations

import copy

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from onnxdc.api import prune, share
from onnxdc.errors import HookError
from onnxdc.hooks import export, import_, read_hook
from onnxdc.torch import attach
from tests.helpers.text_models import build, normal, run
from tests.helpers.torch_networks import IMAGES, OPTIMIZERS, assert_imported, model, net, pruned, train

torch.set_num_threads(1)


@pytest.mark.parametrize("before", [False, True])
def test_weights_are_found_by_content_and_take_the_values_of_the_model(before: bool) -> None:
    onnx = model()
    module = net(onnx, before=before)
    attachment = attach(module, read_hook(onnx))
    matches = {name: (match.paths[0], match.axes) for name, match in attachment.matches.items()}
    assert matches == {
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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_module_of_16_bits_is_found_by_content(dtype: torch.dtype) -> None:
    onnx = model()
    attachment = attach(net(onnx).to(dtype), read_hook(onnx))
    assert attachment.unmatched == ()
    state = import_(onnx, attachment.hook, attachment.state()).report
    assert max(line.moved for line in state.lines if line.moved is not None) < 0.02


def test_running_statistics_of_the_same_values_are_named() -> None:
    onnx = model()  # a layer that has seen nothing yet has the statistics of any other, and its mean is all zeros
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

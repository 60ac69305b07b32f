"""An ONNX graph as a PyTorch module: right before training, its rules kept in training, its values ready to import."""

from __future__ import annotations

import copy

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn.utils import parametrize

from onnxdc import model_io
from onnxdc.api import encode, prune, share
from onnxdc.errors import HookError, ModelError
from onnxdc.hooks import export, import_, read_hook
from onnxdc.torch import module
from onnxdc.torch.parametrizations import FromCodebook, Masked
from onnxdc.torch.types import to_numpy
from tests.helpers import few_values, small_models
from tests.helpers.text_models import build, normal, run

torch.set_num_threads(1)

MODELS = {
    **{case.name: (case.make, case.feeds) for case in few_values.CASES},
    "dense": (small_models.dense, {"x": normal(3, 40)}),
    "recurrent": (small_models.recurrent, {"x": normal(5, 3, 16)}),
    "lenet": (lambda: model_io.load(small_models.LENET), {"input": normal(3, 1, 28, 28)}),
    "cnn": (lambda: model_io.load(small_models.CNN), {"input": normal(3, 1, 28, 28)}),
}


def outputs_of(net: torch.nn.Module, feeds: dict[str, np.ndarray]) -> list[torch.Tensor]:
    outputs = net(*(torch.from_numpy(np.array(array)) for array in feeds.values()))
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def mixed() -> ir.Model:
    """Build a shared convolution, BatchNormalization, and a pruned product after shape computations."""
    pruned = np.where(few_values.weight(48, 10, density=0.4) != 0, normal(48, 10), 0).astype(np.float32)
    return build(
        """g (float[N, 3, 8, 8] x) => (float[N, 10] y) {
            c = Conv <pads=[1, 1, 1, 1], strides=[2, 2]> (x, conv, conv_bias)
            b = BatchNormalization (c, scale, shift, mean, variance)
            r = Relu(b)
            p = MaxPool <kernel_shape=[2, 2], strides=[2, 2]> (r)
            s = Shape(p)
            n = Gather(s, zero)
            size = Concat <axis=0> (n, minus)
            f = Reshape(p, size)
            y = MatMul(f, fc)
        }""",
        conv=few_values.weight(12, 3, 3, 3, density=0.5),
        conv_bias=normal(12),
        scale=np.abs(normal(12, seed=1)),
        shift=normal(12, seed=2),
        mean=normal(12, seed=3),
        variance=np.abs(normal(12, seed=4)) + 1,
        zero=np.array([0]),
        minus=np.array([-1]),
        fc=pruned,
    )


IMAGES = normal(4, 3, 8, 8, seed=9)


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_onnxruntime_does(name: str) -> None:
    make, feeds = MODELS[name]
    model = make()
    net = module(model).eval()
    wanted = run(model, feeds)
    for output, expected in zip(outputs_of(net, feeds), wanted, strict=True):
        assert output.shape == expected.shape
        np.testing.assert_allclose(output.detach().numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


# Weights of a branch that is not taken get no gradient.
NOT_TAKEN = {"one name in both branches": ["W#2"], "initializer of a branch, and one around it": ["V"]}


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


@pytest.mark.parametrize("name", [case.name for case in few_values.CASES])
def test_the_folder_of_a_hook_is_a_module_like_its_model(name: str, tmp_path) -> None:
    make, feeds = MODELS[name]
    export(make(), tmp_path / "hook")
    net, other = module(tmp_path / "hook").eval(), module(make()).eval()
    assert net.names == other.names
    assert {name: tensor.shape for name, tensor in net.state_dict().items()} == {
        name: tensor.shape for name, tensor in other.state_dict().items()
    }
    expected_state = other.state()
    for weight, array in net.state().items():
        np.testing.assert_array_equal(array, expected_state[weight])
    for output, expected in zip(outputs_of(net, feeds), outputs_of(other, feeds), strict=True):
        assert torch.equal(output, expected)


def test_checkpoints_and_copies_are_the_same_network() -> None:
    model = mixed()
    net, other = module(model), module(model)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5)
    twin = copy.deepcopy(net)
    other.load_state_dict(net.state_dict())
    images = torch.from_numpy(IMAGES)
    assert torch.equal(net(images), other(images))
    assert torch.equal(net(images), twin(images))
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert torch.equal(net(images), other(images))
    assert not torch.equal(net(images), twin(images))


def test_names_that_parameters_cannot_have() -> None:
    model = mixed()
    for name, odd in (("fc", "names"), ("scale", "layer.1/scale"), ("shift", "layer_1.scale"), ("conv", "values")):
        model.graph.initializers[name].name = odd
    net = module(model)
    assert set(net.names) == {"names", "layer.1/scale", "layer_1.scale", "values", "conv_bias"}
    assert len(set(net.names.values())) == 5
    np.testing.assert_array_equal(net.state()["layer.1/scale"], np.abs(normal(12, seed=1)))


def test_a_function_that_is_called_twice_has_one_weight() -> None:
    text = """g (float[N, 12] x) => (float[N, 12] y) { a = local.layer(x)  y = local.layer(a) }
    <domain: "local", opset_import: ["" : 17]> layer (a) => (b) {
        w = Constant <value = float[1] {0.0}> ()
        b = MatMul(a, w)
    }"""
    model = build(text)
    function = next(iter(model.functions.values()))
    function[0].attributes.add(ir.AttrTensor("value", ir.Tensor(few_values.weight(12, 12, density=0.5))))
    net = module(model)
    assert list(net.names) == ["w"]
    x = normal(3, 12)
    np.testing.assert_allclose(net(torch.from_numpy(x)).detach().numpy(), run(model, {"x": x})[0], rtol=0, atol=1e-5)


def test_attributes_of_functions_reach_their_nodes() -> None:
    text = """g (float[N, 12] x) => (float[N, 12] y) {
        a = local.scaled <slope = 0.5> (x)
        b = Gemm(a, W)
        y = local.scaled <slope = 0.1> (b)
    }
    <domain: "local", opset_import: ["" : 17]> scaled <slope> (a) => (b) {
        b = LeakyRelu <alpha : float = @slope> (a)
    }"""
    model, x = build(text, W=normal(12, 12)), normal(3, 12)
    expected = run(model, {"x": x})[0]
    np.testing.assert_allclose(module(model)(torch.from_numpy(x)).detach().numpy(), expected, rtol=0, atol=1e-5)


def test_gradient_of_shared_is_the_sum_over_the_members() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, (7, 5))
    rule = FromCodebook(torch.from_numpy(codes), 6)  # entry 6 has no member
    codebook = torch.from_numpy(rng.standard_normal(6)).requires_grad_()
    factors = rng.standard_normal((7, 5))
    (rule(codebook) * torch.from_numpy(factors)).sum().backward()
    by_hand = np.zeros(7)
    np.add.at(by_hand, codes, factors)
    np.testing.assert_allclose(codebook.grad.numpy(), by_hand[1:], rtol=1e-12)
    assert torch.autograd.gradcheck(lambda c: (rule(c) ** 2).sum(), codebook)


def test_shared_values_are_the_means_of_their_clusters() -> None:
    codes = torch.tensor([[0, 1, 1], [2, 2, 2]])
    rule = FromCodebook(codes, 3)
    means = rule.right_inverse(torch.tensor([[9.0, 1.0, 2.0], [4.0, 5.0, 9.0]]))
    assert means.tolist() == [1.5, 6.0, 0.0]
    assert rule(means).tolist() == [[0.0, 1.5, 1.5], [6.0, 6.0, 6.0]]


def test_regrowth_moves_pruned_elements_that_count_as_zero() -> None:
    mask = torch.tensor([True, False, True])
    for regrow, expected in ((False, [1.0, 0.0, 1.0]), (True, [1.0, 1.0, 1.0])):
        values = torch.tensor([3.0, 4.0, 5.0], requires_grad=True)
        masked = Masked(mask, regrow=regrow)(values)
        masked.sum().backward()
        assert masked.tolist() == [3.0, 0.0, 5.0]
        assert values.grad.tolist() == expected


def test_bfloat16_weights_come_back_in_their_type() -> None:
    case = next(case for case in few_values.CASES if case.name == "bfloat16")
    model = case.make()
    (name,) = read_hook(model).weights
    state = module(model).state()
    assert state[name].dtype == model.graph.initializers[name].const_value.numpy().dtype
    assert import_(model, read_hook(model), state).model is not None


def test_errors_say_what_and_where(tmp_path) -> None:
    model = mixed()
    with pytest.raises(ModelError, match=r"^expected 1 inputs \(x\), got 2$"):
        module(model)(torch.zeros(1), torch.zeros(1))
    with pytest.raises(ModelError, match=r"^node '.*' \(Conv\): .*channels"):
        module(model)(torch.zeros(1, 4, 8, 8))
    determinant = build("g (float[N, 4, 4] x) => (float[N] y) { h = MatMul(x, w) y = Det(h) }", w=normal(4, 4))
    path = small_models.saved(determinant, tmp_path / "det.onnx")
    with pytest.raises(ModelError, match=r"det\.onnx: no PyTorch form of Det; covered are"):
        module(path, read_hook(determinant))
    for other in (small_models.recurrent(), prune(mixed(), density=0.1).model):
        with pytest.raises(HookError, match=r"^model: the hook is of another model: expected digest "):
            module(model, read_hook(other))
    with pytest.raises(ModelError, match="compressed: decode it first"):
        module(encode(share(small_models.dense()).model).model)
    with pytest.raises(HookError, match=r"cannot read|hook\.json"):
        module(tmp_path)
    with pytest.raises(HookError, match="nothing to train"):
        module(build("g (float[N] x) => (float[N] y) { y = Relu(x) }"))


def test_operators_that_broadcast_in_their_own_way_are_refused(tmp_path) -> None:
    text = "g (float[N, 3, 4, 3] x) => (float[N, 3, 4, 3] y) { c = Conv(x, w) y = Add<broadcast=1, axis=1>(c, b) }"
    export(build(text, opset=6, w=normal(3, 3, 1, 1), b=normal(3)), tmp_path / "hook")
    with pytest.raises(ModelError, match=r"\(Add\): broadcasting from an axis on, .* is not covered"):
        module(tmp_path / "hook")


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

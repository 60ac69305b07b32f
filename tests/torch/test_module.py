"""An ONNX graph as a PyTorch module computes what onnxruntime does, or says why it cannot."""

from __future__ import annotations

import copy

import numpy as np
import onnx_ir as ir
import pytest
import torch

from onnxdc.api import encode, prune, share
from onnxdc.errors import HookError, ModelError
from onnxdc.hooks import export, read_hook
from onnxdc.torch import module
from tests.helpers import few_values, small_models
from tests.helpers.text_models import build, normal, run
from tests.helpers.torch_graphs import IMAGES, MODELS, mixed, outputs_of

torch.set_num_threads(1)


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_onnxruntime_does(name: str) -> None:
    make, feeds = MODELS[name]
    model = make()
    net = module(model).eval()
    wanted = run(model, feeds)
    for output, expected in zip(outputs_of(net, feeds), wanted, strict=True):
        assert output.shape == expected.shape
        np.testing.assert_allclose(output.detach().numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


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

"""A network as an ONNX model and as a PyTorch module, for the tests of attaching one's rules to the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from onnxdc.hooks import import_
from onnxdc.torch.attach import Attachment
from tests.helpers import few_values
from tests.helpers.text_models import build, normal, run


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
    """Build a shared convolution and two pruned products, one of them transposed and square."""
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
    """Make the module with the model's values; as it was before pruning and sharing, too, if ``before`` says so."""
    torch.manual_seed(0)
    made = Net().eval()
    values = {name: value.const_value.numpy() for name, value in onnx.graph.initializers.items()}
    parameters = {
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
        for tensor, array in parameters.items():
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


def assert_imported(onnx: ir.Model, attachment: Attachment) -> None:
    """Assert that the ONNX model with what was trained computes what the module does."""
    tuned = import_(onnx, attachment.hook, attachment.state()).model
    expected = run(tuned, {"x": IMAGES})[0]
    output = attachment.module(torch.from_numpy(IMAGES)).detach().numpy()
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5 * np.abs(expected).max())

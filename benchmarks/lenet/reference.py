"""The two networks of the paper's tables 2 and 3: trained dense with plain PyTorch, and written as ONNX."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn.functional import cross_entropy

from common.onnx_models import Tensor, make_model
from lenet.mnist import INPUT, Split
from lenet.networks import Architecture
from onnxdc.training.augment import shifted

BATCH: Final = 128


def make_network(architecture: Architecture) -> nn.Sequential:
    """Make an untrained network."""
    return _lenet_300_100() if architecture == "lenet_300_100" else _lenet_5()


def train(
    network: nn.Module, data: Split, epochs: int, *, lr: float, weight_decay: float, shift: int, seed: int
) -> None:
    """Train in place with AdamW, the learning rate falling along a cosine; the last epoch counts.

    Args:
        network: A network of one input.
        data: What to train on.
        epochs: How often to go through it.
        lr: The learning rate, at its highest.
        weight_decay: The weight decay of all parameters.
        shift: The pixels by which each image is moved at random, at the most.
        seed: The seed of the order of the images and of the shifts.
    """
    torch.manual_seed(seed)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    optimizer = torch.optim.AdamW(network.parameters(), lr, weight_decay=weight_decay)
    steps = epochs * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for items in torch.split(torch.randperm(len(labels)), BATCH):
            batch = shifted(images[items], shift) if shift else images[items]
            loss = cross_entropy(network(batch), labels[items])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()


def export(network: nn.Sequential, path: Path) -> None:
    """Write a network as ONNX: a node for each module, the weights under the names of the modules."""
    nodes: list[onnx.NodeProto] = []
    initializers: list[onnx.TensorProto] = []
    x = INPUT
    modules = list(network.named_children())
    for name, module in modules:
        y = "logits" if name == modules[-1][0] else f"{name}_out"
        parameters = [name, f"{name}_bias"] if isinstance(module, nn.Linear | nn.Conv2d) else []
        for parameter, tensor in zip(parameters, module.parameters(), strict=True):
            initializers.append(numpy_helper.from_array(tensor.detach().numpy(), parameter))
        nodes.append(_node(module, [x, *parameters], y, name))
        x = y
    image, logits = Tensor(INPUT, ["items", 1, 28, 28]), Tensor("logits", ["items", 10])
    model = make_model("lenet", nodes, image, logits, initializers)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _lenet_300_100() -> nn.Sequential:
    """Make three fully connected layers (LeCun et al. 1998)."""
    return _named(
        flatten=nn.Flatten(),
        ip1=nn.Linear(784, 300),
        relu1=nn.ReLU(),
        ip2=nn.Linear(300, 100),
        relu2=nn.ReLU(),
        ip3=nn.Linear(100, 10),
    )


def _lenet_5() -> nn.Sequential:
    """Make LeNet-5 as Caffe has it, and the paper with Caffe: no activation after the convolutions."""
    return _named(
        conv1=nn.Conv2d(1, 20, 5),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(20, 50, 5),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        ip1=nn.Linear(800, 500),
        relu1=nn.ReLU(),
        ip2=nn.Linear(500, 10),
    )


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def _node(module: nn.Module, inputs: Sequence[str], output: str, name: str) -> onnx.NodeProto:
    match module:
        case nn.Linear():
            return helper.make_node("Gemm", inputs, [output], name=f"{name}_node", transB=1)
        case nn.Conv2d():
            return helper.make_node("Conv", inputs, [output], name=f"{name}_node", kernel_shape=module.kernel_size)
        case nn.MaxPool2d():
            size = [module.kernel_size] * 2
            return helper.make_node("MaxPool", inputs, [output], name=f"{name}_node", kernel_shape=size, strides=size)
        case nn.ReLU():
            return helper.make_node("Relu", inputs, [output], name=f"{name}_node")
        case nn.Flatten():
            return helper.make_node("Flatten", inputs, [output], name=f"{name}_node")
    raise TypeError(f"{name}: no ONNX operator is known for {type(module).__name__}")

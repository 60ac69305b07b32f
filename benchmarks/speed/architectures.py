"""The architectures of the speed benchmark's models, with the densities of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from speed.net import Net, Value


def fc_chain(net: Net, outputs: Sequence[int], densities: Sequence[float], x: Value | None = None) -> Value:
    """Chain fully connected layers, with a Relu between each two."""
    x = x or net.x
    for i, (count, density) in enumerate(zip(outputs, densities, strict=True)):
        x = net.gemm(net.relu(x) if i else x, count, density)
    return x


def single_gemm(net: Net, outputs: int, density: float) -> Value:
    """Make one fully connected layer, as a Gemm."""
    return net.gemm(net.x, outputs, density)


def single_matmul(net: Net, outputs: int, density: float) -> Value:
    """Make one fully connected layer, as a MatMul and an Add."""
    return net.matmul(net.x, outputs, density)


def single_conv(net: Net, outputs: int, kernel: int, density: float, *, stride: int = 1, groups: int = 1) -> Value:
    """Make one convolution."""
    return net.conv(net.x, outputs, kernel, density, stride=stride, groups=groups)


def alexnet(net: Net) -> Value:
    """Make AlexNet as the paper has it (table 4), without local response normalization."""
    x = net.max_pool(net.relu(net.conv(net.x, 96, 11, 0.84, stride=4, pad=0)), 3, 2)
    x = net.max_pool(net.relu(net.conv(x, 256, 5, 0.38, groups=2)), 3, 2)
    x = net.relu(net.conv(x, 384, 3, 0.35))
    x = net.relu(net.conv(x, 384, 3, 0.37, groups=2))
    x = net.max_pool(net.relu(net.conv(x, 256, 3, 0.37, groups=2)), 3, 2)
    return fc_chain(net, (4096, 4096, 1000), (0.09, 0.09, 0.25), net.flatten(x))


def vgg16(net: Net) -> Value:
    """Make VGG-16 as the paper has it (table 5)."""
    blocks = (
        (64, (0.58, 0.22)),
        (128, (0.34, 0.36)),
        (256, (0.53, 0.24, 0.42)),
        (512, (0.32, 0.27, 0.34)),
        (512, (0.35, 0.29, 0.36)),
    )
    x = net.x
    for channels, densities in blocks:
        for density in densities:
            x = net.relu(net.conv(x, channels, 3, density))
        x = net.max_pool(x, 2, 2)
    return fc_chain(net, (4096, 4096, 1000), (0.04, 0.04, 0.23), net.flatten(x))


def resnet50(net: Net, density: float) -> Value:
    """Make ResNet-50, normalizations folded; the first convolution and the last layer keep all weights."""
    x = net.max_pool(net.relu(net.conv(net.x, 64, 7, 1.0, stride=2)), 3, 2, 1)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            shortcut = x if block else net.conv(x, 4 * width, 1, density, stride=stride)
            x = net.relu(net.conv(x, width, 1, density))
            x = net.relu(net.conv(x, width, 3, density, stride=stride))
            x = net.conv(x, 4 * width, 1, density, gain=0.3)
            x = net.relu(net.node("Add", [x, shortcut], x.shape))
    x = net.node("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))
    return net.gemm(net.flatten(x), 1000, 1.0)


def bert(net: Net, density: float, layers: int = 12, heads: int = 12) -> Value:
    """Make the encoder of BERT-base, from embeddings ``[batch, tokens, width]`` on."""
    x = net.x
    for _ in range(layers):
        x = _normalize(net, x, net.matmul(_attend(net, x, density, heads), x.shape[-1], density))
        x = _normalize(net, x, net.matmul(_gelu(net, net.matmul(x, 4 * x.shape[-1], density)), x.shape[-1], density))
    return x


def _attend(net: Net, x: Value, density: float, heads: int) -> Value:
    """Append self-attention without its last projection."""
    batch, tokens, width = x.shape
    size = width // heads
    split = net.constant(np.array([batch, tokens, heads, size]))

    def project(order: Sequence[int]) -> Value:
        parts = net.node("Reshape", [net.matmul(x, width, density), split], (batch, tokens, heads, size))
        return net.node("Transpose", [parts], tuple(parts.shape[axis] for axis in order), perm=order)

    query, key, value = project((0, 2, 1, 3)), project((0, 2, 3, 1)), project((0, 2, 1, 3))
    square = (batch, heads, tokens, tokens)
    scale = net.constant(np.float32(1 / math.sqrt(size)))
    scores = net.node("Mul", [net.node("MatMul", [query, key], square), scale], square)
    mixed = net.node("MatMul", [net.node("Softmax", [scores], square, axis=-1), value], query.shape)
    joined = net.node("Transpose", [mixed], (batch, tokens, heads, size), perm=(0, 2, 1, 3))
    return net.node("Reshape", [joined, net.constant(np.array(x.shape))], x.shape)


def _normalize(net: Net, x: Value, residual: Value) -> Value:
    """Append a sum with the residual and its layer normalization."""
    ones, zeros = np.ones(x.shape[-1], np.float32), np.zeros(x.shape[-1], np.float32)
    total = net.node("Add", [residual, x], x.shape)
    return net.node("LayerNormalization", [total, net.constant(ones), net.constant(zeros)], x.shape, epsilon=1e-12)


def _gelu(net: Net, x: Value) -> Value:
    """Append GELU in the five nodes that PyTorch exports."""
    root, one, half = (net.constant(np.float32(number)) for number in (math.sqrt(2), 1, 0.5))
    erf = net.node("Erf", [net.node("Div", [x, root], x.shape)], x.shape)
    product = net.node("Mul", [x, net.node("Add", [erf, one], x.shape)], x.shape)
    return net.node("Mul", [product, half], x.shape)


def lenet5(net: Net) -> Value:
    """Make Caffe's variant of LeNet-5, which the paper prunes (table 3)."""
    x = net.max_pool(net.conv(net.x, 20, 5, 0.66, pad=0), 2, 2)
    x = net.max_pool(net.conv(x, 50, 5, 0.12, pad=0), 2, 2)
    return fc_chain(net, (500, 10), (0.08, 0.19), net.flatten(x))

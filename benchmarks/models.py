"""Models with the densities of the paper, drawn from fixed seeds: already pruned and shared, but dense.

A weight is kept by chance, some outputs having more nonzeros than others. The nonzeros look like what pruning leaves of
a normal distribution: two humps around an empty middle, on 2^bits - 2 evenly spaced values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape: TypeAlias = tuple[int, ...]

INPUT: Final = "x"
_OPSET: Final = 17
_IR_VERSION: Final = 8
_SEED: Final = 2016
_FC_BITS: Final = 5
_CONV_BITS: Final = 8
_SPREAD: Final = 0.25  # between outputs: the standard deviation of the logit of their density
_HUMP: Final = (0.15, 0.25)  # where a hump begins and how wide it is; the largest value is 1
_RMS: Final = 0.38  # of the nonzeros
_BLOCK: Final = 1 << 22  # elements that are drawn at once


class Value(NamedTuple):
    """A tensor of the graph."""

    name: str
    shape: Shape


class Net:
    """A model that is being made.

    Attributes:
        x: the input.
        vectors: how many vectors each weight is multiplied with in a run, by the weight's name: rows, tokens, pixels.
    """

    def __init__(self, shape: Shape) -> None:
        self.x = Value(INPUT, shape)
        self.vectors: dict[str, int] = {}
        self._rng = np.random.default_rng(_SEED)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, op_type: str, inputs: Sequence[Value | str], shape: Shape, **attributes: Any) -> Value:
        """Append a node whose only output has the given shape."""
        names = [value.name if isinstance(value, Value) else value for value in inputs]
        output = Value(f"{op_type.lower()}_{len(self._nodes)}", shape)
        self._nodes.append(helper.make_node(op_type, names, [output.name], name=output.name, **attributes))
        return output

    def constant(self, array: np.ndarray | np.float32) -> str:
        """Add an initializer; its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def conv(
        self,
        x: Value,
        outputs: int,
        kernel: int,
        density: float,
        *,
        stride: int = 1,
        pad: int | None = None,
        groups: int = 1,
        gain: float = 1.0,
    ) -> Value:
        """A convolution with bias, padded by half its kernel unless said otherwise."""
        pad = kernel // 2 if pad is None else pad
        size = _positions(x, kernel, stride, pad)
        weight = self._weight((outputs, x.shape[1] // groups, kernel, kernel), density, _CONV_BITS, gain)
        self.vectors[weight] = x.shape[0] * math.prod(size)
        return self.node(
            "Conv",
            [x, weight, self._bias(outputs)],
            (x.shape[0], outputs, *size),
            group=groups,
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    def gemm(self, x: Value, outputs: int, density: float) -> Value:
        """A fully connected layer as PyTorch writes it, with a weight ``[outputs, inputs]``."""
        weight = self._weight((outputs, x.shape[1]), density, _FC_BITS)
        self.vectors[weight] = x.shape[0]
        return self.node("Gemm", [x, weight, self._bias(outputs)], (x.shape[0], outputs), transB=1)

    def matmul(self, x: Value, outputs: int, density: float) -> Value:
        """A fully connected layer of a transformer: MatMul with a weight ``[inputs, outputs]``, then Add."""
        weight = self._weight((outputs, x.shape[-1]), density, _FC_BITS, transposed=True)
        self.vectors[weight] = math.prod(x.shape[:-1])
        shape = (*x.shape[:-1], outputs)
        return self.node("Add", [self.node("MatMul", [x, weight], shape), self._bias(outputs)], shape)

    def relu(self, x: Value) -> Value:
        return self.node("Relu", [x], x.shape)

    def max_pool(self, x: Value, kernel: int, stride: int, pad: int = 0) -> Value:
        shape = (*x.shape[:2], *_positions(x, kernel, stride, pad))
        return self.node("MaxPool", [x], shape, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def flatten(self, x: Value) -> Value:
        return self.node("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])))

    def to_proto(self, output: Value) -> onnx.ModelProto:
        """The model that yields one of its tensors."""
        types = [
            helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.shape) for value in (self.x, output)
        ]
        graph = helper.make_graph(self._nodes, "benchmark", types[:1], types[1:], self._constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="onnxdc"
        )

    def _bias(self, outputs: int) -> str:
        return self.constant(0.1 * self._rng.standard_normal(outputs, np.float32))

    def _weight(self, shape: Shape, density: float, bits: int, gain: float = 1.0, *, transposed: bool = False) -> str:
        """A weight whose outputs lie along the first axis; ``transposed`` ones are stored the other way round."""
        inputs = math.prod(shape[1:])
        weight = np.zeros((shape[0], inputs), np.float32)
        odds = (1 - density) / density * np.exp(-_SPREAD * self._rng.standard_normal((shape[0], 1), np.float32))
        scale = gain * math.sqrt(2 / (inputs * density)) / _RMS
        rows = max(1, _BLOCK // inputs)
        for start in range(0, shape[0], rows):
            block = weight[start : start + rows]
            mask = self._rng.random(block.shape, np.float32) < 1 / (1 + odds[start : start + rows])
            block[mask] = scale * _nonzeros(self._rng, int(np.count_nonzero(mask)), bits)
        return self.constant(np.ascontiguousarray(weight.T) if transposed else weight.reshape(shape))


def _nonzeros(rng: np.random.Generator, count: int, bits: int) -> np.ndarray:
    """Values in [-1, 1] of ``2^bits - 2`` kinds, none of them 0: float32 ``[count]``."""
    normal = rng.standard_normal(count, np.float32)
    levels = (1 << (bits - 1)) - 1
    level = np.clip(np.rint(levels * (_HUMP[0] + _HUMP[1] * np.abs(normal))), 1, levels)
    return np.copysign(level / np.float32(levels), normal)


def _positions(x: Value, kernel: int, stride: int, pad: int) -> Shape:
    """How often a window fits into each spatial axis."""
    return tuple((size + 2 * pad - kernel) // stride + 1 for size in x.shape[2:])


def fc_chain(net: Net, outputs: Sequence[int], densities: Sequence[float], x: Value | None = None) -> Value:
    """Fully connected layers, Relu between them."""
    x = x or net.x
    for i, (count, density) in enumerate(zip(outputs, densities, strict=True)):
        x = net.gemm(net.relu(x) if i else x, count, density)
    return x


def single_gemm(net: Net, outputs: int, density: float) -> Value:
    return net.gemm(net.x, outputs, density)


def single_matmul(net: Net, outputs: int, density: float) -> Value:
    return net.matmul(net.x, outputs, density)


def single_conv(net: Net, outputs: int, kernel: int, density: float) -> Value:
    return net.conv(net.x, outputs, kernel, density)


def alexnet(net: Net) -> Value:
    """As the paper has it (table 4), without local response normalization."""
    x = net.max_pool(net.relu(net.conv(net.x, 96, 11, 0.84, stride=4, pad=0)), 3, 2)
    x = net.max_pool(net.relu(net.conv(x, 256, 5, 0.38, groups=2)), 3, 2)
    x = net.relu(net.conv(x, 384, 3, 0.35))
    x = net.relu(net.conv(x, 384, 3, 0.37, groups=2))
    x = net.max_pool(net.relu(net.conv(x, 256, 3, 0.37, groups=2)), 3, 2)
    return fc_chain(net, (4096, 4096, 1000), (0.09, 0.09, 0.25), net.flatten(x))


def vgg16(net: Net) -> Value:
    """As the paper has it (table 5)."""
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
    """Normalizations folded into the convolutions; the first convolution and the last layer keep all weights."""
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
    """The encoder of BERT-base, from embeddings ``[batch, tokens, width]`` on."""
    x = net.x
    for _ in range(layers):
        x = _normalize(net, x, net.matmul(_attend(net, x, density, heads), x.shape[-1], density))
        x = _normalize(net, x, net.matmul(_gelu(net, net.matmul(x, 4 * x.shape[-1], density)), x.shape[-1], density))
    return x


def _attend(net: Net, x: Value, density: float, heads: int) -> Value:
    """Self-attention without its last projection."""
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
    ones, zeros = np.ones(x.shape[-1], np.float32), np.zeros(x.shape[-1], np.float32)
    total = net.node("Add", [residual, x], x.shape)
    return net.node("LayerNormalization", [total, net.constant(ones), net.constant(zeros)], x.shape, epsilon=1e-12)


def _gelu(net: Net, x: Value) -> Value:
    """In the five nodes that PyTorch exports."""
    root, one, half = (net.constant(np.float32(number)) for number in (math.sqrt(2), 1, 0.5))
    erf = net.node("Erf", [net.node("Div", [x, root], x.shape)], x.shape)
    product = net.node("Mul", [x, net.node("Add", [erf, one], x.shape)], x.shape)
    return net.node("Mul", [product, half], x.shape)


def lenet5(net: Net) -> Value:
    """Caffe's variant, which the paper prunes (table 3)."""
    x = net.max_pool(net.conv(net.x, 20, 5, 0.66, pad=0), 2, 2)
    x = net.max_pool(net.conv(x, 50, 5, 0.12, pad=0), 2, 2)
    return fc_chain(net, (500, 10), (0.08, 0.19), net.flatten(x))

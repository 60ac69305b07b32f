"""Builds models layer by layer, with weights that are already pruned and shared, but dense; all from a fixed seed.

A weight is kept by chance, some outputs having more nonzeros than others. The nonzeros look like what pruning leaves of
a normal distribution: two humps around an empty middle, on 2^bits - 2 evenly spaced values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from common.onnx_models import Shape, Tensor, make_model

INPUT: Final = "x"
_SEED: Final = 2016
_FC_BITS: Final = 5
_CONV_BITS: Final = 8
_SPREAD: Final = 0.25  # between outputs: the standard deviation of the logit of their density
_HUMP: Final = (0.15, 0.25)  # where a hump begins and how wide it is; the largest value is 1
_RMS: Final = 0.38  # of the nonzeros
_BLOCK: Final = 1 << 22  # elements that are drawn at once


class Value(NamedTuple):
    """A tensor of the graph that a node yields, or the input."""

    name: str
    shape: Shape


class Use(NamedTuple):
    """What a run does with a weight.

    Attributes:
        vectors: How many vectors it is multiplied with: rows, tokens, pixels.
        products: How often an element is multiplied, on average: as often, but for pixels that are padding.
        activations: The elements of the layer's input and output.
    """

    vectors: int
    products: float
    activations: int


class Net:
    """A model that is being made.

    Attributes:
        x: The input.
        uses: What a run does with each weight, by the weight's name.
    """

    def __init__(self, shape: Shape) -> None:
        self.x = Value(INPUT, shape)
        self.uses: dict[str, Use] = {}
        self._rng = np.random.default_rng(_SEED)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, op_type: str, inputs: Sequence[Value | str], shape: Shape, **attributes: Any) -> Value:
        """Append a node whose only output has the given shape."""
        output = Value(f"{op_type.lower()}_{len(self._nodes)}", shape)
        names = [name_of(value) for value in inputs]
        self._nodes.append(helper.make_node(op_type, names, [output.name], name=output.name, **attributes))
        return output

    def constant(self, array: np.ndarray | np.float32) -> str:
        """Add an initializer and return its name."""
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
        """Append a convolution with bias, padded by half its kernel unless said otherwise."""
        pad = kernel // 2 if pad is None else pad
        batch, channels, *size = x.shape
        positions = _positions(x, kernel, stride, pad)
        shape = (batch, outputs, *positions)
        weight = self._weight((outputs, channels // groups, kernel, kernel), density, _CONV_BITS, gain)
        products = batch * math.prod(_positions_inside(length, kernel, stride, pad) for length in size)
        self.uses[weight] = Use(batch * math.prod(positions), products, math.prod(x.shape) + math.prod(shape))
        attributes = {"group": groups, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.node("Conv", [x, weight, self._bias(outputs)], shape, **attributes)

    def gemm(self, x: Value, outputs: int, density: float) -> Value:
        """Append a fully connected layer as PyTorch writes it, with a weight ``[outputs, inputs]``."""
        weight = self._weight((outputs, x.shape[1]), density, _FC_BITS)
        self.uses[weight] = Use(x.shape[0], x.shape[0], x.shape[0] * (x.shape[1] + outputs))
        return self.node("Gemm", [x, weight, self._bias(outputs)], (x.shape[0], outputs), transB=1)

    def matmul(self, x: Value, outputs: int, density: float) -> Value:
        """Append a fully connected layer of a transformer: MatMul with a weight ``[inputs, outputs]``, then Add."""
        weight = self._weight((outputs, x.shape[-1]), density, _FC_BITS, transposed=True)
        vectors = math.prod(x.shape[:-1])
        self.uses[weight] = Use(vectors, vectors, vectors * (x.shape[-1] + outputs))
        shape = (*x.shape[:-1], outputs)
        return self.node("Add", [self.node("MatMul", [x, weight], shape), self._bias(outputs)], shape)

    def relu(self, x: Value) -> Value:
        """Append a Relu."""
        return self.node("Relu", [x], x.shape)

    def max_pool(self, x: Value, kernel: int, stride: int, pad: int = 0) -> Value:
        """Append a MaxPool."""
        shape = (*x.shape[:2], *_positions(x, kernel, stride, pad))
        return self.node("MaxPool", [x], shape, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def flatten(self, x: Value) -> Value:
        """Append a Flatten that leaves the first axis."""
        return self.node("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])))

    def to_proto(self, output: Value) -> onnx.ModelProto:
        """Return the model that yields one of its tensors."""
        return make_model("benchmark", self._nodes, Tensor(*self.x), Tensor(*output), self._constants)

    def _bias(self, outputs: int) -> str:
        return self.constant(0.1 * self._rng.standard_normal(outputs, np.float32))

    def _weight(self, shape: Shape, density: float, bits: int, gain: float = 1.0, *, transposed: bool = False) -> str:
        """Add a weight whose outputs lie along the first axis; ``transposed`` ones are stored the other way round."""
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


def name_of(value: Value | str) -> str:
    """Return the name of what a node takes: a tensor of the graph, or the name of a constant."""
    return value if isinstance(value, str) else value.name


def _nonzeros(rng: np.random.Generator, count: int, bits: int) -> np.ndarray:
    """Draw values in [-1, 1] of ``2^bits - 2`` kinds, none of them 0: float32 ``[count]``."""
    normal = rng.standard_normal(count, np.float32)
    levels = (1 << (bits - 1)) - 1
    level = np.clip(np.rint(levels * (_HUMP[0] + _HUMP[1] * np.abs(normal))), 1, levels)
    return np.copysign(level / np.float32(levels), normal)


def _positions(x: Value, kernel: int, stride: int, pad: int) -> Shape:
    """Count how often a window fits into each spatial axis."""
    return tuple((size + 2 * pad - kernel) // stride + 1 for size in x.shape[2:])


def _positions_inside(size: int, kernel: int, stride: int, pad: int) -> float:
    """Count the positions of a window along an axis in which one of its elements is on no padding, on average."""
    starts = np.arange(0, size + 2 * pad - kernel + 1, stride) - pad
    taps = starts[:, None] + np.arange(kernel)
    return np.count_nonzero((taps >= 0) & (taps < size)) / kernel

"""Train the two example models with numpy: LeNet-300-100 and a small CNN, on scikit-learn's handwritten digits.

    python examples/train.py        # under two minutes; writes next to this file

It writes lenet_300_100.onnx, digits_cnn.onnx and digits_test.npz (the digits that were held out: ``input``, the name of
both models' input, and ``labels``). The results are committed, so the demo needs neither this script nor scikit-learn.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import helper, numpy_helper
from sklearn.datasets import load_digits

HERE: Final = Path(__file__).parent
SIDE: Final = 28  # of the image that LeNet-300-100 was made for; the digits have 8x8 pixels and are scaled up
CLASSES: Final = 10
TEST_SHARE: Final = 0.2
BATCH: Final = 32
LEARNING_RATE: Final = 2e-3
# Each step pulls every weight towards zero by this share of the learning rate. The weights that the loss does not hold
# on to end up near zero, but not at it: the model is dense, and pruning nine tenths of it costs next to nothing.
L1: Final = 0.1
MAX_SHIFT: Final = 1  # pixels by which the training images are moved about


class Layer(Protocol):
    """A step of a network. ``backward`` may be called once after each ``forward``."""

    def forward(self, x: np.ndarray) -> np.ndarray: ...
    def backward(self, gradient: np.ndarray) -> np.ndarray: ...
    def node(self, source: str, target: str) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]: ...


class Weighted:
    """What Gemm and Conv have in common: a weight and a bias, trained by Adam."""

    def __init__(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
        fan_in = np.prod(shape[1:])
        self.name = name
        self.weight = rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        self.bias = np.zeros(shape[0], np.float32)
        self.gradients: list[np.ndarray] = []
        self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in (self.weight, self.bias)]
        self._steps = 0

    def step(self, rate: float) -> None:
        """Make one step of Adam (Kingma and Ba, 2015), and the pull towards zero on the weight."""
        self._steps += 1
        for parameter, gradient, (mean, square) in zip(
            (self.weight, self.bias), self.gradients, self._moments, strict=True
        ):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            unbiased = mean / (1 - 0.9**self._steps)
            parameter -= rate * unbiased / (np.sqrt(square / (1 - 0.999**self._steps)) + 1e-8)
        self.weight -= np.float32(rate * L1) * np.sign(self.weight)

    @property
    def initializers(self) -> dict[str, np.ndarray]:
        """The weight and the bias, by their names."""
        return {f"{self.name}.weight": self.weight, f"{self.name}.bias": self.bias}


class Gemm(Weighted):
    """``x @ weight.T + bias``."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        self.gradients = [gradient.T @ self._x, gradient.sum(0)]
        return gradient @ self.weight

    def node(self, source: str, target: str) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
        node = helper.make_node("Gemm", [source, *self.initializers], [target], self.name, transB=1)
        return node, self.initializers


class Conv(Weighted):
    """A 2-D convolution, stride 1, no padding."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._x = x
        return _correlate(x, self.weight) + self.bias[:, None, None]

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        kernel = self.weight.shape[2:]
        windows = sliding_window_view(self._x, gradient.shape[2:], axis=(2, 3))
        self.gradients = [np.einsum("nohw,ncklhw->ockl", gradient, windows, optimize=True), gradient.sum((0, 2, 3))]
        padded = np.pad(gradient, ((0, 0), (0, 0), *((k - 1, k - 1) for k in kernel)))
        return _correlate(padded, self.weight[:, :, ::-1, ::-1].swapaxes(0, 1))

    def node(self, source: str, target: str) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
        kernel = list(self.weight.shape[2:])
        node = helper.make_node("Conv", [source, *self.initializers], [target], self.name, kernel_shape=kernel)
        return node, self.initializers


def _correlate(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Correlate ``x`` [N, C, H, W] with ``weight`` [O, C, k, l], by one matrix product over the windows of x."""
    windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3))  # [N, C, H', W', k, l]
    return np.tensordot(windows, weight, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


class Relu:
    """``max(x, 0)``."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._positive = x > 0
        return x * self._positive

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        return gradient * self._positive

    def node(self, source: str, target: str) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
        return helper.make_node("Relu", [source], [target]), {}


class MaxPool:
    """The largest of each 2x2 square."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        n, c, h, w = x.shape
        squares = x.reshape(n, c, h // 2, 2, w // 2, 2)
        largest: np.ndarray = squares.max((3, 5), keepdims=True)
        self._is_largest = squares == largest
        return largest.reshape(n, c, h // 2, w // 2)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        n, c, h, w = gradient.shape
        squares: np.ndarray = self._is_largest * gradient[:, :, :, None, :, None]
        return squares.reshape(n, c, 2 * h, 2 * w)

    def node(self, source: str, target: str) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
        return helper.make_node("MaxPool", [source], [target], kernel_shape=[2, 2], strides=[2, 2]), {}


class Flatten:
    """[N, ...] to [N, everything else]."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        return gradient.reshape(self._shape)

    def node(self, source: str, target: str) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
        return helper.make_node("Flatten", [source], [target]), {}


def lenet_300_100(rng: np.random.Generator) -> list[Layer]:
    """Make the fully connected network of the paper's section 5.1: 266,200 weights."""
    fc1, fc2 = Gemm("fc1", (300, SIDE * SIDE), rng), Gemm("fc2", (100, 300), rng)
    return [Flatten(), fc1, Relu(), fc2, Relu(), Gemm("fc3", (CLASSES, 100), rng)]


def digits_cnn(rng: np.random.Generator) -> list[Layer]:
    """Make two convolutions and two fully connected layers, after LeNet-5: 167,900 weights."""
    convolutions: list[Layer] = [Conv("conv1", (16, 1, 5, 5), rng), Relu(), MaxPool()]
    convolutions += [Conv("conv2", (50, 16, 5, 5), rng), Relu(), MaxPool()]
    return [*convolutions, Flatten(), Gemm("fc1", (180, 800), rng), Relu(), Gemm("fc2", (CLASSES, 180), rng)]


def train(layers: list[Layer], images: np.ndarray, labels: np.ndarray, epochs: int, rng: np.random.Generator) -> None:
    """Minimise the cross-entropy, with a learning rate that falls linearly to zero."""
    total = epochs * -(-len(images) // BATCH)
    for step, (x, y) in enumerate(_batches(images, labels, epochs, rng)):
        for layer in layers:
            x = layer.forward(x)
        gradient = _softmax(x)
        gradient[np.arange(len(y)), y] -= 1
        gradient /= len(y)
        for layer in reversed(layers):
            gradient = layer.backward(gradient)
        for layer in layers:
            if isinstance(layer, Weighted):
                layer.step(LEARNING_RATE * (1 - step / total))


def _batches(
    images: np.ndarray, labels: np.ndarray, epochs: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            shift = rng.integers(-MAX_SHIFT, MAX_SHIFT + 1, 2)
            yield np.roll(images[chosen], shift, axis=(2, 3)), labels[chosen]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(logits - logits.max(1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(1, keepdims=True)
    return shares


def export(layers: list[Layer], name: str) -> onnx.ModelProto:
    """Return the network as a model from ``input`` [N, 1, 28, 28] float32 in 0..1 to ``logits`` [N, 10]."""
    nodes, tensors = [], []
    source = "input"
    for number, layer in enumerate(layers):
        target = "logits" if layer is layers[-1] else f"{type(layer).__name__.lower()}_{number}"
        node, initializers = layer.node(source, target)
        nodes.append(node)
        tensors += [numpy_helper.from_array(array, key) for key, array in initializers.items()]
        source = target
    image = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", CLASSES])
    graph = helper.make_graph(nodes, name, [image], [logits], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def load_images() -> tuple[np.ndarray, np.ndarray]:
    """Read the 1797 digits as float32 [n, 1, 28, 28] in 0..1, and their labels, int64 [n]."""
    digits = load_digits()
    position = np.linspace(0, 7, SIDE)  # where in the small image each pixel of the large one lies
    scale = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(8)))  # linear interpolation, [28, 8]
    images = scale @ digits.images @ scale.T / 16
    grey = np.round(images * 255) / 255  # as an 8-bit image holds it, so that the file of test digits is small
    return grey[:, None].astype(np.float32), digits.target.astype(np.int64)


@functools.cache
def split_images() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the images and labels to train with, and those that are held out."""
    images, labels = load_images()
    order = np.random.default_rng(0).permutation(len(images))
    held_out = int(TEST_SHARE * len(images))
    test, rest = order[:held_out], order[held_out:]
    return (images[rest], labels[rest]), (images[test], labels[test])


def main() -> None:
    """Train and write both networks."""
    (images, labels), (test_images, test_labels) = split_images()
    np.savez_compressed(HERE / "digits_test.npz", input=test_images, labels=test_labels)
    for name, build, epochs in (("lenet_300_100", lenet_300_100, 60), ("digits_cnn", digits_cnn, 16)):
        rng = np.random.default_rng(0)
        layers = build(rng)
        train(layers, images, labels, epochs, rng)
        x = test_images
        for layer in layers:
            x = layer.forward(x)
        onnx.save(export(layers, name), HERE / f"{name}.onnx")
        print(f"{name}: {np.mean(x.argmax(1) == test_labels):.2%} of {len(test_labels)} test digits")


if __name__ == "__main__":
    main()

"""How far the native kernels are from float64 on the layers of the speed benchmark.

Usage: python benchmarks/accuracy.py [PATTERN ...], of the names of rows of benchmarks/run.py; all without one

Each layer is encoded alone, told to run on the compressed weight, and fed with normal numbers; layers that have an
operator, sizes and a density (to 1 %) in common count once. A convolution is compared at some of its positions, the
corners among them, in all channels. Two errors are printed for each instruction set of the machine: the largest
relative to the sum of the magnitudes of an output's terms, and the largest relative to the largest output. Exits with
1 if one is above 1e-5.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper
from scipy import sparse

import onnxdc
from common.onnx_models import Shape, Tensor, make_model
from common.program import choose_matching, make_parser, run
from onnxdc import native
from speed.cases import speed_cases
from speed.net import INPUT, Net, Value, name_of

LIMIT: Final = 1e-5
POSITIONS: Final = 200  # of a convolution

Compared: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Outputs, what they are in float64, and the sums of their terms' magnitudes."""


@dataclass(frozen=True)
class LayerAlone:
    """A Conv, Gemm (transB) or MatMul with a constant weight.

    Attributes:
        op: The operator.
        x_shape: The shape of its input.
        weight: Its weight.
        bias: Its bias, None for MatMul.
        attributes: The attributes of its node.
    """

    op: str
    x_shape: Shape
    weight: np.ndarray
    bias: np.ndarray | None
    attributes: dict[str, Any]

    @property
    def name(self) -> str:
        """What to call it: operator, sizes and density."""
        sizes = ["x".join(map(str, shape)) for shape in (self.x_shape, self.weight.shape)]
        stride = "".join(f" stride {s}" for s in self.attributes.get("strides", [])[:1] if s > 1)
        groups = "".join(f" groups {g}" for g in [self.attributes.get("group", 1)] if g > 1)
        density = np.count_nonzero(self.weight) / self.weight.size
        return f"{self.op} {sizes[0]} * {sizes[1]}{stride}{groups} {density:.0%}"

    def model(self) -> onnx.ModelProto:
        """Return a model of this layer alone."""
        constants = {"weight": self.weight} | ({} if self.bias is None else {"bias": self.bias})
        node = helper.make_node(self.op, [INPUT, *constants], ["y"], **self.attributes)
        tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
        return make_model("layer", [node], Tensor(INPUT, self.x_shape), Tensor("y", None), tensors)


class Layers(Net):
    """A net that keeps its layers while it is made.

    Attributes:
        layers: The layers so far.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.layers: list[LayerAlone] = []
        self._arrays: dict[str, np.ndarray] = {}

    def constant(self, array: np.ndarray | np.float32) -> str:
        """Add an initializer, and keep its values."""
        name = super().constant(array)
        self._arrays[name] = np.asarray(array)
        return name

    def node(self, op_type: str, inputs: Sequence[Value | str], shape: Shape, **attributes: Any) -> Value:
        """Append a node, and keep it if it is a layer with a weight."""
        x, *others = inputs
        names = [name_of(value) for value in others]
        if isinstance(x, Value) and names and names[0] in self.uses:
            weight, *biases = (self._arrays[name] for name in names)
            self.layers.append(LayerAlone(op_type, x.shape, weight, biases[0] if biases else None, attributes))
        return super().node(op_type, inputs, shape, **attributes)


def main() -> int:
    """Compare the layers, and print a line for each."""
    known = speed_cases()
    parser = make_parser(__doc__)
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="rows, such as 'conv*' or vgg16")
    chosen = choose_matching(parser, parser.parse_args().patterns, known)
    seen: set[str] = set()
    compared, worst = 0, 0.0
    print(f"{'':60}" + "".join(f" {isa:>17}" for isa in native.supported_isas()))
    for name in chosen:
        net = Layers(known[name].shape)
        known[name].build(net)
        for layer in net.layers:
            if layer.name in seen:
                continue
            seen.add(layer.name)
            try:
                small = onnxdc.encode(layer.model(), execution="sparse", min_elements=0).to_proto()
            except onnxdc.ModelError as error:
                print(f"{layer.name:<60} not compared: {error}")
                continue
            print(f"{layer.name:<60}", end="", flush=True)
            for terms, largest in errors_of(layer, small):
                print(f" {terms:8.1e} {largest:8.1e}", end="", flush=True)
                worst = max(worst, terms, largest)
            print()
            compared += 1
    print(f"{compared} of {len(seen)} layers compared, largest error {worst:.1e}")
    return int(not worst <= LIMIT)


def errors_of(layer: LayerAlone, small: onnx.ModelProto) -> Iterator[tuple[float, float]]:
    """Yield both errors of a layer, in each instruction set."""
    assert {node.domain for node in small.graph.node} == {"onnxdc"}
    x = np.random.default_rng(7).standard_normal(layer.x_shape, np.float32)
    reference = convolution if layer.op == "Conv" else product
    for isa in native.supported_isas():
        os.environ["ONNXDC_ISA"] = isa
        (y,) = onnxdc.session(small, native=True).run(None, {INPUT: x})
        outputs, expected, magnitude = reference(layer, x, np.asarray(y))
        errors = np.abs(outputs - expected)
        # An output without a term must be exactly zero, or its error is infinite.
        relative = np.divide(errors, magnitude, out=np.where(errors > 0, np.inf, 0.0), where=magnitude > 0)
        yield float(relative.max()), float(errors.max() / np.abs(expected).max())


def product(layer: LayerAlone, x: np.ndarray, y: np.ndarray) -> Compared:
    """Compare all outputs of a fully connected layer."""
    weight = layer.weight if layer.op == "Gemm" else layer.weight.T
    sums = sums_of(weight, x.reshape(-1, x.shape[-1]).T, layer.bias)
    return (y.reshape(-1, y.shape[-1]).T, *sums)


def convolution(layer: LayerAlone, x: np.ndarray, y: np.ndarray) -> Compared:
    """Compare the outputs of a convolution of one image at some positions."""
    stride, (pad, *_), groups = layer.attributes["strides"][0], layer.attributes["pads"], layer.attributes["group"]
    size, outputs = layer.weight.shape[-1], len(layer.weight) // groups
    height, width = y.shape[2:]
    corners = [0, width - 1, (height - 1) * width, height * width - 1]
    others = np.random.default_rng(8).choice(height * width, min(POSITIONS, height * width), replace=False)
    rows, columns = np.divmod(np.concatenate([corners, others]), width)
    padded = np.pad(x[0], ((0, 0), (pad, pad), (pad, pad)))
    patches = np.stack(
        [
            padded[:, row : row + size, column : column + size].ravel()
            for row, column in zip(stride * rows, stride * columns, strict=True)
        ],
        axis=-1,
    )
    parts = [
        sums_of(
            layer.weight[group * outputs : (group + 1) * outputs].reshape(outputs, -1),
            np.split(patches, groups)[group],
            None if layer.bias is None else layer.bias[group * outputs : (group + 1) * outputs],
        )
        for group in range(groups)
    ]
    expected, magnitude = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return y[0][:, rows, columns], expected, magnitude


def sums_of(weight: np.ndarray, x: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return ``weight @ x + bias`` in float64, ``[outputs, vectors]``, and the same of the magnitudes."""
    nonzeros = sparse.csr_array(weight).astype(np.float64)
    wide = x.astype(np.float64)
    offset = np.zeros((len(weight), 1)) if bias is None else bias.astype(np.float64)[:, np.newaxis]
    return nonzeros @ wide + offset, abs(nonzeros) @ np.abs(wide) + np.abs(offset)


if __name__ == "__main__":
    sys.exit(run(main))

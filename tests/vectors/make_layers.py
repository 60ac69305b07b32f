"""Write the vectors of layers on integers to ``layers/``: models, and in an ``.npz`` file their input and their output.

Each model is one node with its portable body. The output is what docs/format.md, section 9, says, computed by the
definition in ``tests/helpers/dynamic_products.py``. Vectors are append-only: run this to add one, not to change any.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from onnxdc.numeric.encoding import encode_weight
from tests.helpers.dynamic_products import convolution, matrix_product
from tests.helpers.portable_models import Node, compressed_model

FOLDER = Path(__file__).parent / "layers"
OPSET = 17


def vectors() -> Iterator[tuple[str, onnx.ModelProto, np.ndarray, np.ndarray]]:
    """Yield the name, the model, the input and the output of each."""
    rng = np.random.default_rng(20)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def weight(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 0.3, normal(21)[rng.integers(0, 21, shape)], np.float32(0))

    # Rows of all magnitudes; of zeros; of one sign; with an infinity, whose outputs are NaN.
    a = normal(7, 40) * np.float32([[1], [1e-3], [1e4], [0], [1], [1], [1]])
    a[4], a[5], a[6, 3] = np.abs(a[4]), -np.abs(a[5]), np.inf
    array = weight(40, 24)
    array[:, 5] = 0
    yield (
        "matmul",
        compressed_model("SparseDynamicMatMul", array, Node(2, {"A": a}), OPSET),
        a,
        matrix_product(a, array),
    )

    integers = rng.integers(-40, 41, (24, 40)) * (rng.random((24, 40)) < 0.3)
    grid = (integers * np.float32(0.3)).astype(np.float32)
    compressed = encode_weight(grid)
    assert compressed.step.shape == (1, 1)
    x = normal(5, 40)
    node = Node(2, {"A": x}, {}, {"transB": 1, "alpha": 0.5})
    steps = np.full(24, compressed.step[0, 0], np.float32)
    yield (
        "gemm on a grid",
        compressed_model("SparseDynamicGemm", compressed, node, OPSET),
        x,
        0.5 * matrix_product(x, grid.T, steps),
    )

    # Images of their own ranges, far from 0, whose padding is not 0 as a byte.
    images = normal(3, 4, 9, 10) * np.float32([1, 100, 1]).reshape(3, 1, 1, 1) + np.float32(2)
    filters = weight(6, 2, 3, 2)
    attributes = {"group": 2, "dilations": [2, 1], "strides": [2, 3], "pads": [1, 0, 2, 1]}
    conv = compressed_model("SparseDynamicConv", filters, Node(4, {"X": images}, {}, attributes), OPSET)
    yield "conv", conv, images, convolution(images, filters, attributes)

    # A grid for each filter.
    odd = rng.choice([9, 11, 13, 15], 24) * 2.0 ** rng.integers(-9, 0, 24)
    chosen = rng.choice(np.arange(-127, 128), 100, replace=False)
    integers = rng.choice(chosen, (24, 6, 3, 3)) * (rng.random((24, 6, 3, 3)) < 0.5)
    filters = (integers * odd.reshape(24, 1, 1, 1)).astype(np.float32)
    compressed = encode_weight(filters, group_axis=0)
    assert compressed.step.shape == (24, 1)
    images = normal(2, 6, 5, 5)
    attributes = {"pads": [1, 1, 1, 1], "group_axis": 0}
    conv = compressed_model("SparseDynamicConv", compressed, Node(4, {"X": images}, {}, attributes), OPSET)
    yield "conv on grids", conv, images, convolution(images, filters, attributes, compressed.step[:, 0])


def main() -> None:
    """Write those that are not there yet."""
    for name, model, x, y in vectors():
        path = FOLDER / f"{name.replace(' ', '_')}.onnx"
        if not path.exists():
            onnx.save(model, path)
            np.savez_compressed(path.with_suffix(".npz"), x=x, y=y.astype(np.float32))


if __name__ == "__main__":
    main()

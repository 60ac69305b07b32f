"""Models for the tests of graphs as PyTorch modules, with inputs for them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch

from onnxdc import model_io
from tests.helpers import few_values, small_models
from tests.helpers.text_models import build, normal

MODELS = {
    **{case.name: (case.make, case.feeds) for case in few_values.CASES},
    "dense": (small_models.dense, {"x": normal(3, 40)}),
    "recurrent": (small_models.recurrent, {"x": normal(5, 3, 16)}),
    "lenet": (lambda: model_io.load(small_models.LENET), {"input": normal(3, 1, 28, 28)}),
    "cnn": (lambda: model_io.load(small_models.CNN), {"input": normal(3, 1, 28, 28)}),
}


def outputs_of(net: torch.nn.Module, feeds: dict[str, np.ndarray]) -> list[torch.Tensor]:
    """Return the outputs of a module, as a list even if there is one."""
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

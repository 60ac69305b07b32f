"""Models that are drawn, with a fixed seed, as if they had been pruned and shared."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from common.onnx_models import Tensor, make_model

CONVOLUTIONS: Final = 150


def write_layer(path: Path, rows: int, columns: int, density: float) -> None:
    """Write a model of one fully connected layer."""
    weight = _draw_weight(np.random.default_rng(0), (rows, columns), density, values=31)
    node = helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)
    constants = [numpy_helper.from_array(weight, "W")]
    onnx.save(make_model("layer", [node], Tensor("x", [1, columns]), Tensor("y", [1, rows]), constants), path)


def write_convolutions(path: Path) -> None:
    """Write a model of many convolutions, one after the other."""
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(_draw_weight(rng, (64, 64, 3, 3), 0.1, values=64), f"w{i}") for i in range(CONVOLUTIONS)
    ]
    nodes = [
        helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"x{i + 1}"], pads=[1, 1, 1, 1]) for i in range(CONVOLUTIONS)
    ]
    x, y = (Tensor(name, [1, 64, 8, 8]) for name in ("x0", f"x{CONVOLUTIONS}"))
    onnx.save(make_model("convolutions", nodes, x, y, constants), path)


def _draw_weight(rng: np.random.Generator, shape: tuple[int, ...], density: float, values: int) -> np.ndarray:
    """Draw a weight of shared values, most of them near the middle ones, as k-means leaves them."""
    codebook = np.sort(rng.normal(size=values)).astype(np.float32)
    codes = np.clip(rng.normal(values / 2, values / 6, shape), 0, values - 1).astype(np.intp)
    return np.where(rng.random(shape) < density, codebook[codes], np.float32(0))

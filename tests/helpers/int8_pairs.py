"""Models in integers and what ``encode`` makes of them, for tests in other runtimes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir

import onnxdc
from tests.helpers.int8_models import images, residual_network
from tests.helpers.integer_models import four_bits, matmul_integer
from tests.helpers.text_models import normal

ROWS = 8


def static() -> ir.Model:
    """A residual network whose convolutions run on integers, with Q and DQ around them."""
    return onnxdc.quantize(residual_network(channels=32), data={"x": images(64)}).model


PAIRS: Mapping[str, Callable[[], ir.Model]] = {"static QDQ": static, "dynamic": matmul_integer, "INT4": four_bits}
OPERATORS: Mapping[str, str] = {"static QDQ": "QLinearConv", "dynamic": "DynamicQuantizeMatMul", "INT4": "MatMulNBits"}
"""What onnxruntime runs of each."""


def save_pair(name: str, folder: Path) -> tuple[Path, Path]:
    """Save a model in integers, and the same coded; return where they are."""
    plain, small = folder / "plain.onnx", folder / "small.onnx"
    model = PAIRS[name]()
    ir.save(model, plain)
    onnxdc.encode(model, execution="dense").save(small)
    assert small.stat().st_size < plain.stat().st_size
    return plain, small


def input_of(path: Path) -> np.ndarray:
    """Some rows for a model of one input, float32."""
    (value,) = ir.load(path).graph.inputs
    assert value.shape is not None
    return normal(ROWS, *(int(size) for size in value.shape[1:]))

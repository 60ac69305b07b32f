"""What docs/other_tools.md says of tools that run before ``compress``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxsim
import onnxslim
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

import onnxdc
from tests.helpers.small_models import CNN, DIGITS, LENET, constants


def digits() -> np.ndarray:
    with np.load(DIGITS) as arrays:
        return arrays["input"]


def by_onnxslim(model: onnx.ModelProto) -> Any:
    return onnxslim.slim(model)


def by_onnxsim(model: onnx.ModelProto) -> Any:
    simple, right = onnxsim.simplify(model)
    assert right
    return simple


@pytest.mark.parametrize("simplified", [by_onnxslim, by_onnxsim])
@pytest.mark.parametrize("path", [LENET, CNN], ids=["lenet", "cnn"])
def test_a_simplified_model_is_compressed(simplified: Callable[[onnx.ModelProto], Any], path: Path):
    result = onnxdc.compress(simplified(onnx.load(path)))
    assert result.report.is_encoded
    assert onnxdc.verify(path, result.model, {"input": digits()}).verdict == "ok"


def test_what_sparsegpt_has_pruned_stays_pruned():
    feeds = [{"input": batch} for batch in np.split(digits()[:120], 6)]
    pruned = onnxsim.apply_sparsegpt_pruning(str(LENET), feeds, sparsity=0.9)
    before = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in pruned.graph.initializer}
    after = constants(onnxdc.decode(onnxdc.compress(pruned).model).model)
    weights = [name for name, array in before.items() if array.ndim == 2]
    assert len(weights) == 3
    for name in weights:
        assert np.count_nonzero(before[name]) < 0.11 * before[name].size
        assert not after[name][before[name] == 0].any()


class Reader(CalibrationDataReader):
    """The first digits, one by one."""

    def __init__(self) -> None:
        self.feeds: Iterator[dict[str, np.ndarray]] = iter([{"input": image[None]} for image in digits()[:50]])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def dynamic(source: Path, target: Path) -> None:
    quantize_dynamic(source, target)


def with_qdq(source: Path, target: Path) -> None:
    quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True)


def with_operators(source: Path, target: Path) -> None:
    quantize_static(source, target, Reader(), quant_format=QuantFormat.QOperator)


@pytest.mark.parametrize("quantized", [dynamic, with_qdq, with_operators])
def test_what_onnxruntime_has_quantized_is_coded_without_loss(quantized: Callable[[Path, Path], None], tmp_path: Path):
    int8, small = tmp_path / "int8.onnx", tmp_path / "small.onnx"
    quantized(LENET, int8)
    onnxdc.compress(int8).save(small)
    assert small.stat().st_size < int8.stat().st_size
    found = [onnxruntime.InferenceSession(path).run(None, {"input": digits()})[0] for path in (int8, small)]
    np.testing.assert_array_equal(*found)

"""Rows of integers of a quantised model: type, reader, distinct values, entropy, bytes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from scipy.stats import entropy

import onnxdc
from onnxdc.numeric.integers import centre_of, from_centre, numbers_of
from tests.helpers.integer_models import MODELS, SIZE, four_bits, integers, matmul_integer, qgemm
from tests.helpers.small_models import onnxdc as command
from tests.helpers.small_models import saved

READERS = {
    "QDQ Conv": ("conv", "Conv after DequantizeLinear"),
    "QLinearConv": ("conv", "QLinearConv"),
    "QDQ Gemm": ("fc", "Gemm after DequantizeLinear"),
    "MatMulInteger": ("fc", "MatMulInteger"),
    "ConvInteger": ("conv", "ConvInteger"),
    "MatMulNBits": ("fc", "com.microsoft.MatMulNBits"),
    "Gather": ("embedding", "Gather"),
    "GatherBlockQuantized": ("embedding", "com.microsoft.GatherBlockQuantized"),
    "INT4": ("fc", "MatMul after DequantizeLinear"),
    "mixed": ("fc", "MatMul after DequantizeLinear, Add after Cast"),
}


@pytest.mark.parametrize("name", READERS)
def test_kind_and_reader(name: str) -> None:
    (row,) = [row for row in onnxdc.inspect(MODELS[name]()).rows if row.is_integer]
    assert (row.kind, row.reader) == READERS[name]


@pytest.mark.parametrize("coded", [False, True])
def test_figures_are_those_worked_out_apart(coded: bool, tmp_path: Path) -> None:
    array = integers(SIZE, SIZE, density=0.7)
    path = saved(qgemm(array), tmp_path / "a.onnx")
    if coded:
        onnxdc.encode(path).save(tmp_path / "b.onnx")
        path = tmp_path / "b.onnx"
    (row,) = onnxdc.inspect(path).rows
    counts = list(Counter(array.ravel().tolist()).values())

    assert (row.name, row.dtype, row.size, row.distinct) == ("w", "int8", array.size, len(counts))
    assert row.entropy == pytest.approx(entropy(counts, base=2))
    assert (row.nnz, row.dense_bytes) == (np.count_nonzero(array), array.size)
    assert (row.encoded_bytes is not None) is coded
    assert "w" not in [skip.name for skip in onnxdc.inspect(path).skips]


def test_four_bits_take_half_a_byte() -> None:
    model = four_bits(size=3 * SIZE + 1)
    (row,) = [row for row in onnxdc.inspect(model).rows if row.is_integer]

    assert row.size == (SIZE + 1) * (3 * SIZE + 1)
    assert row.size % 2
    assert row.dense_bytes == (row.size + 1) // 2 == model.graph.initializers["w"].const_value.nbytes
    assert row.dtype == "int4"


def test_the_table_of_integers_stands_by_itself(tmp_path: Path) -> None:
    text = str(onnxdc.inspect(MODELS["mixed"]()))
    _, floats, total, header, numbers, *_ = text.splitlines()
    assert (floats.split()[0], total.split()[0]) == ("v", "total")
    headings = [
        "weight",
        "kind",
        "type",
        "reader",
        "shape",
        "density",
        "values",
        "entropy",
        "dense",
        "encoded",
        "ratio",
    ]
    assert header.split() == headings
    assert numbers.split()[:3] == ["w", "fc", "int8"]
    path = saved(qgemm(), tmp_path / "a.onnx")
    result = command("inspect", path, "--json")
    (row,) = json.loads(result.stdout)["weights"]
    assert (row["dtype"], row["reader"]) == ("int8", "Gemm after DequantizeLinear")
    assert row["distinct"] > 1
    assert 0 < row["entropy"] < 8


def test_nothing_is_said_of_how_integers_run() -> None:
    report = onnxdc.encode(matmul_integer()).report
    assert [row.reason for row in report.rows] == [""]
    assert not any("dense:" in line for line in report.notes())


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, ml_dtypes.int4, ml_dtypes.uint4])
@pytest.mark.parametrize("centre", [0, 3, 9, 255])
def test_every_integer_has_one_number(dtype: type, centre: int) -> None:
    info = ml_dtypes.iinfo(dtype)
    order = from_centre(centre if info.min == 0 else 0, np.dtype(dtype))
    everything = np.arange(info.min, info.max + 1).astype(order.dtype)

    assert sorted(order.tolist()) == everything.tolist()
    np.testing.assert_array_equal(order[numbers_of(everything, order)], everything)


def test_the_centre_is_a_value_of_many_or_about_the_middle() -> None:
    rng = np.random.default_rng(0)
    wide = np.clip(np.round(rng.standard_normal(90_000) * 20 + 131), 0, 255).astype(np.uint8)
    assert abs(centre_of(wide) - 131) <= 8
    peaked = np.where(rng.random(1000) < 0.9, 37, rng.integers(0, 256, 1000)).astype(np.uint8)
    assert centre_of(peaked) == 37
    assert centre_of(rng.integers(5, 9, 100).astype(np.int8)) == 0
    assert centre_of(np.zeros(0, np.uint8)) == 0

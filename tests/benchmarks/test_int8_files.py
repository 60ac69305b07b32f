from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.benchmarks.programs import modules_of_benchmarks, refused
from tests.helpers.integer_models import feeds_of, qgemm
from tests.helpers.small_models import saved


def test_there_are_fifteen_kinds() -> None:
    with modules_of_benchmarks():
        from int8.kinds import all_kinds

        keys = [kind.key for kind in all_kinds()]
    assert len(keys) == len(set(keys)) == 15


def test_what_is_measured(tmp_path: Path) -> None:
    model = qgemm()
    path = saved(model, tmp_path / "a.onnx")
    with modules_of_benchmarks():
        from int8.measure import measure

        measured = measure(path, tmp_path / "b.onnx", [feeds_of(model)])
    integers = model.graph.initializers["w"].const_value.numpy()
    _, counts = np.unique(integers, return_counts=True)
    share = counts / integers.size
    coded = onnx.load(tmp_path / "b.onnx")
    tensors = [t for t in coded.graph.initializer if "." in t.name and not t.name.endswith(".extent")]

    assert (measured.before, measured.after) == (path.stat().st_size, (tmp_path / "b.onnx").stat().st_size)
    assert measured.entropy == pytest.approx(-(share * np.log2(share)).sum() * integers.size / 8)
    extent = 3 + 1 + 2 + 2  # 36,864, 0, and 192 twice, as varints
    assert measured.groups == sum(len(t.raw_data) for t in tensors) + extent
    assert (measured.lost, measured.is_equal) == ("", True)
    assert measured.stripped <= measured.after
    assert 0 < measured.gained < 1
    assert "bits" not in measured.missed
    assert "operators" not in measured.missed


def test_operators_that_differ_are_named() -> None:
    with modules_of_benchmarks():
        from int8.measure import difference

        assert difference(Counter(a=2, b=1), Counter(a=1, c=4)) == "a 2 -> 1, b 1 -> 0, c 0 -> 4"


def test_missing_files(tmp_path: Path) -> None:
    text = refused("int8_files.py", tmp_path, "--only", "resnet56 QDQ tensor")
    assert text == f"files {tmp_path / 'resnet56_cifar10.onnx'}, {tmp_path / 'cifar10_test.npz'}"

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.programs import refused, run
from tests.benchmarks.test_paper import write_mnist

pytest.importorskip("torch")


@pytest.mark.slow
def test_a_line_for_each_file(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist.npz")
    options = ("--quick", "--only", "LeNet-300-100", "--rows", "17500", "--work", tmp_path / "files")
    ended = run("grids.py", tmp_path, *options)
    commands = [text.split()[2] for text in ended.error.splitlines() if text.startswith("$ onnxdc ")]
    assert commands == ["finetune", "encode"], ended.error
    assert ended.code == 1, "made-up digits are learnt by nobody"
    heading, row = (text.split() for text in ended.lines)
    assert heading[:3] == ["model", "size", "file"]
    size = (tmp_path / "files" / "LeNet-300-100_17500_encoded.onnx").stat().st_size
    before = (tmp_path / "files" / "lenet_300_100.onnx").stat().st_size
    assert row[:4] == ["LeNet-300-100", "17500", f"{size:,}", f"{before / size:.2f}"]
    assert row[-2:] == ["1.80", "missed"]


def test_no_data() -> None:
    assert refused("grids.py") == "the folder of data: name it as an argument or in ONNXDC_DATA"


def test_an_unknown_model(tmp_path: Path) -> None:
    assert refused("grids.py", tmp_path, "--only", "vgg").startswith("models vgg: expected some of LeNet-300-100, ")

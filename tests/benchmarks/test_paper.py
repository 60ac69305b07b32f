from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.programs import refused, run

pytest.importorskip("torch")


def write_mnist(path: Path) -> None:
    """Write a made-up MNIST: 240 images to train on and to hold out, 50 to test."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 240), ("test", 50)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, count, np.uint8)
    np.savez(path, **arrays)


@pytest.mark.slow
def test_the_tables_of_a_network(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist.npz")
    quick = ("--quick", "--only", "LeNet-300-100", "--threads", "1", "--folder", tmp_path / "files")

    ended = run("paper.py", tmp_path, *quick)

    assert ended.code == 0, ended.error
    commands = [line.split()[2] for line in ended.error.splitlines() if line.startswith("$ onnxdc ")]
    assert commands == ["finetune", "share", "finetune", "encode"]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ended.lines if line.startswith("|")]
    assert rows[0][1:5] == [f"{stage}, % wrong" for stage in ("reference", "pruned", "shared", "encoded")]
    assert [row[0] for row in rows[2:4]] == ["LeNet-300-100, paper", "LeNet-300-100, here"]
    assert rows[4] == ["layer", "weights", "kept", "bits", "H", "index", "H", "P+Q", "P+Q+H"]
    assert [row[0] for row in rows[6:]] == ["ip1", "ip2", "ip3", "total"]
    assert [row[2] for row in rows[6:9]] == ["8 % / 3 %", "9 % / 6 %", "26 % / 25 %"]
    goals = [line for line in ended.lines if line.startswith("LeNet-300-100: ")]
    assert [goal.split()[1:3] for goal in goals] == [["must", "45x"], ["aim", "100x"]]
    assert ended.lines[-1].endswith(" minutes, quick")


def test_no_data() -> None:
    assert refused("paper.py") == "mnist.npz: name it or its folder as an argument or in ONNXDC_DATA"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert refused("paper.py", ONNXDC_DATA=tmp_path) == f"file {tmp_path / 'mnist.npz'}"


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("torch", "PyTorch: pip install --editable '.[torch]'"),
        ("matplotlib", "matplotlib: pip install --editable '.[figures]'"),
    ],
)
def test_without_an_extra(tmp_path: Path, package: str, expected: str) -> None:
    assert refused("paper.py", tmp_path, "--figures", without=[package]) == expected

"""The benchmarks say in one line what they need and do not find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ZOO = ROOT / "benchmarks" / "zoo.py"


def zoo(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """The exit code, and what is written to stderr."""
    inherited = {name: value for name, value in os.environ.items() if name != "ONNXDC_DATA"}
    python_path = os.pathsep.join([str(ROOT), *filter(None, [inherited.get("PYTHONPATH")])])
    found = subprocess.run(
        [sys.executable, ZOO, *arguments],
        env={**inherited, "PYTHONPATH": python_path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
    return found.returncode, found.stderr


def test_no_folder() -> None:
    expected = "zoo.py: missing the folder of data: name it as an argument or in ONNXDC_DATA\n"

    assert zoo() == (1, expected)


@pytest.mark.parametrize("by_argument", [True, False])
def test_an_empty_folder(tmp_path: Path, by_argument: bool) -> None:
    code, text = zoo(tmp_path) if by_argument else zoo(ONNXDC_DATA=str(tmp_path))

    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith(f"zoo.py: missing files {tmp_path / 'squeezenet_v10_han_dc.onnx'}, ")
    for name in ("imagenet_sample_1000.npz", "minilm.onnx", "zoo/gtcrn.onnx", "zoo_inputs.npz", "magika_test.npz"):
        assert text.count(str(tmp_path / name)) == 1


def test_only_what_is_chosen_is_missed(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"

    assert zoo(tmp_path, "--only", "minilm", "--minilm", other) == (1, f"zoo.py: missing files {other}\n")


def test_an_unknown_model(tmp_path: Path) -> None:
    code, text = zoo(tmp_path, "--only", "vgg", "resnet20")

    assert code == 1
    assert text.startswith("zoo.py: missing models vgg: expected some of squeezenet_han, squeezenet, ")

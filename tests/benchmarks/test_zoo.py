from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.programs import refused, run, run_here
from tests.helpers.small_models import saved
from tests.helpers.text_models import build, normal


def test_a_row_for_a_model_with_labels(tmp_path: Path) -> None:
    """A made-up classifier in the place of magika, whose labels are what it says of half of its inputs."""
    rng = np.random.default_rng(0)
    content, weight = rng.integers(0, 256, (8, 40)), normal(40, 100, seed=0)
    model = build(
        "magika (int32[N, 40] bytes) => (float[N, 100] y) { x = Cast<to: int = 1>(bytes)  y = MatMul(x, weight) }",
        weight=weight,
    )
    (tmp_path / "zoo").mkdir()
    saved(model, tmp_path / "zoo" / "magika_standard_v3_3.onnx")
    ranking = (content @ weight).argsort(axis=1)
    labels = np.where(np.arange(8) < 4, ranking[:, -1], ranking[:, 0])
    np.savez(tmp_path / "magika_test.npz", bytes=content.astype(np.uint8), labels=labels)

    ended = run("zoo.py", tmp_path, "--only", "magika", "--runs", "1")

    assert (ended.code, ended.error) == (0, "")
    groups, columns, row = ended.lines
    assert [group.strip() for group in groups.split("|")][1:4] == ["bytes", "to twin", "to original"]
    assert columns.split()[:5] == ["model", "|", "original", "small", "ratio"]
    assert len(row) == len(columns)
    name, sizes, *_ = (cells.split() for cells in row.split("|"))
    assert name == ["magika"]
    assert int(sizes[0]) > int(sizes[1])
    assert row.count("50.00 (50.00)") == 3


def test_no_folder() -> None:
    assert refused("zoo.py") == "the folder of data: name it as an argument or in ONNXDC_DATA"


@pytest.mark.parametrize("by_argument", [True, False])
def test_an_empty_folder(tmp_path: Path, by_argument: bool) -> None:
    text = refused("zoo.py", tmp_path) if by_argument else refused("zoo.py", ONNXDC_DATA=tmp_path)

    assert text.startswith(f"files {tmp_path / 'squeezenet_v10_han_dc.onnx'}, ")
    for name in ("imagenet_sample_1000.npz", "minilm.onnx", "zoo/gtcrn.onnx", "zoo_inputs.npz", "magika_test.npz"):
        assert text.count(str(tmp_path / name)) == 1


def test_only_what_is_chosen_is_missed(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"

    assert refused("zoo.py", tmp_path, "--only", "minilm", "--minilm", other) == f"file {other}"


def test_an_unknown_model(tmp_path: Path) -> None:
    text = refused("zoo.py", tmp_path, "--only", "vgg", "resnet20")

    assert text.startswith("models vgg: expected some of squeezenet_han, squeezenet, ")


def test_without_pillow(tmp_path: Path) -> None:
    for name in ("resnet20_cifar10.onnx", "cifar10_test.npz"):
        (tmp_path / name).touch()

    ended = run_here("zoo.py", tmp_path, "--only", "resnet20", without=["PIL"])

    expected = "zoo.py: missing pillow, which decodes the images of cifar10_test.npz: pip install pillow\n"
    assert (ended.code, ended.error) == (1, expected)

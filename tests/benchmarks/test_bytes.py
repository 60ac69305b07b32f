from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.programs import modules_of_benchmarks, refused, run
from tests.helpers.small_models import saved
from tests.helpers.text_models import build, normal

HEADINGS = ["model", "file", "bytes", "ratio", "f", "score", "drop", "CPU", "must", "aim"]

# In the place of the package: what it leaves has half of the bytes.
BROTLI = """
def compress(data, quality):
    assert quality == 11
    return data[::2]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A made-up classifier in the place of magika, with outliers, and 40 of its inputs, labelled as it says."""
    rng = np.random.default_rng(0)
    content, weight = rng.integers(0, 256, (40, 40)), normal(40, 500, seed=0) ** 3 / 800
    model = build(
        "magika (int32[N, 40] bytes) => (float[N, 500] y) { x = Cast<to: int = 1>(bytes)  y = MatMul(x, weight) }",
        weight=weight,
    )
    (tmp_path / "zoo").mkdir()
    saved(model, tmp_path / "zoo" / "magika_standard_v3_3.onnx")
    np.savez(tmp_path / "magika_test.npz", bytes=content.astype(np.uint8), labels=(content @ weight).argmax(axis=1))
    return tmp_path


def test_a_row_for_each_file(folder: Path) -> None:
    (folder / "brotli.py").write_text(BROTLI, encoding="utf-8")
    ended = run("bytes.py", folder, "--only", "magika", PYTHONPATH=folder)

    assert ended.error == "", ended.error
    headings, dynamic, without, calibrated = ended.lines
    assert headings.split() == HEADINGS
    assert [line[:46].split() for line in (dynamic, without, calibrated)] == [
        ["magika", "dynamic", "int8,", "brotli"],
        ["magika", "no", "options"],
        ["magika", "--data,", "f", "of", "int8"],
    ]
    original = (folder / "zoo" / "magika_standard_v3_3.onnx").stat().st_size
    for line in (dynamic, without, calibrated):
        nbytes, ratio, f, score, *_ = line[46:].split()
        assert original / int(nbytes.replace(",", "")) == pytest.approx(float(ratio), abs=0.006)
        assert 0 < float(f) < 1
        assert 0 <= float(score) <= 100
    assert float(calibrated[46:].split()[2]) <= float(dynamic[46:].split()[2]) * 1.05  # in two digits
    assert ended.code == int("MISSED" in without)


def test_chosen_rows_take_no_other_tools(folder: Path) -> None:
    ended = run("bytes.py", folder, "--only", "magika", "--rows", "no*", without=["brotli"])

    assert (ended.code, ended.error) == (0, "")
    assert [line[:46].split() for line in ended.lines[1:]] == [["magika", "no", "options"]]


def test_no_item_both_calibrates_and_judges(folder: Path) -> None:
    with modules_of_benchmarks():
        from fewest.cases import all_cases

        items = all_cases(folder, None, None)["magika"].load()
    (calibration,) = (feed["bytes"] for feed in items.calibration)
    (judging,) = (feed["bytes"] for feed in items.judging.feeds)
    assert (len(calibration), len(judging)) == (20, 20)
    assert len(np.unique(np.concatenate([calibration, judging]), axis=0)) == 40


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        ({}, True),
        ({"nbytes": 1000, "f": 0.1, "drop": 1.0, "ratio": 8}, True),
        ({"nbytes": 999}, False),
        ({"f": 0.09}, False),
        ({"drop": 0.9}, False),
        ({"drop": 0.6, "errors": 1}, True),  # a standard error is 0.5
        ({"drop": 0.4, "errors": 1}, False),
        ({"ratio": 8.1}, False),
    ],
)
def test_what_must_hold(goal: dict[str, float], reached: bool) -> None:
    from onnxdc.evaluate.metrics import Drop

    with modules_of_benchmarks():
        from fewest.goals import Goal, Measured

        measured = Measured(nbytes=1000, ratio=8.0, f=0.1, drop=Drop(70, 69, 0.5), seconds=1.0)
        assert measured.reaches(Goal(**goal)) is reached


def test_no_folder() -> None:
    assert refused("bytes.py") == "the folder of data: name it as an argument or in ONNXDC_DATA"


def test_missing_files(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    text = refused("bytes.py", tmp_path, "--only", "minilm", "--minilm", other)

    assert text == f"files {other}, {tmp_path / 'tokenizer.json'}, {tmp_path / 'stsb_test.tsv'}"


def test_without_brotli(folder: Path) -> None:
    text = refused("bytes.py", folder, "--only", "magika", without=["brotli"])

    assert text == "brotli, which shortens the files of other tools: pip install '.[peers]'"

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks.programs import refused, run
from tests.helpers.small_models import dense, saved


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["float", "dynamic"])
def test_a_line_for_a_model(tmp_path: Path, activation: str) -> None:
    (tmp_path / "deep").mkdir()
    saved(dense(), tmp_path / "deep" / "tiny.onnx")

    ended = run("never_slower.py", tmp_path, "--activation", activation, "--threads", "1", "--runs", "1")

    assert ended.error == ""
    headings, row, last = ended.lines
    assert " ".join(headings.split()) == "model threads original ms as it is 0.1 0.3 0.5 error"
    assert re.fullmatch(r"tiny +1 +\d+\.\d+( +\d+\.\d\d[ !]){4} +\de[+-]\d\d", row)
    assert re.fullmatch(r"[0-4] of 4 are slower by more than 3 %", last)
    assert ended.code == (not last.startswith("0"))


def test_no_folder() -> None:
    assert refused("never_slower.py") == "the folder of models: name it as an argument or in ONNXDC_DATA"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert refused("never_slower.py", ONNXDC_DATA=tmp_path) == f"models: no .onnx file is in {tmp_path}"


def test_an_unknown_model(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()

    assert refused("never_slower.py", tmp_path, "--only", "b") == "models b: expected some of a"

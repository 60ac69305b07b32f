from __future__ import annotations

import importlib
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.benchmarks.programs import modules_of_benchmarks, run, run_here

COLUMNS = ["case", "threads", "dense", "ms", "ours", "ms", "ratio", "must", "aim", "avx2", "scaling", "weights", "MB"]


@pytest.mark.slow
def test_a_row_its_json_and_peers_some_of_which_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "deepsparse").touch()  # so that no environment can be made there
    options = ("--only", "lenet300", "--threads", "1", "--runs", "1", "--loads", "1", "--folder", tmp_path)
    peers = ("--peers", "ort_dynamic", "ov_int8", "ds")

    ended = run("run.py", *options, *peers, "--json", tmp_path / "rows.json", without=["openvino", "nncf"])

    assert (ended.code, ended.error) == (0, "")
    openvino, deepsparse, peak, headings, row, goals = ended.lines
    assert openvino == "ov_int8 is not installed: pip install --editable '.[peers]'"
    assert deepsparse.startswith("ds is not installed: ")
    assert peak.startswith("peak of one thread: ")
    assert headings.split()[: len(COLUMNS)] == COLUMNS
    assert headings.split()[-2:] == ["error", "ort_dynamic"]
    assert row.split()[:2] == ["lenet300", "1"]
    assert float(row.split()[-1]) > 0
    assert len(row) == len(headings)
    assert goals.startswith("goals missed: ")
    (measured,) = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert (measured["case"], measured["threads"]) == ("lenet300", 1)
    assert {"dense", measured["isa"], "ort_dynamic"} <= set(measured["seconds"])
    assert set(measured["load"]) == {"dense", "ours"}


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "c++"))

    with modules_of_benchmarks():
        program = importlib.import_module("run")
        with redirect_stdout(io.StringIO()) as output:
            assert program.machine_limits(tmp_path) is None

    assert output.getvalue() == f"no peak and no roofline: {tmp_path / 'c++'}: No such file or directory\n"


def test_an_unknown_row() -> None:
    ended = run_here("run.py", "--only", "lenet*", "vgg19")

    assert (ended.code, ended.lines) == (2, [])
    assert "no row is called vgg19: expected alexnet_fc, " in ended.error

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.programs import refused, run
from tests.helpers.small_models import LENET


@pytest.mark.slow
def test_a_line_for_each_model(tmp_path: Path) -> None:
    ended = run("load.py", LENET, "--only", "300x784", "squeezenet", "--runs", "1", "--json", tmp_path / "rows.json")

    assert ended.error == ""
    headings, *rows, goal, must, aim = ended.lines
    assert headings.split() == ["model", "bytes", "small", "dense", "stock", "registered", "session", "expanded"]
    assert [row.split()[0] for row in rows] == ["300x784", "squeezenet"]
    assert goal.startswith("squeezenet stock")
    assert "must 0.30 s, 60 MB" in goal
    assert must.startswith("must missed: ")
    assert aim.startswith("aim missed: ")
    assert ended.code == int(must != "must missed: none")
    layer, squeezenet = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    dense, small = layer["bytes"]
    assert dense > 10 * small
    assert layer["costs"]["expanded"]["seconds"] > 0
    assert list(squeezenet["goals"]) == ["stock"]


def test_a_missing_model(tmp_path: Path) -> None:
    text = refused("load.py", "--only", "300x784", "minilm", ONNXDC_DATA=tmp_path)

    assert text == f"file {tmp_path / 'minilm.onnx'}"


def test_an_unknown_model() -> None:
    text = refused("load.py", "--only", "vgg")

    assert text == "models vgg: expected some of 300x784, 4096x9216, squeezenet, convolutions, minilm"


def test_no_onnxruntime_web(tmp_path: Path) -> None:
    text = refused("load.py", "--only", "300x784", "--node", tmp_path)

    assert text == (f"onnxruntime-web in {tmp_path / 'node_modules'}: npm install onnxruntime-web, in {tmp_path}")


def test_no_node(tmp_path: Path) -> None:
    (tmp_path / "node_modules" / "onnxruntime-web").mkdir(parents=True)

    text = refused("load.py", "--only", "300x784", "--node", tmp_path, PATH=tmp_path)

    assert text == "Node.js: no command node on the path; install version 18 or later"

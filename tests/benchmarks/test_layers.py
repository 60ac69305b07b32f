from __future__ import annotations

from pathlib import Path

from tests.benchmarks.programs import run, run_here


def test_a_line_for_each_layer_and_their_sum(tmp_path: Path) -> None:
    ended = run("layers.py", "lenet300", "--runs", "2", "--folder", tmp_path)

    assert (ended.code, ended.error) == (0, "")
    headings, *layers, last = (line.split() for line in ended.lines)
    assert headings == ["layer", "dense", "ms", "ours", "ms", "ratio"]
    assert [layer[0] for layer in layers] == ["gemm_0", "gemm_2", "gemm_4"]
    assert last[0] == "all"
    assert all(len(line) == 4 for line in (*layers, last))


def test_an_unknown_row() -> None:
    ended = run_here("layers.py", "vgg19")

    assert (ended.code, ended.lines) == (2, [])
    assert "invalid choice: 'vgg19'" in ended.error

from __future__ import annotations

from tests.benchmarks.programs import run, run_here


def test_a_line_for_each_density_of_a_layer() -> None:
    ended = run("cost.py", "gemm_1_256*", "--density", "0.2", "--runs", "1")

    assert (ended.code, ended.error) == (0, "")
    headings, row = (line.split() for line in ended.lines)
    assert headings[:2] == ["layer", "density"]
    assert headings[-2:] == ["model", "decision"]
    assert len(row) >= len(headings)  # a decision that loses is marked
    assert row[:2] == ["gemm_1_256_64", "0.20"]
    assert row[len(headings) - 1] in ("sparse", "dense")


def test_an_unknown_layer() -> None:
    ended = run_here("cost.py", "lstm*")

    assert ended.code == 2
    assert "no row is called lstm*: expected conv1x1_64_64_56, " in ended.error

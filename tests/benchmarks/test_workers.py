from __future__ import annotations

import pytest

from tests.benchmarks.programs import refused, run

pytestmark = pytest.mark.xdist_group("workers")


@pytest.mark.slow
def test_a_line_for_each_number_of_workers() -> None:
    ended = run("workers.py", "--layers", "2", "--side", "64", "--workers", "1")

    assert (ended.code, ended.error) == (0, "")
    _, *rows = (line.split() for line in ended.lines)
    assert [(row[0], row[-1]) for row in rows] == [("0", "yes"), ("1", "yes")]
    assert all(len(row) == 8 for row in rows)


def test_the_missing_extra() -> None:
    text = "dask.distributed: pip install 'onnxdc[distributed]'"
    assert refused("workers.py", without=["distributed"]) == text

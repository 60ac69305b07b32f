"""The benchmark of loading, in onnxruntime-web."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.programs import run

pytestmark = [pytest.mark.xdist_group("web"), pytest.mark.slow]


def test_the_columns_of_the_web(web: Path) -> None:
    ended = run("load.py", "--only", "300x784", "--runs", "1", "--node", web)

    assert ended.error == ""
    headings, row, *_ = ended.lines
    assert headings.endswith("web dense      web stock    web package")
    assert len(row.split()) == 3 + 8 * 3
    assert ended.code == 0

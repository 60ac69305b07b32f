"""The page of examples/web in Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

import onnxdc
from tests.helpers.int8_pairs import PAIRS, save_pair
from tests.helpers.small_models import EXAMPLES
from tests.web.pages import copied, shown

pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
def page(browser: str, node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages and the page that reports."""
    return copied("web", tmp_path_factory.mktemp("site"))


@pytest.fixture(params=["float", *PAIRS])
def site(page: Path, request: pytest.FixtureRequest) -> Path:
    """The same with two models, a plain one and a small one."""
    if request.param in PAIRS:
        save_pair(request.param, page)
    else:
        onnxdc.prune(EXAMPLES / "lenet_300_100.onnx", density=0.1).save(page / "pruned.onnx")
        onnxdc.share(page / "pruned.onnx", bits=5).save(page / "plain.onnx")
        onnxdc.encode(page / "plain.onnx").save(page / "small.onnx")
    return page


def test_page_shows_that_all_ways_compute_the_same(browser, site, tmp_path):
    report = shown(browser, site, tmp_path)
    assert report["status"] == "done"
    plain, package, functions = report["cells"]
    sizes = [(site / name).stat().st_size for name in ("plain.onnx", "small.onnx", "small.onnx")]
    assert [cells[1] for cells in (plain, package, functions)] == [f"{size:,}" for size in sizes]
    assert {cells[5] for cells in (plain, package, functions)} == {plain[5]}
    assert [cells[6] for cells in (plain, package, functions)] == ["0", "0", "0"]

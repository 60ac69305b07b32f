"""The page of examples/web in Chromium."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import onnxdc
from tests.helpers.int8_pairs import PAIRS, save_pair
from tests.helpers.npm_packages import installed
from tests.helpers.small_models import EXAMPLES
from tests.web.conftest import PACKAGE, flags

pytestmark = pytest.mark.xdist_group("web")

PATIENCE = 180  # seconds for three sessions on a busy machine
MIME_TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}


@pytest.fixture(scope="module")
def page(browser: str, node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages and the page that reports."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, folder / "js")
    page = folder / "examples" / "web"
    shutil.copytree(EXAMPLES / "web", page, ignore=shutil.ignore_patterns("node_modules", "*.onnx"))
    installed(page, EXAMPLES / "web")
    shutil.copy(Path(__file__).parent / "harness.html", page)
    return page


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


@pytest.fixture
def reports(site: Path) -> Iterator[tuple[str, queue.Queue[dict]]]:
    """The address of a server of the site, and what pages post to it."""
    results: queue.Queue[dict] = queue.Queue()

    class Handler(SimpleHTTPRequestHandler):
        extensions_map: ClassVar = SimpleHTTPRequestHandler.extensions_map | MIME_TYPES

        def __init__(self, *given):
            super().__init__(*given, directory=str(site))

        def do_POST(self):
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", results
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_page_shows_that_all_ways_compute_the_same(browser, site, reports, tmp_path):
    address, results = reports
    command = [browser, *flags(), f"--user-data-dir={tmp_path}", f"{address}/harness.html"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        report = results.get(timeout=PATIENCE)
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert report["status"] == "done"
    plain, package, functions = report["cells"]
    sizes = [(site / name).stat().st_size for name in ("plain.onnx", "small.onnx", "small.onnx")]
    assert [cells[1] for cells in (plain, package, functions)] == [f"{size:,}" for size in sizes]
    assert {cells[5] for cells in (plain, package, functions)} == {plain[5]}
    assert [cells[6] for cells in (plain, package, functions)] == ["0", "0", "0"]

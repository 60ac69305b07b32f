"""Pages in Chromium: a copy of an example with its packages, a server for it, and what it shows in the end."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from tests.helpers.npm_packages import WEB, installed
from tests.helpers.small_models import EXAMPLES

PACKAGE = WEB.parents[1] / "js"
PATIENCE = 180  # seconds for three sessions on a busy machine
MIME_TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}
FLAGS = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # a page has to do with what its server has
)


def flags() -> tuple[str, ...]:
    """What to tell Chromium, whose sandbox does not work for root."""
    return (*FLAGS, "--no-sandbox") if os.geteuid() == 0 else FLAGS


def copied(example: str, folder: Path) -> Path:
    """A copy of a page of the examples in a folder, with its packages and the page that reports."""
    shutil.copytree(PACKAGE, folder / "js")
    page = folder / "examples" / example
    shutil.copytree(EXAMPLES / example, page, ignore=shutil.ignore_patterns("node_modules", "*.onnx", "*.wav"))
    installed(page, EXAMPLES / example)
    shutil.copy(WEB / "harness.html", page)
    return page


def shown(browser: str, site: Path, profile: Path) -> dict:
    """The last word of a page, ``status``, and the texts of its table, ``cells``."""
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

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/harness.html"
        command = [browser, *flags(), f"--user-data-dir={profile}", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return results.get(timeout=PATIENCE)
        finally:
            process.terminate()
            process.wait(timeout=60)
            server.shutdown()
            thread.join()

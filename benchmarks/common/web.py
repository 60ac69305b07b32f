"""What it takes to load a model in onnxruntime-web, in a process of Node.js of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.loading import write_nothing
from common.program import MissingError

_SCRIPT: Final = Path(__file__).with_name("web_load.mjs")
_PACKAGE: Final = Path(__file__).parents[2] / "js" / "src" / "index.js"
_RUNTIME: Final = "onnxruntime-web"


@dataclass(frozen=True)
class WebLoad:
    """What it takes to load a model.

    Attributes:
        seconds: The seconds of processor time.
        heap: The heap of WebAssembly at its peak, in bytes.
    """

    seconds: float
    heap: float


@dataclass(frozen=True)
class Web:
    """Node.js, and a folder with onnxruntime-web in its node_modules."""

    node: str
    folder: Path

    def measure_load(self, path: Path, *, package: bool) -> WebLoad:
        """Load a model in a new process, by the npm package onnxdc or without it."""
        with tempfile.TemporaryDirectory() as folder:
            nothing = Path(folder, "nothing.onnx")
            write_nothing(nothing)
            # A script that comes through a pipe finds packages from the folder that it runs in.
            command = [self.node, "--input-type=module", "-", str(nothing), str(path.resolve())]
            command += [_PACKAGE.as_uri()] if package else []
            done = subprocess.run(
                command, cwd=self.folder, input=_SCRIPT.read_bytes(), stdout=subprocess.PIPE, check=True
            )
        return WebLoad(**json.loads(done.stdout))


def find_web(folder: Path) -> Web:
    """Return what loads in onnxruntime-web.

    Raises:
        MissingError: The folder has no onnxruntime-web, or there is no Node.js.
    """
    if not (folder / "node_modules" / _RUNTIME).is_dir():
        raise MissingError(f"{_RUNTIME} in {folder / 'node_modules'}: npm install {_RUNTIME}, in {folder}")
    node = shutil.which("node")
    if node is None:
        raise MissingError("Node.js: no command node on the path; install version 18 or later")
    return Web(node, folder)

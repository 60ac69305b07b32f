"""Node.js, and the npm packages that the scripts of tests/web need."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[1] / "web"
OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1")
OLDEST_NODE = 18  # the first version that the npm package is for


def node_command() -> str:
    """The command of Node.js; the test is skipped where there is none that is new enough."""
    command = shutil.which("node")
    if command is None:
        pytest.skip("Node.js is missing")
    version = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version.strip()} is older than {OLDEST_NODE}")
    return command


def installed(folder: Path, packages: Path = WEB) -> Path:
    """A folder with the scripts of tests/web and the npm packages that another one lists, by default onnxruntime-web.

    The test is skipped where npm is missing or cannot install them.
    """
    if not shutil.which("npm"):
        pytest.skip("npm is missing")
    shutil.copy(packages / "package.json", folder)
    for script in WEB.glob("*.mjs"):
        shutil.copy(script, folder)
    done = subprocess.run(["npm", "install", *OPTIONS], cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install what {packages.name} needs: {done.stderr.strip().splitlines()[0]}")
    return folder

"""Node.js, the package onnxdc for it, and the packages of onnxruntime that it works with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parent
PACKAGE = WEB.parents[1] / "js"
NPM_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1")


@pytest.fixture(scope="session")
def node() -> str:
    """The command of Node.js, of a version that the package is for."""
    command = shutil.which("node")
    if command is None:
        pytest.skip("Node.js is missing")
    version = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < 18:
        pytest.skip(f"Node.js {version.strip()} is older than 18")
    return command


@pytest.fixture(scope="session")
def package() -> str:
    """The address of the package's module."""
    return (PACKAGE / "src" / "index.js").as_uri()


def installed(folder: Path, packages: Path) -> Path:
    """A folder with the scripts of this one and the npm packages that another one lists."""
    if not shutil.which("npm"):
        pytest.skip("npm is missing")
    shutil.copy(packages / "package.json", folder)
    for script in WEB.glob("*.mjs"):
        shutil.copy(script, folder)
    done = subprocess.run(["npm", "install", *NPM_OPTIONS], cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install what {packages.name} needs: {done.stderr.strip().splitlines()[0]}")
    return folder


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, node: str) -> Path:
    """A folder with onnxruntime-web."""
    return installed(tmp_path_factory.mktemp("web"), WEB)


@pytest.fixture(scope="session")
def native_node(tmp_path_factory: pytest.TempPathFactory, node: str) -> Path:
    """A folder with onnxruntime-node and transformers.js."""
    return installed(tmp_path_factory.mktemp("node"), WEB / "node")

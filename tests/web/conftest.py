"""Node.js, the package onnxdc for it, and the packages of onnxruntime that it works with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.npm_packages import WEB, installed, node_command
from tests.web.pages import PACKAGE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> str:
    """The command of a Chromium."""
    for command in BROWSERS:
        if path := shutil.which(command):
            return path
    pytest.skip("Chromium is missing; Debian has it in the package chromium")


@pytest.fixture(scope="session")
def node() -> str:
    """The command of Node.js, of a version that the package is for."""
    return node_command()


@pytest.fixture(scope="session")
def package() -> str:
    """The address of the package's module."""
    return (PACKAGE / "src" / "index.js").as_uri()


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, node: str) -> Path:
    """A folder with onnxruntime-web."""
    return installed(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def native_node(tmp_path_factory: pytest.TempPathFactory, node: str) -> Path:
    """A folder with onnxruntime-node and transformers.js."""
    return installed(tmp_path_factory.mktemp("node"), WEB / "node")

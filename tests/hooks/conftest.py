"""The files of a shared model and of its hook."""

from __future__ import annotations

from pathlib import Path

import pytest

from onnxdc import hooks
from tests.helpers.hook_models import shared
from tests.helpers.small_models import saved


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(shared(), tmp_path / "shared.onnx")


@pytest.fixture
def folder(model: Path) -> Path:
    hooks.export(model, model.with_name("hook"))
    return model.with_name("hook")

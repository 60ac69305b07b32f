"""Fixtures for tests that train from files, which the ``conftest.py`` of their folder imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.training_models import GOOD, saved_classifier, saved_items


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved_classifier(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return saved_items(tmp_path / "train.npz", **GOOD)

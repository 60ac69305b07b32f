"""The examples in the docstrings of the numeric layer print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import onnxdc.numeric

MODULES = [module.name for module in pkgutil.walk_packages(onnxdc.numeric.__path__, "onnxdc.numeric.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) >= 10

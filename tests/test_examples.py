"""The examples do what they say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.helpers.small_models import EXAMPLES, constants


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for name in ("finetune_jax", "train"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("examples")
def test_jax_trains_through_a_hook(tmp_path: Path) -> None:
    example = importlib.import_module("finetune_jax")
    example.main(tmp_path, epochs=3)
    stages = ("pruned", "pruned_and_trained", "shared", "shared_and_trained")
    found = {stage: constants(ir.load(tmp_path / f"{stage}.onnx")) for stage in stages}
    for name in ("fc1.weight", "fc2.weight", "fc3.weight"):
        pruned, trained, shared, tuned = (found[stage][name] for stage in stages)
        np.testing.assert_array_equal(trained[pruned == 0], 0)
        assert not np.array_equal(trained, pruned)
        assert not np.array_equal(tuned, shared)
        for value in np.unique(shared):
            assert np.unique(tuned[shared == value]).size == 1
    assert example.right(tmp_path / "pruned_and_trained.onnx") > example.right(tmp_path / "pruned.onnx") + 0.1
    assert example.right(tmp_path / "small.onnx") == example.right(tmp_path / "shared_and_trained.onnx")

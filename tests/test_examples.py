"""The examples do what they say."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from tests.helpers.small_models import EXAMPLES, constants


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for name in ("demo", "finetune_jax", "train"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("examples")
def test_the_demo_shows_both_models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example = importlib.import_module("demo")
    monkeypatch.setattr(example, "TIMED_RUNS", 2)
    example.main()
    lines = capsys.readouterr().out.splitlines()
    for name in ("lenet_300_100", "digits_cnn"):
        assert lines.count(name) == 1
    assert lines.count("decode gives the shared model back, bit for bit: yes") == 2
    right = [line for line in lines if line.endswith(" of the digits are right")]
    stages = ["original", "pruned", "shared", "small, native", "small, portable"]
    assert [line.partition(":")[0] for line in right] == stages * 2
    assert all(float(line.split()[-6].rstrip("%")) > 90 for line in right)


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("network", ["lenet_300_100", "digits_cnn"])
def test_a_network_that_learns_is_the_model_that_is_written(tmp_path: Path, network: str) -> None:
    example = importlib.import_module("train")
    rng = np.random.default_rng(0)
    layers = getattr(example, network)(rng)
    (images, labels), (digits, _) = example.split_images()
    x = digits[:8]

    def logits() -> np.ndarray:
        y = x
        for layer in layers:
            y = layer.forward(y)
        return y

    before = logits()
    example.train(layers, images[:64], labels[:64], 1, rng)
    assert not np.array_equal(logits(), before)
    onnx.save(example.export(layers, network), tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": x})[0], logits(), rtol=1e-4, atol=1e-5)


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

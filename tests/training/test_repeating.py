"""Training repeats itself, and goes on where it was interrupted to the same file."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
import torch

from onnxdc.training.report import Epoch
from tests.helpers.training_models import classifier, file_of, shared_classifier, tuned

SETTINGS = {
    "dense": {},
    "gradual, regrown": {"density": 0.1, "regrow": True, "mask_interval": 2},
    "dropout": {"dropout": 0.5, "density": 0.3, "val": None},
    "distilled": {"teacher": classifier()},
    "grids": {"grid": True, "rate": 1e-4},
    "grids of a size": {"grid": True, "target_size": "2500"},
    "sgd": {"optimizer": "sgd", "weight_decay": 1e-3, "val_share": 0.2, "val": None},
}


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_same_seed_gives_the_same_file(options, tmp_path):
    first = file_of(tuned(classifier(), seed=3, **options), tmp_path / "a.onnx")
    torch.manual_seed(1)  # what others drew before has no say
    assert file_of(tuned(classifier(), seed=3, **options), tmp_path / "b.onnx") == first
    assert file_of(tuned(classifier(), seed=4, **options), tmp_path / "c.onnx") != first


def interrupted(model: ir.Model, checkpoint: Path, after: int, **options: object) -> str:
    """Train until an epoch is done; return the message of the interrupt."""

    def progress(epoch: Epoch) -> None:
        if epoch.number == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        tuned(model, checkpoint=checkpoint, progress=progress, **options)
    return str(caught.value)


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("after", [1, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_an_interrupted_training_goes_on_to_the_same_file(options, after, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    whole = file_of(tuned(classifier(), **options), tmp_path / "whole.onnx")
    assert interrupted(classifier(), checkpoint, after, **options) == f"resume goes on after epoch {after} of 4"
    found = tuned(classifier(), checkpoint=checkpoint, resume=True, **options)
    assert file_of(found, tmp_path / "resumed.onnx") == whole
    assert [epoch.number for epoch in found.report.epochs] == [1, 2, 3, 4]
    assert not checkpoint.exists()


def test_a_shared_model_goes_on_to_the_same_file(tmp_path):
    whole = file_of(tuned(shared_classifier()), tmp_path / "whole.onnx")
    interrupted(shared_classifier(), tmp_path / "checkpoint", 2)
    found = tuned(shared_classifier(), checkpoint=tmp_path / "checkpoint", resume=True)
    assert file_of(found, tmp_path / "resumed.onnx") == whole


def test_the_learning_rate_may_be_another_when_it_goes_on(tmp_path):
    interrupted(classifier(), tmp_path / "checkpoint", 2)
    assert tuned(classifier(), checkpoint=tmp_path / "checkpoint", resume=True, lr=0.001).report.best_epoch > 0


def test_torch_is_left_as_it_was():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    tuned(classifier(), epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, False)

"""Nothing is lost when a training ends in an error or an interrupt, and it goes on from its checkpoint."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import zipfile
from pathlib import Path

import pytest
import torch

import onnxdc as library
from onnxdc.training import loop
from tests.helpers.training_models import (
    GOOD,
    error,
    finetune,
    items,
    nothing_is_left,
    saved_items,
)


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(model, tmp_path):
    data = saved_items(tmp_path / "big.npz", x=GOOD["x"] * 1e18, labels=GOOD["labels"])
    found = error(finetune(model, data, "--lr", "1e30", "--optimizer", "sgd", "--batch", "16"))
    assert found == "the loss is NaN or infinite in epoch 1, step 2 of 4: try a smaller --lr than 1e+30"
    assert nothing_is_left(model)


def test_a_training_that_diverges_late_can_go_on_at_a_smaller_rate(model, data, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(loop, "learning_rate", lambda options, step, steps: 1e30 if step == 2 else 1e-3)
        found = error(finetune(model, data, "--batch", "32", epochs=3))
    assert found == "the loss is NaN or infinite in epoch 2, step 2 of 2: try a smaller --lr than 0.001"
    assert not model.with_name("tuned.onnx").exists()
    result = finetune(model, data, "--batch", "32", "--resume", "--lr", "1e-4", epochs=3)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0].startswith("epoch 2/3")


def stop_after(monkeypatch, epoch: int, error: BaseException) -> None:
    """Let the training end in an error when an epoch has begun."""
    whole = loop.Loop._epoch

    def stopping(self: loop.Loop, number: int):
        if number == epoch:
            raise error
        return whole(self, number)

    monkeypatch.setattr(loop.Loop, "_epoch", stopping)


def test_an_interrupt_says_how_to_go_on(model, data, monkeypatch):
    stop_after(monkeypatch, 1, KeyboardInterrupt())
    result = finetune(model, data, epochs=3)
    assert error(result, 130) == "onnxdc: interrupted: --resume goes on after epoch 1 of 3"
    assert not model.with_name("tuned.onnx").exists()
    assert model.with_name("tuned.onnx.checkpoint").exists()
    found = error(finetune(model, data, epochs=3))
    checkpoint = model.with_name("tuned.onnx.checkpoint")
    assert found == f"{checkpoint}: there is a checkpoint of an earlier training: resume it, or remove the file"


def test_an_interrupt_before_the_first_checkpoint(model, data, monkeypatch):
    stop_after(monkeypatch, 0, KeyboardInterrupt())
    assert error(finetune(model, data), 130) == "onnxdc: interrupted: there is no checkpoint yet to go on from"
    assert nothing_is_left(model)


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        torch.OutOfMemoryError("out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4503599627370496 bytes."),
    ],
    ids=["numpy", "torch", "torch on a CPU"],
)
def test_out_of_memory_says_what_to_try(failure, model, data, monkeypatch):
    stop_after(monkeypatch, 1, failure)
    assert error(finetune(model, data)) == "out of memory with batches of 64 items: try a smaller --batch"
    assert model.with_name("tuned.onnx.checkpoint").exists()


def test_other_errors_of_torch_are_not_called_out_of_memory(model, data, monkeypatch):
    stop_after(monkeypatch, 1, RuntimeError("something else"))
    assert isinstance(finetune(model, data).exception, RuntimeError)


@pytest.fixture
def checkpoint(model, data, monkeypatch) -> Path:
    with monkeypatch.context() as context:
        stop_after(context, 1, KeyboardInterrupt())
        assert finetune(model, data).exit_code == 130
    return model.with_name("tuned.onnx.checkpoint")


OTHER_RUNS = {
    "option": (["--batch", "32"], "batch 64 there, 32 here"),
    "seed": (["--seed", "1"], "seed 0 there, 1 here"),
    "density": (["--density", "0.5"], "density None there, fc1 0.5, fc2 0.5 here"),
}


@pytest.mark.parametrize(("options", "message"), OTHER_RUNS.values(), ids=OTHER_RUNS.keys())
def test_a_checkpoint_of_other_options_is_refused(options, message, model, data, checkpoint):
    before = checkpoint.read_bytes()
    found = error(finetune(model, data, "--resume", *options))
    assert found == f"{checkpoint}: cannot resume, it is of another training: {message}"
    assert checkpoint.read_bytes() == before


def test_a_checkpoint_of_another_model_or_of_other_data_is_refused(model, data, checkpoint):
    other = saved_items(data.with_name("other.npz"), **items(64, seed=9))
    found = error(finetune(model, other, "--resume"))
    assert found == f"{checkpoint}: cannot resume, it is of another training: another data"
    library.prune(model, density=0.5).save(model.with_name("pruned.onnx"))
    os.replace(model.with_name("pruned.onnx"), model)
    found = error(finetune(model, data, "--resume"))
    assert found == f"{checkpoint}: cannot resume, it is of another training: another model"


def test_a_damaged_checkpoint_is_refused(model, data, checkpoint):
    for content in (b"", b"text", checkpoint.read_bytes()[:100]):
        checkpoint.write_bytes(content)
        assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training"
    for content in ({"version": 1}, {"version": 1, "run": {}}, {"version": 1, "run": [], "state": {}}):
        torch.save(content, checkpoint)
        assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training"
    torch.save({"version": 99}, checkpoint)
    assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training, version 1"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", {}),
        ("network", 3),
        ("optimizer", {"state": {}, "param_groups": []}),
        ("random", torch.zeros(3)),
        ("done", [{"number": []}]),
        ("done", None),
        ("best", {"score": 1}),
    ],
)
def test_a_state_that_does_not_fit_is_refused(key, value, model, data, checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    content["state"][key] = value
    torch.save(content, checkpoint)
    assert error(finetune(model, data, "--resume")).startswith(f"{checkpoint}: damaged: its state does not fit: ")


def test_moments_of_another_shape_are_refused(model, data, checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    moments = next(iter(content["state"]["optimizer"]["state"].values()))
    name = next(name for name, moment in moments.items() if isinstance(moment, torch.Tensor) and moment.ndim)
    moments[name] = torch.zeros(7)
    torch.save(content, checkpoint)
    assert "damaged: its state does not fit: " in error(finetune(model, data, "--resume"))


def test_tensors_in_place_of_options_are_refused(model, data, checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    content["run"]["epochs"] = torch.zeros(2)
    torch.save(content, checkpoint)
    assert "cannot resume, it is of another training: " in error(finetune(model, data, "--resume"))
    torch.save(content | {"version": torch.ones(2)}, checkpoint)
    assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training, version 1"


def test_an_archive_that_unpacks_to_more_than_its_size_is_refused(model, data, checkpoint):
    with zipfile.ZipFile(checkpoint, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training"


def test_a_flipped_bit_in_a_checkpoint_is_seen(model, data, checkpoint):
    content = bytearray(checkpoint.read_bytes())
    with zipfile.ZipFile(checkpoint) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    content[largest.header_offset + largest.compress_size // 2] ^= 1
    checkpoint.write_bytes(content)
    assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training"


def test_a_full_disk_keeps_the_last_checkpoint(model, data, checkpoint, monkeypatch):
    class Full(io.BytesIO):
        def write(self, content):
            if self.tell() + len(content) > 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    before = checkpoint.read_bytes()
    monkeypatch.setattr("onnxdc.training.checkpoint.replacing", lambda path: contextlib.nullcontext(Full()))
    found = error(finetune(model, data, "--resume"))
    assert found == f"{checkpoint}: cannot write the checkpoint: No space left on device"
    assert checkpoint.read_bytes() == before


def test_nothing_to_resume(model, data):
    path = model.with_name("tuned.onnx.checkpoint")
    assert error(finetune(model, data, "--resume")) == f"{path}: nothing to resume: No such file or directory"


def test_code_in_a_checkpoint_is_not_run(model, data, checkpoint, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    torch.save({"version": 1, "run": Harmful()}, checkpoint)
    assert error(finetune(model, data, "--resume")) == f"{checkpoint}: not a checkpoint of a training"
    assert not (tmp_path / "made").exists()

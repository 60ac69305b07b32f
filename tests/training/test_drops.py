"""The smallest file whose accuracy drops by so many points: by rounds at rising rates, judged by what is written."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
import pytest
import torch

import onnxdc as library
from onnxdc.errors import OptionError, TrainingError
from onnxdc.training.data import Batch
from onnxdc.training.losses import Objective
from onnxdc.training.options import TrainingOptions
from onnxdc.training.rates import RisingRate
from onnxdc.training.rounds import Rounds
from onnxdc.training.scoring import drop
from tests.helpers.text_models import normal, run
from tests.helpers.training_models import DATA, HELD_OUT, file_of, tuned
from tests.training.test_grids import encoded_bytes, wide_classifier

OPTIONS = {"grid": True, "epochs": 12, "rounds": 6, "batch": 16, "lr": 0.002}


@pytest.fixture(scope="module")
def start() -> ir.Model:
    """Train a classifier to begin with."""
    return library.finetune(wide_classifier(), DATA, epochs=6, batch=32, lr=0.003, threads=1).model


def rights(model) -> np.ndarray:
    """Return which held-out items onnxruntime gets right."""
    return run(model, {"x": HELD_OUT["x"]})[0].argmax(1) == HELD_OUT["labels"]


def test_the_file_is_small_and_the_drop_is_that_of_the_file(start):
    found = tuned(start, teacher=start, max_drop=4.0, **OPTIONS)
    report, before, after = found.report, rights(start), rights(found.model)
    assert report.before.accuracy == pytest.approx(before.mean())
    assert report.after.accuracy == pytest.approx(after.mean())
    assert report.encoded_bytes == encoded_bytes(found)
    assert (report.drop.before, report.drop.after) == pytest.approx((100 * before.mean(), 100 * after.mean()))
    error = 100 * np.std(before.astype(float) - after) / math.sqrt(len(before))
    assert report.drop.error == pytest.approx(error)
    assert report.drop.value + error <= report.max_drop == 4.0
    assert f"drops by {report.drop.value:.3g} +- {error:.2g} points, of 4 allowed" in str(report)
    judged = [epoch for epoch in report.epochs if epoch.drop is not None]
    assert [epoch.number for epoch in judged] == [2, 4, 6, 8, 10, 12]
    assert report.encoded_bytes == report.epochs[report.best_epoch - 1].nbytes
    assert report.encoded_bytes < 0.8 * judged[0].nbytes
    assert "drops by" in str(judged[0])


@pytest.mark.slow
def test_a_search_goes_on_from_its_checkpoint(start, tmp_path):
    def interrupt(epoch: object) -> None:
        if epoch.number == 7:
            raise KeyboardInterrupt

    options = OPTIONS | {"max_drop": 4.0, "checkpoint": tmp_path / "checkpoint"}
    with pytest.raises(KeyboardInterrupt):
        tuned(start, teacher=start, progress=interrupt, **options)
    resumed = tuned(start, teacher=start, resume=True, **options)
    whole = tuned(start, teacher=start, **(options | {"checkpoint": None}))
    assert file_of(resumed, tmp_path / "resumed.onnx") == file_of(whole, tmp_path / "whole.onnx")
    assert [epoch.rate for epoch in resumed.report.epochs] == [epoch.rate for epoch in whole.report.epochs]


def test_a_drop_that_nothing_keeps_to_is_said(start):
    with pytest.raises(TrainingError, match=r"drop of at most 0.001 points, .* got [0-9.]+ at least: .*max_drop"):
        tuned(start, teacher=start, max_drop=0.001, **(OPTIONS | {"lr": 1.0, "epochs": 2, "rounds": 2}))


def test_that_nothing_keeps_to_it_is_said_again_when_resumed(start, tmp_path):
    options = OPTIONS | {"lr": 1.0, "epochs": 1, "rounds": 1, "checkpoint": tmp_path / "checkpoint", "max_drop": 0.001}
    said = []
    for resume in (False, True):
        with pytest.raises(TrainingError, match=r"got [0-9.]+ at least") as error:
            tuned(start, teacher=start, resume=resume, **options)
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("price", [{"max_drop": 4.0, "rounds": 1}, {"rate": 1e-5}, {"target_size": "2x"}])
def test_grids_need_a_weight_to_put_on_one(start, price):
    with pytest.raises(OptionError, match=r"^grid: expected a weight to be put on a grid, .* has none$"):
        tuned(start, grid=True, epochs=1, min_elements=10**6, **price)


def test_rates_double_until_they_are_too_much_and_then_halve_the_distance():
    rate, tried = RisingRate(1000), []
    for good in (True, True, True, False, True, False):
        tried.append(1000 * rate.next)
        rate.judge(good=good)
    steps = [1, 2, 4, 8, 4 * 2**0.5, 4 * 2**0.75]
    assert tried == pytest.approx([0.1 * step for step in steps])
    assert [1000 * rate.at(progress) for progress in (0.0, 1.0)] == pytest.approx([0.4 * 2**0.5, 0.4 * 2**0.625])
    lost = RisingRate(1000)
    lost.judge(good=False)
    assert (lost.at(0.0), 1000 * lost.next) == (0.0, pytest.approx(0.025))


@pytest.mark.parametrize(("epochs", "count"), [(12, 6), (10, 6), (7, 7), (5, 1), (11, 4)])
def test_rounds_are_whole_epochs_without_gaps(epochs, count):
    rounds = Rounds(epochs, count)
    found = sorted({rounds.of(epoch) for epoch in range(epochs)})
    assert len(found) == count
    assert [first for first, _ in found] == [0, *(end for _, end in found[:-1])]
    assert found[-1][1] == epochs
    assert all(first <= epoch < end for epoch in range(epochs) for first, end in [rounds.of(epoch)])


def test_a_drop_is_that_of_the_same_items():
    outputs = [torch.from_numpy(normal(40, 3, seed=seed)) for seed in (1, 2)]
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 3, 40))
    models = [lambda batch, values=values: values[batch.inputs[0]] for values in outputs]
    found = drop(*models, Batch((torch.arange(40),), labels), Objective(TrainingOptions()), 7)
    a, b = ((values.argmax(1) == labels).numpy().astype(float) for values in outputs)
    assert found.value == pytest.approx(100 * (a.mean() - b.mean()))
    assert found.error == pytest.approx(100 * (a - b).std() / math.sqrt(40))

"""What changes while training goes on follows the formulas of the papers."""

from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pytest
import torch

from onnxdc.errors import OptionError
from onnxdc.training import dropout
from onnxdc.training.dropout import Dropouts, LayerDropout
from onnxdc.training.options import TrainingOptions
from onnxdc.training.schedule import DensitySchedule, learning_rate


def schedule(steps: int = 100, epoch_steps: int = 50, **options: object) -> DensitySchedule:
    return DensitySchedule(TrainingOptions.of(**options), steps, epoch_steps)


def rates(steps: int, **options: object) -> list[float]:
    return [learning_rate(TrainingOptions.of(**options), step, steps) for step in range(steps)]


def test_the_cosine_is_that_of_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    expected = []
    for _ in range(20):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(20, lr=0.3) == pytest.approx(expected)


def test_the_learning_rate_rises_along_a_line_and_then_stays():
    found = rates(10, lr=0.4, warmup=0.4, lr_schedule="constant")
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.4, *[0.4] * 6])


def test_the_cosine_begins_behind_the_warm_up():
    found = rates(10, lr=0.4, warmup=0.4)
    assert found[4:] == pytest.approx([0.2 * (1 + math.cos(math.pi * step / 6)) for step in range(6)])


def test_with_grids_the_learning_rate_rises_first():
    assert rates(100, grid=True, rate=0.0) == rates(100, warmup=0.05)
    assert rates(100, grid=True, rate=0.0, warmup=0.0) == rates(100)


def test_each_round_has_a_learning_rate_as_a_training_of_its_own():
    for options in ({}, {"warmup": 0.2}, {"lr_schedule": "constant"}):
        found = rates(31, lr=0.4, schedule="iterative", rounds=3, **options)
        expected = [rate for steps in (11, 10, 10) for rate in rates(steps, lr=0.4, **options)]
        assert found == pytest.approx(expected)


def test_gradual_density_is_the_cubic_polynomial_of_the_sparsity():
    found = schedule(ramp=0.5)
    for step in range(50):
        initial, final = 1 - 0.8, 1 - 0.1  # sparsities, as in Zhu and Gupta 2017, equation 1
        sparsity = final + (initial - final) * (1 - step / 50) ** 3
        assert found.density(step, 0.8, 0.1) == pytest.approx(1 - sparsity)
    assert found.density(50, 0.8, 0.1) == found.density(99, 0.8, 0.1) == 0.1


def test_one_shot_density_is_there_before_the_first_step():
    found = schedule(schedule="one_shot")
    assert found.density(0, 1.0, 0.1) == 0.1
    assert found.chooses(0)


def test_each_round_keeps_the_same_share():
    found = schedule(steps=90, epoch_steps=30, schedule="iterative", rounds=3)
    densities = [found.density(step, 1.0, 0.008) for step in range(90)]
    assert densities == pytest.approx(np.repeat([0.2, 0.04, 0.008], 30))
    assert all(found.chooses(step) for step in (0, 30, 60))


def test_a_density_of_nothing_is_reached():
    for kind in ("gradual", "iterative", "one_shot"):
        assert schedule(schedule=kind).density(99, 1.0, 0.0) == 0.0


@pytest.mark.parametrize("kind", ["gradual", "iterative", "one_shot"])
@pytest.mark.parametrize("settle", [0.0, 0.25, 1.0])
def test_the_masks_are_chosen_for_the_last_time_at_the_target(kind, settle):
    found = schedule(schedule=kind, settle=settle, mask_interval=7, regrow=True)
    last = max(step for step in range(100) if found.chooses(step))
    assert last == found.settled_from
    assert found.density(last, 1.0, 0.1) == 0.1
    reached = {"gradual": 50, "iterative": 67, "one_shot": 0}[kind]
    assert found.settled_from == max(reached, min(99, 100 - round(100 * settle)))


def test_masks_are_chosen_at_intervals_and_when_an_epoch_starts():
    found = schedule(mask_interval=16, settle=0.25)
    assert [step for step in range(100) if found.chooses(step)] == [0, 16, 32, 48, 50, 64, 75]


@pytest.mark.parametrize("options", [{}, {"regrow": True}, {"regrow": True, "regrow_by": "gradients"}])
def test_in_a_short_training_the_density_falls_along_the_ramp_as_well(options):
    found = schedule(steps=94, epoch_steps=47, **options)
    choices = [step for step in range(94) if found.chooses(step)]
    assert choices == [0, 9, 18, 27, 36, 45, 47, 54, 63, 70]
    falls = [found.density(step, 1.0, 0.05) for step in choices]
    assert max(before / after for before, after in itertools.pairwise(falls)) < 2.5


@pytest.mark.parametrize(("options", "interval"), [({}, 16), ({"regrow": True, "regrow_by": "gradients"}, 100)])
def test_in_a_long_training_masks_are_chosen_seldom(options, interval):
    found = schedule(steps=10_000, epoch_steps=10_000, **options)
    assert [step for step in range(7500) if found.chooses(step)] == [*range(0, 7500, interval)]


def test_dropout_falls_with_the_root_of_the_connections():
    assert doctest.testmod(dropout).attempted == 1
    layer, idle = torch.nn.Dropout(0.5), torch.nn.Dropout(0.5)

    class Half:
        def density(self, names):
            return {("fc2",): 0.16, ("fc3",): 1.0}[names]

    Dropouts([LayerDropout(layer, 0.5, ("fc2",)), LayerDropout(idle, 0.5, ("fc3",))]).adjust(Half())
    assert (layer.p, idle.p) == (pytest.approx(0.2), 0.5)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("epochs", 0, "an integer of 1 or more"),
        ("epochs", True, "an integer of 1 or more"),
        ("batch", -1, "an integer from 1 to 2147483647"),
        ("lr", 0, "a number above 0, at most 1e+30"),
        ("lr", float("nan"), "a number above 0, at most 1e+30"),
        ("loss", "hinge", '"cross_entropy" or "bce" or "mse" or "l1"'),
        ("dropout", 1.0, "a number from 0 to 0.99"),
        ("warmup", 1.5, "a number from 0 to 1"),
        ("patience", 0, "an integer of 1 or more"),
        ("regrow", 1, "true or false"),
        ("seed", 2**63, "an integer from 0 to 9223372036854775807"),
    ],
)
def test_an_option_out_of_its_range_is_refused(option, value, expected):
    with pytest.raises(OptionError) as caught:
        TrainingOptions.of(**{option: value})
    assert str(caught.value) == f"{option}: expected {expected}, got {value!r}"


def test_an_unknown_option_is_refused():
    with pytest.raises(OptionError, match="no option learning_rate, expected one of loss, class_axis, epochs, "):
        TrainingOptions.of(learning_rate=1)

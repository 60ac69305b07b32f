"""Training that is sparse from the start, and what comes back by gradients: densities, places, counts, zero inputs."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

import onnxdc as library
from onnxdc.errors import OptionError
from onnxdc.torch.parametrizations import Masked
from onnxdc.training import densities, pruning
from onnxdc.training.data import Batch
from onnxdc.training.densities import erdos_renyi_kernel
from onnxdc.training.multiply_adds import multiply_adds_of
from onnxdc.training.options import TrainingOptions
from onnxdc.training.pruning import MaskedWeight, Pruner, moved
from onnxdc.training.schedule import DensitySchedule
from onnxdc.training.targets import Ranking
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal
from tests.helpers.training_models import CLASSES, DATA, FEATURES, HIDDEN, classifier, file_of, tuned

SHAPES = [(784, 300), (300, 100), (100, 10)]


def test_examples_in_docstrings():
    for module in (densities, pruning):
        assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("density", [0.001, 0.034, 0.3, 0.9, 1.0])
def test_densities_make_the_one_that_is_asked_for(density):
    found = erdos_renyi_kernel(SHAPES, density)
    sizes = np.array([a * b for a, b in SHAPES])
    assert np.dot(found, sizes) == pytest.approx(density * sizes.sum())
    assert max(found) <= 1
    free = [share * size / (a + b) for share, size, (a, b) in zip(found, sizes, SHAPES, strict=True) if share < 1]
    assert free == pytest.approx([free[0]] * len(free)) if free else density == 1


def test_a_move_keeps_the_largest_and_grows_where_gradients_are():
    rng = np.random.default_rng(0)
    active = rng.random(500) < 0.3
    magnitudes, gradients = np.abs(rng.standard_normal(500)) * active, np.abs(rng.standard_normal(500))
    wanted, grown = int(active.sum()), 40
    mask = moved(magnitudes, gradients, active, wanted, grown)
    assert mask.sum() == wanted
    assert (mask & ~active).sum() == grown
    assert magnitudes[mask & active].min() >= magnitudes[active & ~mask].max()
    assert gradients[mask & ~active].min() >= gradients[~active & ~mask].max()


def test_what_has_no_gradient_is_not_grown():
    active, gradients = np.array([True, True, False, False]), np.array([1.0, 1, 0, 0])
    assert moved(np.array([2.0, 1, 0, 0]), gradients, active, 2, 1).tolist() == active.tolist()


def test_what_changes_its_place_begins_anew():
    torch.manual_seed(0)
    masked = Masked(torch.rand(6, 50) < 0.2)
    original = torch.nn.Parameter(torch.randn(6, 50))
    optimizer = torch.optim.Adam([original], lr=0.1)
    original.grad = torch.randn(6, 50)
    optimizer.step()
    before, values = masked.mask.clone(), original.detach().clone()
    density = float(before.float().mean())
    schedule = DensitySchedule(TrainingOptions(sparse_from_start="drawn"), 1000, 100)
    pruner = Pruner({"w": MaskedWeight(original, masked)}, [Ranking(("w",), density, density)], schedule, False, True)
    pruner.look(0)
    assert pruner.moves(0)
    assert not pruner.moves(50)
    pruner.move(0, optimizer)
    changed = before != masked.mask
    assert changed.sum() == 2 * round(0.3 * int(before.sum()))
    assert masked.mask.sum() == before.sum()
    for array in (original, optimizer.state[original]["exp_avg"], optimizer.state[original]["exp_avg_sq"]):
        assert not array[changed].any()
        assert array[~changed].all()
    assert torch.equal(original[~changed], values[~changed])


def test_the_share_that_moves_falls_along_a_cosine():
    schedule = DensitySchedule(TrainingOptions(sparse_from_start="drawn"), 1000, 100)
    assert schedule.settled_from == 750
    assert schedule.moved_share(0) == 0.3
    assert schedule.moved_share(375) == pytest.approx(0.15)
    assert schedule.moved_share(750) == pytest.approx(0)
    assert [step for step in range(1000) if schedule.chooses(step)] == [*range(0, 701, 100), 750]


@pytest.mark.parametrize("options", [{"sparse_from_start": "drawn"}, {"regrow": True, "regrow_by": "gradients"}])
@pytest.mark.parametrize("epoch_steps", [1, 2, 40])
def test_short_epochs_leave_steps_to_train_in(options, epoch_steps):
    schedule = DensitySchedule(TrainingOptions(**options), 1000, epoch_steps)
    assert [step for step in range(1000) if schedule.chooses(step)] == [*range(0, 701, 100), 750]


@pytest.mark.parametrize("start", ["drawn", "kept"])
def test_a_network_is_sparse_from_the_first_step_on(start):
    found = tuned(classifier(), sparse_from_start=start, global_density=0.4, epochs=20, mask_interval=20)
    arrays = constants(found.model)
    shapes = [(FEATURES, HIDDEN), (HIDDEN, CLASSES)]
    for name, share in zip(("fc1", "fc2"), erdos_renyi_kernel(shapes, 0.4), strict=True):
        assert np.count_nonzero(arrays[name]) == pytest.approx(share * arrays[name].size, abs=1)
    assert {round(epoch.density, 2) for epoch in found.report.epochs} == {0.4}
    assert found.report.after.accuracy > 0.8


def test_weights_are_drawn_as_wide_as_their_inputs_ask_for():
    found = tuned(classifier(), sparse_from_start="drawn", density=0.5, epochs=1, lr=1e-9, mask_interval=10**6)
    for name, inputs in (("fc1", FEATURES), ("fc2", HIDDEN)):
        array = constants(found.model)[name]
        kept = array[array != 0]
        assert np.std(kept) == pytest.approx(np.sqrt(2 / inputs / 0.5), rel=0.15)
        assert not np.isin(kept, constants(classifier())[name]).any()


def test_kept_weights_are_those_of_the_model_made_larger():
    found = tuned(classifier(), sparse_from_start="kept", density=0.25, epochs=1, lr=1e-9, mask_interval=10**6)
    for name in ("fc1", "fc2"):
        array, before = constants(found.model)[name], constants(classifier())[name]
        np.testing.assert_allclose(array[array != 0], 2 * before[array != 0], rtol=1e-4, atol=1e-6)


def test_multiply_adds_are_counted():
    model = build(
        """g (float[N, 3, 8, 8] x) => (y) { c = Conv <kernel_shape = [3, 3]> (x, w)
        f = Flatten(c)  y = Gemm <transB = 1> (f, v) }""",
        w=normal(16, 3, 3, 3),
        v=normal(10, 16 * 36),
    )
    found = multiply_adds_of(model, 0, Batch((torch.zeros(4, 3, 8, 8),)))
    assert found == {"w": 16 * 36 * 27, "v": 10 * 16 * 36}


def test_the_report_tells_the_multiply_adds_of_the_training():
    found = tuned(classifier(), sparse_from_start="drawn", density=0.25, mask_interval=7, settle=0.3).report
    of_item, steps = FEATURES * HIDDEN + HIDDEN * CLASSES, 4 * 7
    dense = 3 * of_item * 4 * len(DATA["x"])
    assert found.dense_multiply_adds == dense
    moves = sum(step % 7 == 0 for step in range(1, 19)) + 1
    assert found.multiply_adds == pytest.approx(dense * 0.25 + 0.75 * of_item * 32 * moves, rel=0.03)
    assert steps == 28
    share = found.multiply_adds / dense
    assert f"multiply-adds, {share:.2%} of those of a dense one" in str(found)
    assert tuned(classifier()).report.multiply_adds is None


def test_a_sparse_training_goes_on_from_its_checkpoint(tmp_path):
    def interrupt(epoch: object) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    options = {"sparse_from_start": "drawn", "density": 0.3, "mask_interval": 4, "epochs": 6}
    with pytest.raises(KeyboardInterrupt):
        tuned(classifier(), progress=interrupt, checkpoint=tmp_path / "checkpoint", **options)
    resumed = tuned(classifier(), resume=True, checkpoint=tmp_path / "checkpoint", **options)
    whole = tuned(classifier(), **options)
    assert file_of(resumed, tmp_path / "resumed.onnx") == file_of(whole, tmp_path / "whole.onnx")
    assert resumed.report.multiply_adds == whole.report.multiply_adds


def test_pruned_elements_come_back_by_their_gradients():
    model = library.prune(classifier(), density=0.3).model
    found = tuned(model, regrow=True, regrow_by="gradients", mask_interval=20, epochs=20)
    for name in ("fc1", "fc2"):
        before, after = constants(model)[name] != 0, constants(found.model)[name] != 0
        assert after.sum() == before.sum()
        assert 0.02 * before.sum() < (after & ~before).sum() < 0.9 * before.sum()
    assert found.report.after.accuracy > 0.8


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"regrow": True},
        {"regrow": True, "regrow_by": "gradients"},
        {"sparse_from_start": "drawn"},
        {"schedule": "iterative", "rounds": 2},
    ],
)
def test_weights_of_inputs_that_are_always_zero_go(options):
    dead = [3, 7, 11]
    data = DATA | {"x": DATA["x"].copy()}
    data["x"][:, dead] = 0
    found = tuned(classifier(), data=data, val=None, density=0.4, epochs=8, **options)
    kept = constants(found.model)["fc1"]
    assert not kept[dead].any()
    assert np.count_nonzero(kept) == round(0.4 * kept.size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regrow_by": "gradients", "density": 0.5}, "regrow_by needs regrow"),
        ({"sparse_from_start": "drawn"}, "sparse_from_start: expected a density, model has none"),
        (
            {"sparse_from_start": "drawn", "density": 0.5, "regrow": True},
            "regrow: expected none with sparse_from_start",
        ),
        ({"sparse_from_start": "kept", "density": 0.5, "ramp": 0.1}, "ramp: expected none with sparse_from_start"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        tuned(classifier(), **options)

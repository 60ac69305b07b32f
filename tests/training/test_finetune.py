"""Training keeps what pruning and sharing made, and prunes meanwhile as it is told."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

import onnxdc as library
from onnxdc import Recipe, Rule
from onnxdc.errors import OptionError
from onnxdc.graph.weights import find_weights
from onnxdc.numeric.arrays import bit_patterns
from onnxdc.numeric.grids import grid_of_values
from onnxdc.training.dropout_nodes import insert_dropout
from onnxdc.training.report import Score
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run
from tests.helpers.training_models import (
    CLASSES,
    DATA,
    HELD_OUT,
    HIDDEN,
    accuracy,
    classifier,
    items,
    nonzeros,
    pruned_classifier,
    shared_classifier,
    tuned,
)


def test_a_dense_model_learns():
    model = classifier()
    found = tuned(model)
    before, after = accuracy(model, HELD_OUT), accuracy(found.model, HELD_OUT)
    assert after > before + 0.3
    assert found.report.before.accuracy == pytest.approx(before)
    assert found.report.after.accuracy == pytest.approx(after)
    assert [epoch.number for epoch in found.report.epochs] == [1, 2, 3, 4]


def test_all_but_the_values_of_the_model_stays():
    model = classifier()
    before = {name: array.copy() for name, array in constants(model).items()}
    found = tuned(model)
    assert all(np.array_equal(array, before[name]) for name, array in constants(model).items())
    assert [node.op_type for node in found.model.graph] == [node.op_type for node in model.graph]
    assert {name: (a.shape, a.dtype) for name, a in constants(found.model).items()} == {
        name: (a.shape, a.dtype) for name, a in before.items()
    }
    assert not any(np.array_equal(array, before[name]) for name, array in constants(found.model).items())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_pruned_model_keeps_its_zeros(optimizer):
    model = pruned_classifier()
    found = tuned(model, optimizer=optimizer, weight_decay=0.01).model
    for name in ("fc1", "fc2"):
        before, after = constants(model)[name], constants(found)[name]
        np.testing.assert_array_equal(bit_patterns(after) == 0, bit_patterns(before) == 0)
        assert not np.array_equal(before, after)


def test_a_model_stays_on_its_grids_and_the_steps_move():
    model = library.share(classifier(), step=0.3).model
    found = tuned(model, grid=True, rate=0.0, settle=1.0, step_lr=0.02)
    for name in ("fc1", "fc2"):
        before, after = constants(model)[name], constants(found.model)[name]
        (step_before, integers), (step, moved) = (grid_of_values(np.unique(array)) for array in (before, after))
        assert step != step_before
        np.testing.assert_array_equal(moved, integers)
        np.testing.assert_array_equal(after, np.rint(before / step_before) * step)
    assert found.report.after.loss < found.report.before.loss


def test_a_shared_model_keeps_its_clusters_and_moves_their_values():
    model = shared_classifier()
    found = tuned(model, lr=0.003).model
    for name in ("fc1", "fc2"):
        before, after = constants(model)[name], constants(found)[name]
        values, codes = np.unique(before, return_inverse=True)
        for code, value in enumerate(values):
            members = after.reshape(-1)[codes.reshape(-1) == code]
            assert len(set(bit_patterns(members).tolist())) == 1
            assert (members[0] == value) == (value == 0)
    assert not np.array_equal(constants(model)["b1"], constants(found)["b1"])


@pytest.mark.parametrize("schedule", ["one_shot", "iterative", "gradual"])
@pytest.mark.parametrize("regrow", [False, True])
def test_the_density_is_exact(schedule, regrow):
    found = tuned(classifier(), density=0.1, schedule=schedule, regrow=regrow)
    assert {name: nonzeros(found.model)[name] for name in ("fc1", "fc2")} == {"fc1": 51, "fc2": 26}
    assert [row.after for row in found.report.weights] == [51 / 512, 26 / 256]
    assert found.report.epochs[-1].density == (51 + 26) / (512 + 256)


def test_a_recipe_says_how_dense_each_weight_becomes():
    recipe = Recipe(rules=(Rule(pattern="fc1", density=0.125), Rule(pattern="fc2", skip=True)))
    assert nonzeros(tuned(classifier(), recipe=recipe).model)["fc1"] == 64
    assert nonzeros(tuned(classifier(), recipe=recipe).model)["fc2"] == 256


def test_a_global_density_ranks_all_weights_together():
    found = nonzeros(tuned(classifier(), global_density=0.1, mask_interval=2).model)
    assert found["fc1"] + found["fc2"] == round(0.1 * 768)
    assert found["fc1"] / 512 != pytest.approx(found["fc2"] / 256, abs=0.01)


def test_a_threshold_becomes_the_density_that_it_leaves():
    model = classifier()
    kept = int(np.count_nonzero(np.abs(constants(model)["fc1"]) >= 0.2))
    assert nonzeros(tuned(model, threshold=0.2).model)["fc1"] == kept


def test_without_regrowth_what_is_pruned_stays_pruned():
    model = pruned_classifier()
    found = tuned(model, density=0.1, mask_interval=2).model
    for name in ("fc1", "fc2"):
        assert not np.any((constants(found)[name] != 0) & (constants(model)[name] == 0))


def test_with_regrowth_pruned_weights_come_back_at_the_same_density():
    model = pruned_classifier()
    found = tuned(model, regrow=True, mask_interval=1).model
    assert all(nonzeros(found)[name] == nonzeros(model)[name] for name in ("fc1", "fc2"))
    assert any(np.any((constants(found)[name] != 0) & (constants(model)[name] == 0)) for name in ("fc1", "fc2"))


def test_only_epochs_with_settled_masks_can_be_the_best():
    found = tuned(classifier(), density=0.02, epochs=8, settle=0.25)
    assert found.report.best_epoch > 6
    assert found.report.epochs[0].validation.better_than(found.report.after)


def test_the_best_epoch_is_kept():
    best = tuned(classifier(), epochs=6, lr=0.3).report
    scores = [best.before, *(epoch.validation for epoch in best.epochs)]
    assert best.after == scores[best.best_epoch]
    assert not any(score.better_than(best.after) for score in scores)


def test_without_validation_data_the_last_epoch_is_kept():
    found = tuned(classifier(), val=None).report
    assert (found.best_epoch, found.measured_on) == (4, "training")
    assert found.epochs[0].validation is None


def test_a_share_of_the_data_is_held_out():
    found = tuned(classifier(), val=None, val_share=0.25).report
    assert found.measured_on == "validation"
    assert (found.before.accuracy * 50) == pytest.approx(round(found.before.accuracy * 50))


def test_patience_ends_a_training_that_gets_no_better():
    found = tuned(classifier(), epochs=50, lr=0.05, patience=2, lr_schedule="constant").report
    assert len(found.epochs) == found.best_epoch + 2 < 50


def test_a_score_is_better_if_right_more_often_then_at_a_lower_loss():
    assert Score(2.0, 0.9).better_than(Score(1.0, 0.8))
    assert Score(1.0, 0.9).better_than(Score(2.0, 0.9))
    assert Score(1.0, None).better_than(Score(2.0, None))
    assert not Score(1.0, None).better_than(Score(1.0, None))
    assert Score(1.0, None).better_than(Score(float("nan"), None))
    assert Score(1.0, 0.1).better_than(Score(float("nan"), 0.1))


def test_no_loss_is_told_as_a_negative_zero():
    assert str(Score(-1e-9, 0.5)) == "loss 0.0000 accuracy 50.00%"
    assert str(Score(-0.25, None)) == "loss -0.2500"


def test_a_teacher_needs_no_labels():
    teacher = tuned(classifier(), epochs=8).model
    unlabelled = {"x": items(400, seed=5)["x"]}
    found = tuned(pruned_classifier(), data=unlabelled, val=None, teacher=teacher, epochs=12)
    assert accuracy(found.model, HELD_OUT) > accuracy(pruned_classifier(), HELD_OUT) + 0.3
    answers = [run(model, {"x": unlabelled["x"]})[0].argmax(1) for model in (teacher, found.model)]
    assert found.report.after.accuracy == pytest.approx(np.mean(answers[0] == answers[1]))


def test_a_model_that_ends_in_softmax_is_trained_on_its_logits(tmp_path):
    ending = "z = Gemm(a, fc2, b2) y = Softmax<axis: int = 1>(z)"
    plain, ended = tuned(classifier()), tuned(classifier(ending))
    assert all(np.array_equal(array, constants(ended.model)[name]) for name, array in constants(plain.model).items())
    assert [node.op_type for node in ended.model.graph][-1] == "Softmax"
    np.testing.assert_allclose(run(ended.model, {"x": DATA["x"]})[0].sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "ending"),
    [
        ("mse", "y = Gemm(a, fc2, b2)"),
        ("l1", "y = Gemm(a, fc2, b2)"),
        ("bce", "z = Gemm(a, fc2, b2) y = Sigmoid(z)"),
    ],
)
def test_other_losses_take_values_for_labels(loss, ending):
    wanted = np.eye(CLASSES, dtype=np.float32)
    data, val = ({"x": part["x"], "target": wanted[part["labels"]]} for part in (DATA, HELD_OUT))
    report = tuned(classifier(ending), data=data, val=val, labels="target", loss=loss).report
    assert report.after.loss < report.before.loss
    assert (report.after.accuracy is None) == (loss != "bce")


def test_dropout_nodes_of_the_graph_are_active_and_stay():
    ending = "d = Dropout(a, rate) y = Gemm(d, fc2, b2)"
    idle, active = (tuned(classifier(ending, rate=np.array(rate, np.float32))) for rate in (0.0, 0.8))
    assert not np.array_equal(constants(idle.model)["fc2"], constants(active.model)["fc2"])
    assert "Dropout" in [node.op_type for node in active.model.graph]


def test_a_layer_after_dropout_of_its_own_gets_no_more():
    ending = "d = Dropout(a, rate) g = Gemm(d, fc2, b2) y = Gemm(g, fc3, b3)"
    arrays = {"rate": np.array(0.4, np.float32), "fc3": normal(CLASSES, CLASSES), "b3": np.zeros(CLASSES, np.float32)}
    model = classifier(ending, **arrays)
    assert insert_dropout(model, find_weights(model, 1)[0], 0.5) == 1
    kinds = [node.op_type for node in model.graph]
    assert kinds == ["Gemm", "Relu", "Dropout", "Gemm", "Dropout", "Gemm"]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_steps_smaller_than_float16_can_hold_add_up(dtype, optimizer):
    graph = "g (float[N, 16] x) => (float[N, 8] y) { h = Cast<to = %d>(x) z = MatMul(h, w) y = Cast<to = 1>(z) }"
    kind = ir.DataType.from_numpy(np.dtype(dtype)).value
    model = build(graph % kind, w=normal(16, 8).astype(dtype))
    found = tuned(model, optimizer=optimizer, lr=1e-4, epochs=60, lr_schedule="constant", density=0.5, min_elements=1)
    trained = constants(found.model)["w"]
    assert trained.dtype == dtype
    assert np.count_nonzero(trained) == 64
    moved = np.abs(trained.astype(np.float32) - constants(model)["w"].astype(np.float32))[trained != 0]
    assert np.mean(moved > 0) > 0.5


def test_dropout_that_is_asked_for_is_not_in_the_model():
    found = tuned(classifier(), dropout=0.5)
    assert [node.op_type for node in found.model.graph] == ["Gemm", "Relu", "Gemm"]
    assert set(constants(found.model)) == set(constants(classifier()))
    assert not np.array_equal(constants(found.model)["fc2"], constants(tuned(classifier()).model)["fc2"])


def test_running_statistics_follow_the_data():
    statistics = {"scale": np.ones(HIDDEN), "shift": np.zeros(HIDDEN), "mean": np.ones(HIDDEN), "var": np.ones(HIDDEN)}
    ending = "n = BatchNormalization(a, scale, shift, mean, var)  y = Gemm(n, fc2, b2)"
    model = classifier(ending, **{name: array.astype(np.float32) for name, array in statistics.items()})
    found = tuned(model, data=items(), val=None, batch=100, epochs=30, optimizer="sgd", lr=1e-4)
    weights = constants(found.model)
    hidden = np.maximum(items()["x"] @ weights["fc1"] + weights["b1"], 0)  # what the statistics are of
    np.testing.assert_allclose(weights["mean"], hidden.mean(0), atol=0.05)
    np.testing.assert_allclose(weights["var"], hidden.var(0), rtol=0.15, atol=0.01)
    again = tuned(model, data=items(), val=None, batch=100, epochs=30, optimizer="sgd", lr=1e-4)
    np.testing.assert_array_equal(weights["mean"], constants(again.model)["mean"])


def test_biases_that_float16_holds_beside_shared_weights_stay_so():
    shared = library.share(ir.to_proto(classifier()), step=0.3).model  # whose biases are zeros
    found = tuned(shared)
    for name in ("b1", "b2"):
        bias = constants(found.model)[name]
        assert not np.array_equal(bias, constants(shared)[name])
        assert np.array_equal(bias, bias.astype(np.float16).astype(np.float32))
    assert found.report.after.accuracy == pytest.approx(accuracy(found.model, HELD_OUT))


def test_other_biases_are_trained_as_they_are():
    precise = {"b1": normal(HIDDEN, seed=3), "b2": np.zeros(CLASSES, np.float32)}
    model = classifier()
    for name, array in precise.items():
        model.graph.initializers[name].const_value = ir.Tensor(array, name=name)
    beside_shared = tuned(library.share(ir.to_proto(model), step=0.3, biases="keep").model)
    beside_dense = tuned(classifier())
    for bias in (constants(beside_shared.model)["b1"], constants(beside_dense.model)["b1"]):
        assert not np.array_equal(bias, bias.astype(np.float16).astype(np.float32))


def test_long_gradients_are_shortened():
    model = classifier()
    options = {"optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch": 200, "val": None}
    free, clipped, unmoved = (tuned(model, clip=clip, **options).model for clip in (None, 0.01, 1e9))
    ways = [
        np.concatenate([(constants(found)[name] - array).reshape(-1) for name, array in constants(model).items()])
        for found in (free, clipped, unmoved)
    ]
    np.testing.assert_array_equal(ways[0], ways[2])
    # the first step of Nesterov's momentum is 1.9 times that of plain descent
    assert np.linalg.norm(ways[1]) == pytest.approx(0.01 * 0.1 * 1.9, rel=1e-3)
    cosine = ways[0] @ ways[1] / np.linalg.norm(ways[0]) / np.linalg.norm(ways[1])
    assert cosine == pytest.approx(1, abs=1e-4)


def test_a_device_is_named_or_refused():
    np.testing.assert_array_equal(
        constants(tuned(classifier(), device="cpu").model)["fc1"], constants(tuned(classifier()).model)["fc1"]
    )
    for device in ("gpu", "cuda:99", "meta"):
        with pytest.raises(OptionError, match=f"^device: expected cpu or a device that PyTorch finds, got {device}$"):
            tuned(classifier(), device=device)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 5}, "rounds needs schedule iterative"),
        ({"rounds": 5, "schedule": "one_shot", "density": 0.5}, "rounds needs schedule iterative"),
        ({"ramp": 0.2, "schedule": "one_shot", "density": 0.5}, "ramp needs schedule gradual"),
        ({"schedule": "one_shot"}, "schedule: expected a density to prune to, got none"),
        ({"mask_interval": 4}, "mask_interval: expected a density to prune to, got none"),
        ({"settle": 0.5}, "settle: expected a density to prune to or grids, got none"),
        ({"temperature": 2.0}, "temperature needs teacher"),
        ({"distill_weight": 0.5}, "distill_weight needs teacher"),
        ({"temperature": 2.0, "loss": "mse", "teacher": classifier()}, "temperature needs loss cross_entropy"),
        ({"class_axis": -1, "loss": "mse"}, "class_axis needs loss cross_entropy"),
        ({"ramp": 0.3}, "ramp: expected a density to prune to, got none"),
        ({"ramp": 0.3, "grid": True, "rate": 0.0}, "ramp: expected a density to prune to, got none"),
        ({"rate_ramp": 0.3, "grid": True, "rate": 0.0}, "rate_ramp needs rate above 0"),
        (
            {"temperature": 2.0, "distill_weight": 0.0, "teacher": classifier()},
            "temperature needs distill_weight above 0",
        ),
        (
            {"mask_interval": 5, "schedule": "one_shot", "density": 0.5},
            "mask_interval needs regrow or schedule gradual",
        ),
        (
            {"mask_interval": 5, "schedule": "iterative", "density": 0.5},
            "mask_interval needs regrow or schedule gradual",
        ),
        ({"temperature": 4.0}, "temperature needs teacher"),
        ({"schedule": "gradual"}, "schedule: expected a density to prune to, got none"),
        ({"step_init": 0.4}, "step_init needs grid"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message):
    with pytest.raises(OptionError, match=f"^{message}$"):
        tuned(classifier(), **options)


def test_a_ramp_needs_a_density_that_falls():
    with pytest.raises(OptionError, match=r"^ramp: expected a density to prune to, got none$"):
        tuned(pruned_classifier(), regrow=True, ramp=0.3)


def test_without_labels_the_teacher_is_all_of_the_loss():
    unlabelled = {"x": DATA["x"]}
    with pytest.raises(OptionError, match=r"^distill_weight: expected 1, as data has no labels, got 0\.3$"):
        tuned(classifier(), data=unlabelled, val=None, teacher=classifier(), distill_weight=0.3)
    tuned(classifier(), data=unlabelled, val=None, teacher=classifier(), distill_weight=1.0, epochs=1)


def test_a_switch_that_is_off_needs_nothing():
    tuned(classifier(), regrow=False, grid=False, int8=False, flip=False, epochs=1)

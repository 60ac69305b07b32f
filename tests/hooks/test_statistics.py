"""Running statistics in a hook: no gradient trains them, but training may move them, and they are taken back."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from onnxdc import hooks
from onnxdc.errors import HookError
from onnxdc.hooks import TrainingHook
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal


def normalized() -> ir.Model:
    """Build a product between two normalizations: the first's variance is also the second's mean and variance."""
    return build(
        """
        m (float[N, 8] x) => (float[N, 8] y) {
            a = BatchNormalization(x, scale, shift, mean, variance)
            h = MatMul(a, w)
            y = BatchNormalization(h, scale, shift, variance, variance)
        }
        """,
        w=normal(8, 8),
        scale=normal(8, seed=1),
        shift=normal(8, seed=2),
        mean=normal(8, seed=3),
        variance=np.abs(normal(8, seed=4)),
    )


def test_running_statistics_are_no_weights_for_gradients():
    hook = hooks.export(normalized())
    statistics = {name: weight.statistic for name, weight in hook.weights.items() if weight.stage == "statistic"}
    assert statistics == {"mean": "mean", "variance": "variance"}
    drawn = {name: normal(8, seed=5) for name in statistics}
    assert not any(gradient.any() for gradient in hook.mask_gradients(drawn).values())
    np.testing.assert_array_equal(hook.project(drawn)["mean"], drawn["mean"])
    np.testing.assert_array_equal(hook.project(drawn)["variance"], drawn["variance"].clip(0))


def test_statistics_of_the_batch_are_none_of_the_model():
    model = build(
        """
        m (float[N, 8] x) => (float[N, 8] y, float[8] m, float[8] v) {
            y, m, v = BatchNormalization<training_mode=1>(x, scale, shift, mean, variance)
        }
        """,
        **{name: np.ones(8, np.float32) for name in ("scale", "shift", "mean", "variance")},
    )
    assert list(hooks.export(model).weights) == ["scale", "shift"]


def test_statistics_alone_are_nothing_to_train():
    model = build(
        "m (float[N, 8] x, float[8] s) => (float[N, 8] y) { y = BatchNormalization(x, s, s, mean, variance) }",
        mean=normal(8),
        variance=np.abs(normal(8)),
    )
    with pytest.raises(HookError, match="nothing to train"):
        hooks.export(model)


def test_statistics_that_are_missing_stay_and_those_that_are_given_come_back(tmp_path):
    model = normalized()
    hook = hooks.export(model, tmp_path / "hook")
    weights = {name: array + 1 for name, array in hook.values().items()}
    mean = normal(8, seed=6)
    for found in (hook, TrainingHook.load(tmp_path / "hook")):
        without = constants(hooks.import_(model, found, weights).model)
        given = constants(hooks.import_(model, found, weights | {"mean": mean}).model)
        for name, array in weights.items():
            np.testing.assert_array_equal(without[name], array)
        np.testing.assert_array_equal(without["mean"], hook.weights["mean"].values)
        np.testing.assert_array_equal(given["mean"], mean)
        np.testing.assert_array_equal(given["variance"], hook.weights["variance"].values)


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ({"mean": np.full(8, np.nan, np.float32)}, "trained: mean: .*NaN"),
        ({"mean": normal(7)}, r"trained: mean: expected shape \[8\], got \[7\]"),
        ({"variance": np.float32([1, 1, 1, 1, 1, 1, -2, -3])}, "variance: 2 of 8 variances are negative, down to -3"),
    ],
)
def test_statistics_that_cannot_be_are_refused(statistics, message, tmp_path):
    model = normalized()
    hooks.export(model, tmp_path / "hook")
    hook = TrainingHook.load(tmp_path / "hook")
    with pytest.raises(HookError, match=message):
        hooks.import_(model, hook, hook.values() | statistics)


def test_statistics_in_a_trained_graph_come_back(tmp_path):
    model = normalized()
    hooks.export(model, tmp_path / "hook")
    graph = ir.load(tmp_path / "hook" / "training.onnx")
    graph.graph.initializers["mean"].const_value = ir.Tensor(normal(8, seed=6))
    ir.save(graph, tmp_path / "trained.onnx")
    tuned = hooks.import_(model, tmp_path / "hook", tmp_path / "trained.onnx").model
    np.testing.assert_array_equal(constants(tuned)["mean"], normal(8, seed=6))

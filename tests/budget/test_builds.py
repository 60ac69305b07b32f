"""Budgets: the build that is found is the one that asking for every strength would have found."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from onnxdc.budget.builds import Build, best_of_size, smallest_of_divergence, smallest_of_drop
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import metric_of
from onnxdc.model_io.feeds import given_feeds, input_specs
from onnxdc.passes.encode import encode
from onnxdc.passes.plan import plan_weights
from onnxdc.passes.result import Figures, Result, Shared
from tests.helpers.text_models import build as build_model
from tests.helpers.text_models import normal

START = 0.0
ELEMENTS = 256 * 256 + 256 * 10
INPUTS = {"x": normal(500, 256, seed=5)}


def mlp() -> ir.Model:
    """A network of random weights, with 10 classes."""
    return build_model(
        """
        mlp (float[N, 256] x) => (float[N, 10] y) {
            h = MatMul(x, fc1)
            a = Relu(h)
            s = MatMul(a, fc2)
            y = Softmax(s)
        }
        """,
        fc1=normal(256, 256, seed=1) / 16,
        fc2=normal(256, 10, seed=2) / 2,
    )


MODEL = mlp()
LABELS = onnxruntime.InferenceSession(ir.to_proto(MODEL).SerializeToString()).run(None, INPUTS)[0].argmax(axis=1)


def make(strength: float) -> Build:
    """Every weight on a grid of its own, of 0.1 standard deviations at strength 0."""
    plan = plan_weights(MODEL.clone())
    result = Result(plan.model)
    for planned in plan.weights:
        array = planned.weight.array()
        step = np.float32(max(0.1 * 2 ** (strength / 2) * array.std(), np.abs(array).max() / 127))
        rounded = (np.rint(array / step) * step + np.float32(0)).astype(np.float32)
        planned.weight.replace(rounded)
        figures = Figures.of(array)
        result.changes.append(Shared(planned.weight.info, figures, figures, 0.0))
    return Build(plan, result)


def weigh(build: Build) -> int:
    plan = plan_weights(build.plan.model.clone())
    encode(plan)
    return int(ir.to_proto(plan.model).ByteSize())


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(MODEL, given_feeds(input_specs(MODEL, "mlp"), INPUTS, "mlp"), LABELS)


def test_a_size_is_met_within_a_hundredth_in_few_builds():
    built: list[float] = []

    def counted(strength: float) -> Build:
        built.append(strength)
        return make(strength)

    found = best_of_size(counted, weigh, 45_000, start=START, elements=ELEMENTS)
    assert 0.99 * 45_000 <= weigh(make(found.best.x)) <= 45_000
    assert len(built) <= 4


def test_what_is_too_small_for_the_model_is_not_found():
    found = best_of_size(make, weigh, 500, start=START, elements=ELEMENTS)
    assert found.best is None


def test_a_divergence_is_met_from_below(judge):
    found = smallest_of_divergence(make, judge, 0.02, start=START)
    assert 0.5 * 0.02 < judge.divergence(found.best.thing.plan.model) <= 0.02
    assert judge.divergence(make(found.best.x + 1).plan.model) > 0.02


def test_a_drop_is_met_with_a_standard_error_to_spare(judge):
    found, drop = smallest_of_drop(make, judge, metric_of("top1"), 15.0, start=START)
    model = onnxruntime.InferenceSession(ir.to_proto(found.best.thing.plan.model).SerializeToString())
    right = (model.run(None, INPUTS)[0].argmax(axis=1) == LABELS).mean()
    assert drop.after == pytest.approx(100 * right)
    assert drop.value + drop.error <= 15.0
    coarser, _ = judge.drop(make(found.best.x + 2).plan.model, metric_of("top1"))
    assert coarser.value > 15.0


def ruined_at_first(strength: float) -> Build:
    """What ``make`` makes; at the first strength and above with a NaN in each output, as of the logarithm of a sum."""
    build = make(strength)
    if strength >= START:
        build.plan.weights[1].weight.replace(np.full((256, 10), np.nan, np.float32))
    return build


def test_a_build_that_is_ruined_says_that_finer_ones_are_to_be_made(judge):
    found = smallest_of_divergence(ruined_at_first, judge, 1e-3, start=START)
    assert found.best is not None
    assert -np.inf < found.best.x < START
    found, drop = smallest_of_drop(ruined_at_first, judge, metric_of("top1"), 2.0, start=START)
    assert found.best is not None
    assert -np.inf < found.best.x < START
    assert drop.value + drop.error <= 2

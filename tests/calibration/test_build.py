"""Rounded models: on a grid, closer to the original than plain rounding, with the means of outputs as they were."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import onnxdc
from onnxdc.calibration.build import Build, calibrate, densities_of, prune, put
from onnxdc.calibration.gather import gather
from onnxdc.calibration.overrides import Overrides
from onnxdc.calibration.sensitivity import Sensitivity, has_convolutions, importances, measure
from onnxdc.calibration.statistics import Statistics
from onnxdc.calibration.tasks import calibrated_weights, tasks_of
from onnxdc.graph.skips import SkipCode
from onnxdc.numeric.grids import grid_of_values
from onnxdc.passes.plan import Plan
from tests.helpers.calibration_networks import perceptron, planned
from tests.helpers.text_models import build, normal, run

MODEL, X = perceptron()
CALIBRATION, HELD_BACK = X[:200], X[200:]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(MODEL)


@pytest.fixture(scope="module")
def statistics(plan: Plan) -> Statistics:
    return gather(plan, [{"x": CALIBRATION}])


@pytest.fixture(scope="module")
def sensitivities(plan: Plan, statistics: Statistics) -> dict[str, Sensitivity]:
    return measure(plan, statistics, [{"x": CALIBRATION}])


def divergence(model: object, x: np.ndarray = HELD_BACK) -> float:
    return onnxdc.verify(MODEL, model, {"x": x}).comparisons[0].divergence


def built(plan: Plan, build: Build) -> Plan:
    other = planned(plan.model.clone())
    put(other, build)
    return other


def test_a_session_with_overrides_computes_what_a_changed_model_does(plan: Plan, statistics: Statistics) -> None:
    overrides = Overrides(plan)
    assert overrides.run({"x": X})[0] == pytest.approx(run(MODEL, {"x": X})[0], rel=1e-5, abs=1e-6)
    for name, task in tasks_of(plan, statistics):
        rounded = task.round(0.3)
        changed = built(plan, Build({name: rounded}, []))
        expected = run(changed.model, {"x": X})[0]
        found = overrides.run({"x": X}, name, rounded.values, rounded.bias)[0]

        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert np.abs(found - overrides.run({"x": X})[0]).max() > 1e-3


def test_sensitivities_are_what_verify_finds(
    plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]
) -> None:
    for name, task in tasks_of(plan, statistics):
        rounded = task.round(0.5 * float(task.array.std()))
        changed = built(plan, Build({name: rounded}, [])).model
        assert sensitivities[name].divergence == pytest.approx(divergence(changed, CALIBRATION[::4]), rel=1e-3)
        assert sensitivities[name].loss == rounded.loss

    weights = {planned.weight.name: planned.weight.array() for planned in plan.weights}
    signal = np.var(CALIBRATION.astype(np.float64) @ weights["fc1"].T, axis=0).sum()
    assert sensitivities["fc1"].signal == pytest.approx(signal, rel=1e-4)


def test_weights_are_on_grids_and_the_loss_is_that_of_the_outputs(
    plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]
) -> None:
    build = calibrate(plan, statistics, importances(sensitivities, measured=True), 1e-5)
    changed = built(plan, build)
    for before, after in zip(calibrated_weights(plan), calibrated_weights(changed), strict=True):
        rounded = build.weights[before.weight.name]
        values = after.weight.array()
        found = grid_of_values(np.unique(values))
        assert found is not None
        assert float(found[0][0, 0]) % rounded.step == 0
        assert not np.signbit(values[values == 0]).any()
    error = CALIBRATION.astype(np.float64) @ (plan.weights[0].weight.array() - changed.weights[0].weight.array()).T
    assert build.weights["fc1"].loss == pytest.approx(np.var(error, axis=0).sum(), rel=1e-3)


def test_it_is_closer_than_plain_rounding_with_the_same_steps(
    plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]
) -> None:
    build = calibrate(plan, statistics, importances(sensitivities, measured=True), 1e-4)
    plain = planned(plan.model.clone())
    for each in calibrated_weights(plain):
        step = np.float32(build.weights[each.weight.name].step)
        each.weight.replace(np.rint(each.weight.array() / step) * step)

    assert 1e-5 < divergence(built(plan, build).model) < 0.5 * divergence(plain.model)


def test_a_smaller_lambda_is_closer(plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]) -> None:
    importance = importances(sensitivities, measured=False)
    found = [divergence(built(plan, calibrate(plan, statistics, importance, 10.0**e)).model) for e in (-6, -4.5, -3)]
    assert found == sorted(found)
    assert found[0] < 0.1 * found[2]


def test_outputs_keep_their_means(plan: Plan, statistics: Statistics) -> None:
    for name, task in tasks_of(plan, statistics):
        changed = built(plan, Build({name: task.round(0.8 * float(task.array.std()))}, [])).model
        without = planned(changed.clone()).model
        for bias in ("b1", "b2"):
            without.graph.initializers[bias].const_value = MODEL.graph.initializers[bias].const_value
        inner = "a" if name == "fc1" else "s"
        means = [_inner(each, inner).mean(axis=0) for each in (MODEL, changed, without)]

        assert means[1] == pytest.approx(means[0], rel=1e-3, abs=1e-3)
        assert np.abs(means[2] - means[0]).max() > 0.02


def _inner(model: object, name: str) -> np.ndarray:
    copy = model.clone()  # type: ignore[attr-defined]
    copy.graph.outputs[:] = [value for node in copy.graph for value in node.outputs if value.name == name]
    return run(copy, {"x": CALIBRATION})[0]


def test_zeros_are_made_up_for_and_stay_on_a_grid(
    plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]
) -> None:
    magnitude = planned(plan.model.clone())
    pruned = built(plan, prune(plan, statistics, {each.weight.name: 0.5 for each in calibrated_weights(plan)}))
    importance = importances(sensitivities, measured=True)
    names = {each.weight.name for each in calibrated_weights(plan)}
    rounded = built(pruned, calibrate(pruned, statistics, importance, 1e-5, pruned=names))
    for changed in (pruned, rounded):
        for each in calibrated_weights(changed):
            assert np.count_nonzero(each.weight.array()) == each.weight.size // 2
    for each in calibrated_weights(magnitude):
        array = each.weight.array()
        each.weight.replace(np.where(np.abs(array) > np.median(np.abs(array)), array, np.float32(0)))

    assert divergence(pruned.model) < 0.3 * divergence(magnitude.model)
    assert divergence(rounded.model) < 0.35 * divergence(magnitude.model)


def test_densities_by_one_threshold(plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]) -> None:
    importance = importances(sensitivities, measured=True)
    densities = densities_of(plan, statistics, importance, 0.4, 0.0)
    sizes = {each.weight.name: each.weight.size for each in calibrated_weights(plan)}

    assert sum(densities[name] * sizes[name] for name in sizes) == pytest.approx(0.4 * sum(sizes.values()), abs=1)
    for name, weight in prune(plan, statistics, densities).weights.items():
        assert np.count_nonzero(weight.values) == pytest.approx(densities[name] * sizes[name], abs=1)


def test_a_task_can_be_sent(plan: Plan, statistics: Statistics) -> None:
    for _, task in tasks_of(plan, statistics):
        here, there = task.round(0.3), pickle.loads(pickle.dumps(task)).round(0.3)
        assert np.array_equal(here.values, there.values)
        assert np.array_equal(here.bias, there.bias)


def test_the_same_data_give_the_same_bits(
    plan: Plan, statistics: Statistics, sensitivities: dict[str, Sensitivity]
) -> None:
    again = gather(plan, ({"x": part} for part in np.array_split(CALIBRATION, 3)), memory=4000)
    assert measure(plan, again, [{"x": CALIBRATION}]) == sensitivities
    importance = importances(sensitivities, measured=True)
    first, second = (calibrate(plan, known, importance, 1e-4).weights for known in (statistics, again))
    for name in first:
        assert np.array_equal(first[name].values, second[name].values)
        assert np.array_equal(first[name].bias, second[name].bias)


def test_float16_stays_float16() -> None:
    model, x = perceptron(np.float16)
    plan = planned(model)
    statistics = gather(plan, [{"x": x}])
    rounded = dict(tasks_of(plan, statistics).__iter__())["fc1"].round(0.25)

    assert rounded.bias is not None
    assert rounded.values.dtype == rounded.bias.dtype == np.float16
    assert np.array_equal(rounded.values, np.rint(rounded.values / rounded.step) * rounded.step)
    sensitivities = measure(plan, statistics, [{"x": x}])
    assert all(found.divergence for found in sensitivities.values())


def test_tables_and_weights_of_subgraphs_are_rounded_too() -> None:
    text = """g (bool c, int64[N] i) => (float[] y) {
        x = Gather (table, i)
        y = If (c) <then_branch = t () => (a) { a = MatMul (x, w) }, else_branch = e () => (b) { b = Identity (x) }>
    }"""
    table, w = normal(50, 8), normal(8, 8, seed=1)
    plan = planned(build(text, table=table, w=w))
    feeds = [{"c": np.array(True), "i": np.arange(n, n + 10)} for n in range(40)]
    statistics = gather(plan, feeds)
    sensitivities = measure(plan, statistics, feeds)
    build_ = calibrate(plan, statistics, importances(sensitivities, measured=True), 1e-4)

    assert {skip.name: skip.code for skip in build_.skips} == dict.fromkeys(["table", "w"], SkipCode.NOT_CALIBRATED)
    assert all(found.divergence for found in sensitivities.values())
    for name, before in (("table", table), ("w", w)):
        rounded = build_.weights[name]
        assert 0 < np.abs(rounded.values - before).max() < 0.6 * rounded.step
        assert rounded.loss == pytest.approx(np.square(rounded.values - before, dtype=np.float64).sum(), rel=1e-6)


def test_a_bias_that_others_read_is_corrected_for_its_layer_alone() -> None:
    text = (
        "g (float[N, 24] x) => (float[] y) { a = Gemm (x, p, b)\n c = Gemm (x, q, b)\n y = Concat <axis = 1> (a, c) }"
    )
    plan = planned(build(text, p=normal(24, 8), q=normal(24, 8, seed=1), b=normal(8, seed=2)))
    statistics = gather(plan, [{"x": CALIBRATION}])
    changed = built(plan, Build({name: task.round(0.7) for name, task in tasks_of(plan, statistics)}, [])).model
    before, after = (run(model, {"x": CALIBRATION})[0].mean(axis=0) for model in (plan.model, changed))

    assert after == pytest.approx(before, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_left_and_told(bad: float) -> None:
    broken = normal(24, 8)
    broken[0, 0] = bad
    plan = planned(build("g (float[N, 24] x) => (float[] y) { y = MatMul (x, w) }", w=broken))
    statistics = gather(plan, [{"x": CALIBRATION}])
    build_ = calibrate(plan, statistics, importances(measure(plan, statistics, [{"x": CALIBRATION}]), measured=True), 1)

    assert not build_.weights
    assert [(skip.name, skip.code) for skip in build_.skips] == [("w", SkipCode.UNFIT)]


def test_importance_where_nothing_was_measured_or_next_to_nothing() -> None:
    found = {
        "a": Sensitivity(0.02, 1.0, 10.0),
        "b": Sensitivity(0.08, 2.0, 5.0),
        "unmeasured": Sensitivity(None, 1.0, 4.0),
        "silent": Sensitivity(0.0, 1.0, 2.0),
        "dead": Sensitivity(0.1, 0.0, 0.0),
    }
    measured = importances(found, measured=True)
    usual = np.sqrt(0.2 * 0.2)
    assert measured["a"] == pytest.approx(0.02)
    assert measured["b"] == pytest.approx(0.04)
    assert measured["unmeasured"] == pytest.approx(usual / 4)
    assert measured["silent"] == pytest.approx(usual / 2)
    assert measured["dead"] == 0

    found["b"] = Sensitivity(0.32, 2.0, 5.0)
    steadied = importances(found, measured=False)
    assert steadied["b"] / steadied["a"] == pytest.approx(np.sqrt((0.16 / 0.02) * (10 / 5)))  # sqrt(s_div * s_rel)


def test_what_hardly_matters_still_matters_a_little() -> None:
    found = {str(number): Sensitivity(0.1, 1.0, 10.0) for number in range(9)} | {"quiet": Sensitivity(1e-12, 1.0, 10.0)}
    importance = importances(found, measured=True)
    assert 1e-5 < importance["quiet"] / importance["0"] < 1e-3


def test_convolutions_anywhere_count() -> None:
    assert not has_convolutions(planned(MODEL))
    model = build("g (float[1, 2, 8] x) => (float[] y) { y = Conv (x, w) }", w=normal(4, 2, 3))
    assert has_convolutions(planned(model, min_elements=1))

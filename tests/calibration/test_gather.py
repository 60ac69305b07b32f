"""Statistics of models on data: against what numpy finds, in whatever portions and runs."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.calibration.gather import feeds_of, gather
from onnxdc.calibration.statistics import Statistics
from onnxdc.errors import ModelError, OptionError
from onnxdc.graph.skips import SkipCode
from tests.helpers.calibration_networks import perceptron, planned
from tests.helpers.text_models import build, normal

MODEL, X = perceptron()
PLAN = planned(MODEL)


def parameters() -> dict[str, np.ndarray]:
    return {planned.weight.name: planned.weight.array() for planned in PLAN.weights}


def moments(rows: np.ndarray, *, centred: bool = True) -> np.ndarray:
    rows = rows.astype(np.float64)
    rows = rows - rows.mean(axis=0) if centred else rows
    return rows.T @ rows / len(rows)


def same(first: Statistics, second: Statistics) -> bool:
    assert list(first.layers) == list(second.layers)
    return all(np.array_equal(first.inputs(name).second, second.inputs(name).second) for name in first.layers)


def test_they_are_those_that_numpy_finds() -> None:
    statistics = gather(PLAN, [{"x": X}])
    b1 = MODEL.graph.initializers["b1"].const_value
    assert b1 is not None
    hidden = np.maximum(X @ parameters()["fc1"].T + b1.numpy(), 0)

    assert (list(statistics.layers), statistics.skips, statistics.items) == (["fc1", "fc2"], {}, 300)
    for name, rows in (("fc1", X), ("fc2", hidden)):
        inputs = statistics.inputs(name)
        assert inputs.mean is not None
        assert inputs.mean[0] == pytest.approx(rows.mean(axis=0, dtype=np.float64), rel=1e-4, abs=1e-5)
        assert inputs.second[0] == pytest.approx(moments(rows), rel=1e-3, abs=1e-4)
        assert inputs.factor.damping[0] == pytest.approx(
            np.clip(0.2 * rows.shape[1] / 300, 0.01, 0.1) * np.diagonal(moments(rows)).mean(), rel=1e-3
        )


def test_how_data_come_does_not_matter() -> None:
    whole = gather(PLAN, [{"x": X}])
    assert same(whole, gather(PLAN, feeds_of(PLAN, {"x": X, "labels": np.zeros(300)})))
    assert same(whole, gather(PLAN, ({"x": part} for part in np.array_split(X, 7))))


def test_little_memory_costs_runs_and_nothing_else() -> None:
    said: list[tuple[str, int, int]] = []
    little = gather(PLAN, ({"x": part} for part in (X[:100], X[100:])), memory=4000, progress=lambda *a: said.append(a))

    assert same(little, gather(PLAN, [{"x": X}]))
    assert said[0] == ("run 1 of 2", 1, 300)
    assert said[-1] == ("run 2 of 2", 300, 300)


def test_a_network_of_fixed_size_takes_whole_feeds() -> None:
    model = build("g (float[4, 6] x) => (float[] y) { y = MatMul (x, w) }", w=normal(6, 8))
    x = normal(20, 6)
    plan = planned(model)
    statistics = gather(plan, feeds_of(plan, {"x": x}))

    assert statistics.items == 20
    inputs = statistics.inputs("w")
    assert inputs.mean is None  # without a bias, what is constant counts as an error
    assert inputs.second[0] == pytest.approx(moments(x, centred=False), rel=1e-5, abs=1e-6)


TEXTS = """g (int64[N, T] ids, int64[N, T] {mask}) => (float[] y) {{
    e = Gather (table, ids)
    m = Cast <to = 1> ({mask})
    axes = Constant <value_ints = [2]> ()
    u = Unsqueeze (m, axes)
    s = Mul (e, u)
    y = MatMul (s, w)
}}"""
IDS, MASK = np.random.default_rng(0).integers(0, 50, (30, 4)), np.tri(30, 4, dtype=np.int64)
TABLE = normal(50, 6, seed=3)


@pytest.mark.parametrize(("name", "asked"), [("attention_mask", None), ("valid", "valid")])
def test_padded_tokens_do_not_count(name: str, asked: str | None) -> None:
    plan = planned(build(TEXTS.format(mask=name), table=TABLE, w=normal(6, 8)))
    statistics = gather(plan, [{"ids": IDS, name: MASK}], mask_input=asked)
    rows = TABLE[IDS[MASK > 0]]

    assert statistics.inputs("w").second[0] == pytest.approx(moments(rows, centred=False), rel=1e-4, abs=1e-5)
    assert statistics.skips["table"].code is SkipCode.NOT_CALIBRATED


def test_a_mask_that_is_no_input_is_refused() -> None:
    with pytest.raises(OptionError, match="mask_input: expected an input of the model, x, got mask"):
        gather(PLAN, [{"x": X}], mask_input="mask")


def test_moments_of_a_weight_used_twice_are_those_of_all_its_inputs() -> None:
    w = normal(6, 6) / 3
    plan = planned(
        build("g (float[N, 6] x) => (float[] y) { h = MatMul (x, w)\n y = MatMul (h, w) }", w=w), min_elements=9
    )
    x = normal(50, 6, seed=1)
    second = gather(plan, [{"x": x}]).inputs("w").second[0]

    assert second == pytest.approx(moments(np.concatenate([x, x @ w]), centred=False), rel=1e-4, abs=1e-5)


def test_too_few_rows_are_told() -> None:
    statistics = gather(PLAN, [{"x": X[:5]}])
    assert not statistics.layers
    assert statistics.skips["fc2"].reason == "5 rows were read for 40 inputs, expected a quarter at least"


def test_inputs_that_are_always_the_same_say_nothing() -> None:
    statistics = gather(PLAN, [{"x": np.broadcast_to(X[:1], X.shape)}])
    assert not statistics.layers
    assert statistics.skips["fc1"].reason == "its inputs are the same in all of the data"


def test_layers_that_read_the_same_share_a_factor() -> None:
    text = "g (float[N, 6] x) => (float[] y) { a = MatMul (x, q)\n b = MatMul (x, k)\n y = Add (a, b) }"
    statistics = gather(planned(build(text, q=normal(6, 8), k=normal(6, 8, seed=1))), [{"x": normal(30, 6)}])
    assert statistics.inputs("q").factor is statistics.inputs("k").factor


def test_feeds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="the model: cannot run"):
        gather(PLAN, [{"x": X[:, :3]}])
    with pytest.raises(ModelError, match="no array for input x"):
        feeds_of(PLAN, {"images": X})

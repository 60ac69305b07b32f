"""Compressing with data and budgets: what is told is what is measured, and what cannot be had is said."""

from __future__ import annotations

import re

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from scipy.special import log_softmax

import onnxdc
from onnxdc import ModelError, OptionError, Recipe, Rule
from onnxdc.numeric.grids import grid_of_values
from tests.helpers.calibration_networks import perceptron
from tests.helpers.text_models import build, normal

MODEL = build(
    """
    mlp (float[N, 96] x) => (float[N, 10] y) {
        h = Gemm<transB: int = 1>(x, fc1, b1)
        a = Relu(h)
        s = MatMul(a, fc2)
        y = Softmax(s)
    }
    """,
    fc1=normal(256, 96, seed=1) / 10,
    b1=normal(256, seed=4),
    fc2=normal(256, 10, seed=2) / 4,
)
MIXING = normal(96, 96, seed=5) * np.geomspace(0.03, 1, 96, dtype=np.float32)
X = normal(900, 96, seed=6) @ MIXING / 3 + normal(96, seed=7)
DATA, OTHERS = {"x": X[:300]}, {"x": X[300:]}


def run(model: ir.Model, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: x})[0]


LABELS = run(MODEL, OTHERS["x"]).argmax(axis=1)


def divergence(result: onnxdc.CompressionResult, inputs=OTHERS) -> float:
    return onnxdc.verify(MODEL, result.model, inputs).comparisons[0].divergence


def nbytes(result: onnxdc.CompressionResult) -> int:
    return int(ir.to_proto(result.model).ByteSize())


def told(result: onnxdc.CompressionResult, pattern: str) -> tuple[str, ...]:
    (match,) = filter(None, (re.search(pattern, note) for note in result.report.notes()))
    return match.groups()


@pytest.fixture(scope="module")
def calibrated() -> onnxdc.CompressionResult:
    return onnxdc.compress(MODEL, data=DATA)


def test_data_make_a_smaller_file_for_the_same_outputs(calibrated):
    plain = onnxdc.compress(MODEL, target_size=nbytes(calibrated))
    assert divergence(calibrated) < 0.7 * divergence(plain)
    assert nbytes(calibrated) < nbytes(onnxdc.compress(MODEL))


def test_what_is_told_is_what_was_held_back(calibrated):
    f, items = told(calibrated, r"^f (\S+) on (\d+) items held back")
    held_back = {"x": X[:300][2::3]}
    assert int(items) == 100
    assert float(f) == pytest.approx(divergence(calibrated, held_back), rel=0.01)
    assert 0.005 < float(f) <= 0.01


def test_the_file_says_how_it_was_made(calibrated):
    (f,) = told(calibrated, r"^f (\S+) on ")
    provenance = onnxdc.inspect(ir.to_proto(calibrated.model)).provenance
    assert provenance.options["budget"] == {"divergence": float(f), "held_back": 100}


def test_values_are_on_a_grid_and_zeros_are_positive(calibrated):
    dense = onnxdc.decode(calibrated.model).model
    for name in ("fc1", "fc2"):
        array = dense.graph.initializers[name].const_value.numpy()
        assert grid_of_values(np.unique(array)) is not None
        assert not np.signbit(array[array == 0]).any()


def test_calibration_is_deterministic(calibrated):
    again = onnxdc.compress(MODEL, data=DATA)
    assert ir.to_proto(again.model).SerializeToString() == ir.to_proto(calibrated.model).SerializeToString()


def test_feeds_one_by_one_are_data_too(calibrated):
    def feeds():
        yield from ({"x": X[start : start + 30]} for start in range(0, 300, 30))

    assert nbytes(onnxdc.compress(MODEL, data=feeds())) == nbytes(calibrated)


@pytest.mark.parametrize("data", [None, DATA])
def test_a_size_is_kept_to(data, tmp_path):
    size = 24_000 if data else 30_000
    result = onnxdc.compress(MODEL, data=data, target_size=size)
    assert told(result, r"^at most ([\d,]+) bytes asked for") == (f"{size:,}",)
    result.save(tmp_path / "small.onnx")
    assert 0.98 * size <= (tmp_path / "small.onnx").stat().st_size <= size


def test_a_part_of_the_file_is_a_size(tmp_path):
    ir.save(MODEL, tmp_path / "model.onnx")
    result = onnxdc.compress(tmp_path / "model.onnx", data=DATA, target_size="4.5x")
    assert nbytes(result) <= (tmp_path / "model.onnx").stat().st_size / 4.5


def test_a_size_below_what_can_be_had_is_refused():
    with pytest.raises(ModelError, match=r"expected a file of at most 900 bytes, got [\d,]+ at least"):
        onnxdc.compress(MODEL, target_size=900)


@pytest.mark.parametrize("data", [None, DATA])
def test_a_drop_is_kept_to_and_told(data):
    result = onnxdc.compress(MODEL, data=data, val=OTHERS | {"labels": LABELS}, max_drop=8.0)
    right = 100 * (run(result.model, OTHERS["x"]).argmax(axis=1) == LABELS).mean()
    before, after, drop, error, items = told(
        result, r"^top1 (\S+) -> (\S+): drops by (\S+) \+- (\S+) points on (\d+) items, of 8 allowed"
    )
    assert float(after) == pytest.approx(right, abs=0.06)
    assert (float(before), int(items)) == (100, 600)
    assert float(drop) + float(error) <= 8.0


def test_without_labels_f_is_what_may_drop():
    result = onnxdc.compress(MODEL, val=OTHERS, max_drop=0.02)
    assert 0.01 < divergence(result) <= 0.02
    assert not result.report.warnings


def test_points_where_f_is_meant_are_warned_of():
    result = onnxdc.compress(MODEL, val=OTHERS, max_drop=1.0)
    assert any("without labels that are classes f may be 1;" in warning for warning in result.report.warnings)
    asked = onnxdc.compress(MODEL, val=OTHERS, max_drop=1.0, metric="f")
    assert not any("without labels" in warning for warning in asked.report.warnings)


def test_a_model_whose_outputs_do_not_depend_on_the_input_is_warned_of():
    result = onnxdc.compress(MODEL, val=OTHERS, max_drop=1e6, metric="f")
    assert np.ptp(run(result.model, OTHERS["x"]), axis=0).max() < 1e-6
    assert any("y: it does not depend on the input any more" in warning for warning in result.report.warnings)


def test_labels_of_val_say_that_outputs_are_scores_of_classes():
    scores = build("linear (float[N, 96] x) => (float[N, 10] y) { y = MatMul(x, w) }", w=normal(96, 10, seed=3))
    result = onnxdc.compress(scores, data=DATA, val=OTHERS | {"labels": LABELS}, max_drop=0.02, metric="f")

    def kl(x: np.ndarray) -> float:
        before, after = (log_softmax(run(model, x).astype(float), axis=1) for model in (scores, result.model))
        return np.sum(np.exp(before) * (before - after), axis=1).mean()

    assert 0.005 < kl(OTHERS["x"]) <= 0.02
    (held_back,) = told(result, r"^f (\S+) on 100 items held back")
    assert float(held_back) == pytest.approx(kl(X[2:300:3]), rel=0.01)


def test_a_function_judges():
    def agreement(outputs, labels):
        return float((outputs[0].argmax(axis=1) == LABELS).mean())

    result = onnxdc.compress(MODEL, val=OTHERS, max_drop=0.1, metric=agreement)
    (after,) = told(result, r"^agreement 1 -> (\S+): drops")
    assert float(after) == pytest.approx(agreement([run(result.model, OTHERS["x"])], None), abs=1e-3)


def test_divergence_beyond_the_usual_is_a_warning_or_an_error():
    result = onnxdc.compress(MODEL, data=DATA, target_size=13_000)
    assert "items, models beyond 0.05 have lost accuracy" in " ".join(result.report.warnings)
    with pytest.raises(ModelError, match=r"models beyond 0\.05 have lost accuracy"):
        onnxdc.compress(MODEL, data=DATA, target_size=13_000, strict=True)


def test_few_items_are_a_warning():
    result = onnxdc.compress(MODEL, data={"x": X[:200][:60]})
    assert "calibrated on 40 items, 50 or more are better" in result.report.warnings


def test_a_step_that_a_rule_gives_stays():
    recipe = Recipe(rules=(Rule(pattern="fc2", step=1.0),))
    for data in (None, DATA):
        result = onnxdc.compress(MODEL, recipe, data=data, target_size=30_000)
        array = onnxdc.decode(result.model).model.graph.initializers["fc2"].const_value.numpy()
        original = MODEL.graph.initializers["fc2"].const_value.numpy()
        step, _ = grid_of_values(np.unique(array))
        assert float(step[0, 0]) == pytest.approx(np.sqrt(np.square(original).mean()), rel=1 / 16)


def test_bits_bound_the_values():
    result = onnxdc.compress(MODEL, data=DATA, bits=4)
    dense = onnxdc.decode(result.model).model
    assert all(np.unique(dense.graph.initializers[name].const_value.numpy()).size <= 16 for name in ("fc1", "fc2"))


@pytest.mark.parametrize("option", [pytest.param("density", marks=pytest.mark.slow), "global_density"])
def test_pruning_by_second_moments_keeps_more_than_pruning_by_magnitude(option):
    calibrated = onnxdc.compress(MODEL, data=DATA, target_size=30_000, **{option: 0.4})
    plain = onnxdc.compress(MODEL, target_size=30_000, **{option: 0.4})
    density = calibrated.report.total.nnz / calibrated.report.total.size
    assert density == pytest.approx(0.4, abs=0.02)
    assert divergence(calibrated) < 0.8 * divergence(plain)


def test_zeros_that_are_there_stay_zero():
    pruned = onnxdc.prune(MODEL, density=0.3).model
    result = onnxdc.decode(onnxdc.compress(pruned, data=DATA).model).model
    for name in ("fc1", "fc2"):
        before, after = (m.graph.initializers[name].const_value.numpy() for m in (pruned, result))
        assert not after[before == 0].any()


def test_what_is_not_calibrated_is_named():
    model, x = perceptron()
    result = onnxdc.compress(model, data={"x": x[:6]}, min_elements=40)
    assert told(result, r"^not calibrated: fc1: (\d+) rows were read")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_size": "8x", "max_drop": 1, "val": DATA}, "expected one budget, got target_size and max_drop"),
        ({"max_drop": 1.0}, "max_drop needs val"),
        ({"val": DATA}, "val needs max_drop"),
        ({"metric": "top1"}, "metric needs max_drop"),
        ({"strict": True}, "strict needs data"),
        ({"memory": "1GB"}, "memory needs data"),
        ({"max_drop": -1.0, "val": DATA}, "max_drop: expected a number above 0, got -1"),
        ({"target_size": "8x"}, "target_size: 8x of what"),
        ({"data": "no_such_file.npz", "target_size": "8q"}, "target_size: expected bytes"),  # before data are read
        ({"data": DATA, "mask_input": "mask"}, "mask_input: expected an input of the model, x, got mask"),
        ({"data": DATA, "memory": "much"}, "memory: expected"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        onnxdc.compress(MODEL, **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"z": X}, "no array for input x"),
        ([], "expected data, got none"),
        ({"x": X[:, :5]}, "input x: expected shape"),
        ({"x": np.zeros((0, 96), np.float32)}, "expected items, got none"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ModelError, match=message):
        onnxdc.compress(MODEL, data=data)

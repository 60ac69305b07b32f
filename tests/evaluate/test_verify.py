"""Verification: the differences that were put in are the ones that are found, and inputs reach the model as given."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import ModelError, OptionError
from onnxdc.evaluate import AGREEMENT
from onnxdc.model_io.feeds import given_feeds, input_specs, random_feed
from tests.helpers.small_models import DIGITS, LENET, dense
from tests.helpers.text_models import build, normal, run


def shift(offset: float | np.ndarray, dtype: str = "float") -> ir.Model:
    """``y = x + offset``."""
    kind = np.float32 if dtype == "float" else np.int64
    return build(f"g ({dtype}[N, 4] x) => ({dtype}[N, 4] y) {{ y = Add(x, c) }}", c=np.asarray(offset, kind))


X = {"x": np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)}


def test_a_model_equals_itself():
    (comparison,) = onnxdc.verify(dense(), dense()).comparisons
    assert [(found.name, found.absolute, found.relative) for found in comparison.outputs] == [("y", 0.0, 0.0)]
    assert comparison.tolerance is None


def test_the_difference_is_the_one_that_was_put_in():
    (comparison,) = onnxdc.verify(shift(0.0), shift([0, 0.5, 0, -0.25]), X).comparisons
    assert comparison.outputs[0].absolute == 0.5
    assert comparison.outputs[0].relative == 0.5 / 8


def test_integers_are_compared_too():
    x = {"x": np.arange(4)[None]}
    (comparison,) = onnxdc.verify(shift(0, "int64"), shift(3, "int64"), x).comparisons
    assert comparison.outputs[0].absolute == 3


@pytest.mark.parametrize(
    ("a", "b", "expected"), [(np.nan, np.nan, 0.0), (np.nan, 1.0, np.inf), (np.inf, np.inf, 0.0), (np.inf, 1.0, np.inf)]
)
def test_what_is_no_number_equals_only_its_like(a, b, expected):
    (comparison,) = onnxdc.verify(shift([0, 0, a, 0]), shift([0, 0, b, 0]), X).comparisons
    assert comparison.outputs[0].absolute == expected


def test_a_tolerance_decides():
    assert onnxdc.verify(shift(0.0), shift(0.5), X, tolerance=0.0625).passed
    assert not onnxdc.verify(shift(0.0), shift(0.5), X, tolerance=0.0624).passed
    assert onnxdc.verify(shift(0.0), shift(0.5), X).passed


def test_a_compressed_model_runs_both_ways_and_they_must_agree():
    small = onnxdc.compress(dense(), density=0.1).model
    found = onnxdc.verify(dense(), small)
    assert [comparison.b for comparison in found.comparisons] == ["model (native)", *["model (portable)"] * 2]
    assert [comparison.tolerance for comparison in found.comparisons] == [None, None, AGREEMENT]
    assert found.comparisons[0].relative > 1e-3
    assert found.passed


def test_accuracy_is_that_of_a_count():
    scores = normal(50, 9, seed=4)
    labels = np.random.default_rng(5).integers(0, 9, 50)
    model = build("g (float[N, 9] x) => (float[N, 9] y) { y = Identity(x) }")
    accuracy, _ = onnxdc.verify(model, model, {"x": scores}, labels).accuracies
    order = np.argsort(-scores, axis=1)
    assert accuracy.top1 == np.mean(order[:, 0] == labels)
    assert accuracy.top5 == np.mean((order[:, :5] == labels[:, None]).any(axis=1))


def test_the_digits_are_all_counted():
    with np.load(DIGITS) as digits:
        found = onnxdc.verify(LENET, LENET, digits, digits["labels"])
    assert found.accuracies[0].top1 * 359 == pytest.approx(353)
    assert found.runs == 6


def test_random_inputs_respect_types_symbols_and_tables():
    model = build(
        """
        g (int64[batch, length] tokens, int64[batch, length] mask, float16[batch, 3] f, bool[batch] b,
           uint8[batch, length] image) => (float[batch, length, 8] y, int64[batch, length] m, float16[batch, 3] f2,
           bool[batch] b2, uint8[batch, length] image2) {
            y = Gather(table, tokens)
            m = Identity(mask)
            f2 = Identity(f)
            b2 = Identity(b)
            image2 = Identity(image)
        }
        """,
        table=normal(500, 8),
    )
    specs = input_specs(model, "model")
    feed = random_feed(specs, 3, 500, np.random.default_rng(0))
    assert feed["tokens"].shape == feed["mask"].shape == (3, 500)
    assert (feed["tokens"].min(), feed["tokens"].max()) == (0, 499)
    assert (feed["mask"] == 1).all()
    assert (feed["f"].dtype, feed["b"].dtype, feed["image"].dtype) == (np.float16, np.bool_, np.uint8)
    assert feed["image"].max() > 200
    assert onnxdc.verify(model, onnxdc.compress(model).model).passed


def test_a_model_that_was_exported_for_one_item_is_tried_with_one():
    model = build("g (float[N, 4] x) => (float[2, 2] y) { y = Reshape(x, s) }", s=np.array([2, 2]))
    assert onnxdc.verify(model, model).comparisons[0].outputs[0].absolute == 0


def cut(shape: str, array: np.ndarray) -> list[tuple[int, ...]]:
    """The shapes in which an array goes into an input of this shape."""
    model = build(f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Identity(x) }}")
    feeds = given_feeds(input_specs(model, "model"), {"x": array}, "model")
    np.testing.assert_array_equal(np.concatenate([feed["x"].reshape(-1) for feed in feeds]), array.reshape(-1))
    return [feed["x"].shape for feed in feeds]


def test_arrays_are_cut_into_what_the_model_takes():
    assert cut("N, 4", np.zeros((70, 4), np.float32)) == [(64, 4), (6, 4)]
    assert cut("2, 4", np.arange(24, dtype=np.float32).reshape(6, 4)) == [(2, 4)] * 3
    assert cut("6, 4", np.zeros((6, 4), np.float32)) == [(6, 4)]
    assert cut("1, N, 4", np.zeros((5, 1, 7, 4), np.float32)) == [(1, 7, 4)] * 5


def test_numbers_without_axes_go_in_one_a_run():
    model = build("g (float[N] x, int64 s) => (float[N] y) { c = Cast<to: int = 1>(s)  y = Mul(x, c) }")
    arrays = {"x": np.ones((3, 5), np.float32), "s": np.array([1, 2, 3])}
    assert onnxdc.verify(model, model, arrays).runs == 3
    assert onnxdc.verify(model, model, {"x": np.ones(130, np.float32), "s": np.array(2)}).runs == 3


@pytest.mark.parametrize(
    ("shape", "array", "message"),
    [
        ("N, 4", np.zeros((2, 5), np.float32), r"input x: expected shape \[N, 4\], got float32\[2, 5\]"),
        ("N, 4", np.zeros(4, np.float32), r"input x: expected shape \[N, 4\], got float32\[4\]"),
        ("N, 4", np.array([["a"] * 4]), r"input x: expected float32, got <U1\[1, 4\]"),
        ("4, 4", np.zeros((6, 4), np.float32), "takes 4 items at a time, got 6"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(shape, array, message):
    with pytest.raises(ModelError, match=message):
        cut(shape, array)


def test_a_missing_array_is_named():
    with pytest.raises(ModelError, match="no array for input x, got y, z"):
        onnxdc.verify(shift(0.0), shift(0.0), {"y": np.zeros(1), "z": np.zeros(1)})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], "a label for each item, got only 1"),
        ([0, 1, 2], "expected a label for each of 2 items, got 3"),
        ([0, 4], "expected labels from 0 to 3, got 0 to 4"),
        ([], r"expected integers \[items\], got float64\[0\]"),
        ([0.0, 1.0], r"expected integers \[items\], got float64\[2\]"),
        ([True, False], r"expected integers \[items\], got bool\[2\]"),
        ([[0], [1]], r"expected integers \[items\], got int64\[2, 1\]"),
        (["a", "b"], r"expected integers \[items\], got <U1\[2\]"),
        (1, r"expected integers \[items\], got int64\[\]"),
        ([2**64 - 1] * 2, "expected labels from 0 to 3, got 18446744073709551615 to 18446744073709551615"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ModelError, match=message):
        onnxdc.verify(shift(0.0), shift(0.0), X, np.array(labels))


def test_no_items_are_refused():
    with pytest.raises(ModelError, match="expected items, got none"):
        onnxdc.verify(shift(0.0), shift(0.0), {"x": np.zeros((0, 4), np.float32)})


@pytest.mark.parametrize(
    ("option", "value"),
    [("seed", -1), ("seed", 2**70), ("tolerance", np.nan), ("tolerance", -1), ("max_divergence", -1)],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(OptionError, match=f"{option}: expected"):
        onnxdc.verify(shift(0.0), shift(0.0), **{option: value})


def test_models_with_other_outputs_are_refused():
    other = build("g (float[N, 4] x) => (float[N, 4] z) { z = Identity(x) }")
    with pytest.raises(ModelError, match=r"expected outputs \['y'\] as model has, got \['z'\]"):
        onnxdc.verify(shift(0.0), other)


def test_text_and_json_tell_the_same():
    found = onnxdc.verify(shift(0.0), shift(0.5), X, np.array([3, 3]), tolerance=0.01)
    content = json.loads(found.to_json())
    assert content["passed"] is content["comparisons"][0]["passed"] is False
    assert content["comparisons"][0]["outputs"][0]["absolute"] == 0.5
    assert content["accuracies"][0]["top1"] == 1.0
    assert "EXCEEDED" in str(found)
    assert "y: largest difference 5.000e-01, relative 6.250e-02" in str(found)


def test_runs_are_those_of_onnxruntime():
    expected = run(shift(0.5), X)[0] - run(shift(0.0), X)[0]
    (comparison,) = onnxdc.verify(shift(0.0), shift(0.5), X).comparisons
    assert comparison.outputs[0].absolute == np.abs(expected).max()

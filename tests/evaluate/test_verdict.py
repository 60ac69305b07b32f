"""The verdict: ruined models fail, and a comparison that can find nothing says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.numeric.divergence import Measure
from tests.helpers.small_models import CNN, DIGITS, LENET
from tests.helpers.text_models import build, normal

X = {"x": normal(8, 4)}


def graph(body: str, **arrays: np.ndarray) -> ir.Model:
    """``y`` is made of ``x``, both of four columns unless the body says something else."""
    return build(f"g (float[N, 4] x) => (float[N, M] y) {{ {body} }}", **arrays)


def scaled(factor: float | np.ndarray, then: str = "Identity") -> ir.Model:
    return graph(f"t = Mul(x, c)  y = {then}(t)", c=np.asarray(factor, np.float32))


def test_nan_against_nan_says_nothing():
    nan = graph("z = Sub(x, x)  y = Div(z, z)")
    verification = onnxdc.verify(nan, nan, X)
    assert (verification.verdict, verification.passed) == ("says nothing", True)
    assert verification.warnings == ("y: NaN or infinite throughout, in A already: the comparison says nothing",)
    assert "warning: y: NaN" in str(verification)


def test_new_nans_fail():
    verification = onnxdc.verify(scaled(1.0), scaled(np.array([1, np.nan, 1, 1])), X)
    assert verification.failures == ("y: 8 values are NaN or infinite that were numbers",)


def test_nans_of_a_are_left_out():
    roots = graph("y = Sqrt(x)")
    verification = onnxdc.verify(roots, roots, X)
    assert verification.verdict == "ok"
    assert "are NaN or infinite in A already, and left out" in verification.warnings[0]


def test_constant_outputs_say_little():
    far = graph("t = Add(x, c)  y = Sigmoid(t)", c=np.float32(90))
    verification = onnxdc.verify(far, far, X)
    assert verification.verdict == "says nothing"
    assert "constant" in verification.warnings[0]
    assert "saturated, 100.0% of it at its bounds" in verification.warnings[1]


def test_empty_outputs_say_nothing():
    empty = graph("y = Slice(x, s, e, k)", s=np.array([9]), e=np.array([9]), k=np.array([1]))
    verification = onnxdc.verify(empty, empty, X)
    assert verification.verdict == "says nothing"
    assert verification.warnings == ("y: empty in A: the comparison says nothing",)


def test_saturated_outputs_say_little_though_they_change():
    steep = scaled(1e6, "Tanh")
    assert any("saturated" in line for line in onnxdc.verify(steep, steep, X).warnings)
    assert not onnxdc.verify(scaled(1.0, "Tanh"), scaled(1.0, "Tanh"), X).warnings


def test_an_output_that_no_longer_depends_on_the_input_fails():
    same = graph(
        "m = ReduceMean<axes = [0], keepdims = 1>(x)  z = Mul(x, c)  y = Add(z, d)", c=np.float32(0), d=np.float32(1)
    )
    a = graph("z = Mul(x, c)  y = Add(z, d)", c=np.float32(0.1), d=np.float32(1))
    assert onnxdc.verify(a, same, X).failures == ("y: it does not depend on the input any more",)
    assert onnxdc.verify(same, same, X).verdict == "says nothing"


def test_items_that_are_all_the_same_say_so():
    verification = onnxdc.verify(scaled(1.0), scaled(1.0), {"x": np.ones((3, 4), np.float32)})
    assert verification.warnings[0].startswith("all items are the same")
    assert not verification.comparisons[0].outputs[0].a.is_constant


@pytest.mark.parametrize(
    ("a", "b", "measure"),
    [
        (scaled(9.0, "Softmax"), scaled(-9.0, "Softmax"), Measure.KL),
        (scaled(9.0, "LogSoftmax"), scaled(-9.0, "LogSoftmax"), Measure.KL),
        (scaled(1.0, "LpNormalization"), scaled(-1.0, "LpNormalization"), Measure.COSINE),
        (scaled(1.0), scaled(-1.0), Measure.SQUARES),
    ],
)
def test_what_is_far_away_fails(a, b, measure):
    verification = onnxdc.verify(a, b, X)
    (output,) = verification.comparisons[0].outputs
    assert (output.measure, verification.verdict) == (measure, "failed")
    assert f"({measure}), at most" in verification.failures[0]
    assert onnxdc.verify(a, b, X, max_divergence=np.inf).passed
    assert onnxdc.verify(a, a, X, max_divergence=0).passed


def test_labels_make_the_first_output_scores():
    verification = onnxdc.verify(scaled(1.0), scaled(1.0), X, np.zeros(8, int))
    assert verification.comparisons[0].outputs[0].measure is Measure.KL


def test_the_first_classes_are_compared():
    swapped = graph("y = Gather<axis = 1>(x, i)", i=np.array([1, 0, 2, 3]))
    (comparison,) = onnxdc.verify(graph("y = Identity(x)"), swapped, X).comparisons
    first = X["x"].argmax(axis=1)
    assert comparison.outputs[0].top1_agreement == np.mean(first > 1)


def test_outputs_of_another_shape_fail():
    shorter = graph("y = Slice(x, s, e, k)", s=np.array([0]), e=np.array([3]), k=np.array([1]))
    verification = onnxdc.verify(graph("y = Identity(x)"), shorter, X)
    assert not verification.passed
    assert "y: of another shape in 1 runs" in verification.warnings


def test_a_sequence_is_compared_element_by_element():
    pair = build(
        "g (float[N, 4] x) => (seq(float[N, 4]) y) { t = Add(x, c)  y = SequenceConstruct(x, t) }", c=np.float32(1)
    )
    other = build(
        "g (float[N, 4] x) => (seq(float[N, 4]) y) { t = Add(x, c)  y = SequenceConstruct(x, t) }", c=np.float32(2)
    )
    assert onnxdc.verify(pair, other, X).comparisons[0].outputs[0].absolute == pytest.approx(1)


@pytest.mark.parametrize("path", [LENET, CNN], ids=lambda path: path.stem)
@pytest.mark.parametrize("options", [{}, {"density": 0.1}, {"recipe": True}], ids=["safe", "a tenth", "recipe"])
def test_the_examples_pass(path: Path, options: dict):
    if options.get("recipe"):
        options = {"recipe": onnxdc.Recipe.from_toml(path.with_suffix(".toml"))}
    small = onnxdc.compress(path, **options).model
    with np.load(DIGITS) as digits:
        verification = onnxdc.verify(path, small, digits, digits["labels"])
    assert verification.verdict == "ok", verification


@pytest.mark.parametrize("path", [LENET, CNN], ids=lambda path: path.stem)
def test_ruined_examples_fail(path: Path):
    ruined = onnxdc.compress(path, density=0.02, bits=2).model
    with np.load(DIGITS) as digits:
        verification = onnxdc.verify(path, ruined, digits, digits["labels"])
    assert verification.accuracies[1].top1 < 0.5
    assert "logits: the first class is the same for" in "".join(verification.failures)
    assert not onnxdc.verify(path, onnxdc.compress(path, bits=1).model).passed


def test_few_classes_have_a_smaller_limit():
    far = np.array([9, 9], np.float32)
    two = [
        build("g (float[N, 2] x) => (float[N, 2] y) { t = Mul(x, c)  y = Softmax(t) }", c=c) for c in (far, far / 900)
    ]
    (output,) = onnxdc.verify(*two, {"x": normal(8, 2)}).comparisons[0].outputs
    assert 0.3 < output.limit < output.divergence < np.log(2)

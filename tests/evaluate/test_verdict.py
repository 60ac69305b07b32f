"""The verdict: ruined models fail, and a comparison that can find nothing says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.evaluate.first_classes import FirstClasses
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


def test_what_is_rare_is_judged_by_itself():
    """As of a detector, most of whose anchors see nothing: one that sees nothing at all is right nearly everywhere."""
    rng = np.random.default_rng(3)
    scores = rng.normal([4, 0], 1, [10, 1000, 2]).astype(np.float32)
    seen = rng.random((10, 1000)) < 0.05
    scores[seen, 1] += 6
    model, dim, blind = (
        build(
            "g (float[N, 1000, 2] x) => (float[N, 1000, 2] y) { t = Add(x, c)  y = Softmax<axis = 2>(t) }",
            c=np.array([shift, 0], np.float32),
        )
        for shift in (0, 1.5, 3)
    )
    found = onnxdc.verify(model, blind, {"x": scores})
    (output,) = found.comparisons[0].outputs
    a, b = scores.argmax(-1), (scores + np.array([3, 0], np.float32)).argmax(-1)
    rare = (a == 1) | (b == 1)
    assert output.top1_agreement == np.mean(a == b) > 0.9
    assert output.rare is not None
    assert output.rare.items == rare.sum()
    assert output.rare.agreement == np.mean((a == b)[rare]) < 0.5
    (failure,) = found.failures
    assert f"{output.rare.agreement:.1%} of the {output.rare.items:,} items that are not of" in failure
    (output,) = onnxdc.verify(model, dim, {"x": scores}).comparisons[0].outputs
    assert not list(output.failures())
    (caution,) = output.cautions()
    assert caution.endswith("not of the commonest class, for which a mean over all items says little")
    (same,) = onnxdc.verify(model, model, {"x": scores}).comparisons[0].outputs
    assert not list(same.cautions())
    assert same.rare is not None
    assert same.rare.agreement == 1


def test_runs_may_have_different_numbers_of_classes():
    found = FirstClasses()
    for classes in (3, 5, 2):
        scores = np.eye(classes, dtype=np.float32)[[classes - 1] * 4]
        found.add(scores, scores, 1)
    assert (found.items, found.agreement, found.rare()) == (12, 1.0, None)
    assert found.of_a.tolist() == [0, 4, 4, 0, 4]


def test_classes_without_a_common_one_have_no_rare_ones():
    (comparison,) = onnxdc.verify(graph("y = Softmax(x)"), graph("y = Softmax(x)"), X).comparisons
    assert comparison.outputs[0].rare is None


def test_an_output_may_be_a_single_number():
    model = build("g (float[N, 4] x) => (float y) { y = ReduceMean<keepdims = 0>(x) }")
    other = build("g (float[N, 4] x) => (float y) { m = ReduceMean<keepdims = 0>(x)  y = Add(m, c) }", c=np.float32(1))
    (output,) = onnxdc.verify(model, other, X).comparisons[0].outputs
    assert output.absolute == pytest.approx(1)
    assert onnxdc.verify(model, model, X).comparisons[0].outputs[0].absolute == 0


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

"""Losses, shifts and the end of a graph against numpy, scipy and onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import scipy.special
import torch

from onnxdc.errors import ModelError
from onnxdc.training.augment import shifted
from onnxdc.training.losses import Objective, distillation
from onnxdc.training.options import TrainingOptions
from onnxdc.training.outputs import bypass_activation, logits
from tests.helpers.text_models import build, normal, run

OUTPUTS, TEACHER = normal(6, 5, seed=1), normal(6, 5, seed=2)
LABELS = np.array([0, 1, 2, 3, 4, 1])
TARGETS = scipy.special.expit(normal(6, 5, seed=3))


def loss(labels: np.ndarray | None, teacher: np.ndarray | None = None, **options: object) -> float:
    tensors = [None if array is None else torch.from_numpy(array) for array in (OUTPUTS, labels, teacher)]
    return Objective(TrainingOptions.of(**options))(*tensors).item()


def cross_entropy() -> float:
    return float(-scipy.special.log_softmax(OUTPUTS.astype(np.float64), 1)[np.arange(6), LABELS].mean())


def divergence(temperature: float) -> float:
    p, q = (scipy.special.softmax(array.astype(np.float64) / temperature, 1) for array in (TEACHER, OUTPUTS))
    return float(scipy.special.rel_entr(p, q).sum(1).mean()) * temperature**2


def test_losses_of_labels():
    assert loss(LABELS) == pytest.approx(cross_entropy(), rel=1e-6)
    p = scipy.special.expit(OUTPUTS.astype(np.float64))
    assert loss(TARGETS, loss="bce") == pytest.approx(
        -np.mean(TARGETS * np.log(p) + (1 - TARGETS) * np.log(1 - p)), rel=1e-6
    )
    assert loss(TARGETS, loss="mse") == pytest.approx(np.mean((OUTPUTS - TARGETS) ** 2), rel=1e-6)
    assert loss(TARGETS, loss="l1") == pytest.approx(np.mean(np.abs(OUTPUTS - TARGETS)), rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_is_the_divergence_from_the_teacher(temperature):
    assert loss(None, TEACHER, temperature=temperature) == pytest.approx(divergence(temperature), rel=1e-5)


def test_distillation_takes_log_probabilities_for_logits():
    tensors = [torch.from_numpy(array) for array in (OUTPUTS, TEACHER, scipy.special.log_softmax(TEACHER, 1))]
    expected = distillation(*tensors[:2], 4.0).item()
    assert distillation(tensors[0], tensors[2], 4.0).item() == pytest.approx(expected, rel=1e-5)


def test_labels_and_a_teacher_are_weighed():
    found = loss(LABELS, TEACHER, distill_weight=0.75, temperature=2.0)
    assert found == pytest.approx(0.25 * cross_entropy() + 0.75 * divergence(2.0), rel=1e-5)


def test_other_losses_hold_against_the_outputs_of_the_teacher():
    assert loss(None, TEACHER, loss="mse") == pytest.approx(np.mean((OUTPUTS - TEACHER) ** 2), rel=1e-6)
    assert loss(None, TEACHER, loss="bce") == pytest.approx(loss(scipy.special.expit(TEACHER), loss="bce"), rel=1e-6)


def test_what_is_right_is_by_labels_or_by_the_teacher():
    outputs, labels, teacher = (torch.from_numpy(array) for array in (OUTPUTS, LABELS, TEACHER))
    objective = Objective(TrainingOptions())
    np.testing.assert_array_equal(objective.right(outputs, labels, teacher), OUTPUTS.argmax(1) == LABELS)
    np.testing.assert_array_equal(objective.right(outputs, None, teacher), OUTPUTS.argmax(1) == TEACHER.argmax(1))
    assert Objective(TrainingOptions(loss="mse")).right(outputs, teacher, None) is None
    right = Objective(TrainingOptions(loss="bce")).right(outputs, torch.from_numpy(TARGETS), None)
    np.testing.assert_array_equal(right, ((OUTPUTS > 0) == (TARGETS > 0.5)).reshape(-1))


def test_shifted_images_are_windows_of_padded_ones():
    torch.manual_seed(0)
    images = torch.from_numpy(normal(40, 2, 5, 7))
    moved = shifted(images, 2).numpy()
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)))
    found = set()
    for image, source in zip(moved, padded, strict=True):
        windows = [(i, j) for i in range(5) for j in range(5) if np.array_equal(source[:, i : i + 5, j : j + 7], image)]
        assert len(windows) == 1
        found |= set(windows)
    assert {i for i, _ in found} == {j for _, j in found} == set(range(5))


ENDINGS = {
    "Softmax": "y = Softmax<axis: int = 1>(h)",
    "LogSoftmax": "y = LogSoftmax(h)",
    "Softmax, Identity": "s = Softmax(h) y = Identity(s)",
    "Softmax, Reshape": "s = Softmax(h) y = Reshape(s, shape)",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_last_softmax_is_bypassed(ending):
    w, x = normal(4, 5), normal(3, 4, seed=1)
    model = build(f"g (float[N, 4] x) => (float[N, 5] y) {{ h = MatMul(x, w) {ending} }}", w=w, shape=np.array([-1, 5]))
    assert bypass_activation(model, "cross_entropy")
    np.testing.assert_allclose(run(model, {"x": x})[0], x @ w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("axis", "bypassed"), [(1, True), (-1, True), (0, False)])
def test_a_softmax_that_is_written_out_is_bypassed(axis, bypassed):
    w, x = normal(4, 5), normal(3, 4, seed=1)
    ending = "e = Exp(h) t = ReduceSum(e, axes) s = Identity(t) y = Div(e, s)"
    graph = f"g (float[N, 4] x) => (float[N, 5] y) {{ h = MatMul(x, w) {ending} }}"
    model = ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(build(graph, w=w, axes=np.array([axis])))))
    before = run(model, {"x": x})[0]
    assert bypass_activation(model, "cross_entropy") == bypassed
    np.testing.assert_allclose(run(model, {"x": x})[0], x @ w if bypassed else before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("ending", "loss", "bypassed"),
    [
        ("y = Sigmoid(h)", "bce", True),
        ("y = Sigmoid(h)", "mse", False),
        ("y = Softmax(h)", "bce", False),
        ("y = Relu(h)", "cross_entropy", False),
        ("s = Softmax(h) y = Relu(s)", "cross_entropy", False),
    ],
)
def test_only_what_the_loss_contains_is_bypassed(ending, loss, bypassed):
    model = build(f"g (float[N, 4] x) => (float[N, 5] y) {{ h = MatMul(x, w) {ending} }}", w=normal(4, 5))
    before = [node.op_type for node in model.graph]
    assert bypass_activation(model, loss) == bypassed
    assert ([node.op_type for node in model.graph] == before) != bypassed


def test_a_softmax_over_other_axes_is_refused():
    model = build("g (float[N, 4, 5] x) => (float[N, 4, 5] y) { y = Softmax(x) }")
    with pytest.raises(ModelError, match="expected classes on axis 1, got axis -1 of 3"):
        bypass_activation(model, "cross_entropy")


def test_axes_of_one_behind_the_classes_go():
    outputs = torch.zeros(4, 10, 1, 1)
    assert logits(outputs, "cross_entropy").shape == (4, 10)
    assert logits((outputs, outputs), "mse").shape == (4, 10, 1, 1)
    assert logits(torch.zeros(4, 10, 3), "cross_entropy").shape == (4, 10, 3)
    with pytest.raises(ModelError, match="expected an output"):
        logits(torch.zeros(4), "cross_entropy")

"""Classifiers of tokens: classes on the last axis, labels for each position, padding that does not count."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch

import onnxdc as library
from onnxdc.errors import ModelError, TrainingError
from onnxdc.training.losses import Objective
from onnxdc.training.options import TrainingOptions
from onnxdc.training.outputs import bypass_activation, logits
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal

ITEMS, POSITIONS, FEATURES, CLASSES = 96, 5, 16, 8
OPTIONS = {"class_axis": -1, "epochs": 8, "batch": 16, "lr": 0.02, "threads": 1}


def tagger(ending: str = "y = MatMul(x, w)"):
    """Build a classifier of positions."""
    return build(
        f"t (float[N, {POSITIONS}, {FEATURES}] x) => (float[N, {POSITIONS}, {CLASSES}] y) {{ {ending} }}",
        w=normal(FEATURES, CLASSES, seed=2) / 6,
    )


def tokens(seed: int = 0) -> dict[str, np.ndarray]:
    """Draw positions around a centre for each class, a third of them padding that points elsewhere."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (ITEMS, POSITIONS))
    x = normal(CLASSES, FEATURES, seed=7)[labels] + rng.normal(0, 0.5, (ITEMS, POSITIONS, FEATURES))
    padding = rng.random(labels.shape) < 0.3
    x[padding] = -x[padding]
    return {"x": x.astype(np.float32), "labels": np.where(padding, -100, labels)}


def right(model, data: dict[str, np.ndarray]) -> float:
    """Return the share of right answers among the positions that count, by numpy alone."""
    counts = data["labels"] != -100
    return float(np.mean(((data["x"] @ constants(model)["w"]).argmax(-1) == data["labels"])[counts]))


@pytest.mark.parametrize("ending", ["y = MatMul(x, w)", "h = MatMul(x, w) y = Softmax <axis = -1> (h)"])
def test_a_tagger_learns(ending):
    model, data, val = tagger(ending), tokens(), tokens(1)
    found = library.finetune(model, data, val, **OPTIONS)
    assert right(found.model, val) > right(model, val) + 0.5
    assert found.report.after.accuracy == pytest.approx(right(found.model, val))
    assert found.report.before.accuracy == pytest.approx(right(model, val))


def test_a_teacher_of_tokens_is_learnt_without_labels():
    teacher = library.finetune(tagger(), tokens(), **OPTIONS).model
    found = library.finetune(tagger(), {"x": tokens(2)["x"]}, teacher=teacher, **OPTIONS)
    assert found.report.after.accuracy > 0.8
    assert right(found.model, tokens(1)) > 0.8


OUTPUTS, TEACHER = normal(4, 3, 6, seed=1), normal(4, 3, 6, seed=2)
LABELS = np.array([[0, -100, 2], [5, 1, -100], [-100, -100, -100], [3, 3, 3]])


def of_tokens(array: np.ndarray) -> torch.Tensor:
    return logits(torch.from_numpy(array), "cross_entropy", -1)


def test_what_does_not_count_is_in_no_part_of_the_loss():
    counts = LABELS != -100
    p = scipy.special.log_softmax(OUTPUTS.astype(np.float64), -1)[counts]
    hard = -p[np.arange(counts.sum()), LABELS[counts]].mean()
    teacher = scipy.special.softmax(TEACHER.astype(np.float64), -1)[counts]
    soft = scipy.special.rel_entr(teacher, np.exp(p)).sum(-1).mean()
    objective = Objective(TrainingOptions(distill_weight=0.25, temperature=1.0))
    labels = torch.from_numpy(LABELS)
    assert objective(of_tokens(OUTPUTS), labels, None).item() == pytest.approx(hard, rel=1e-5)
    found = objective(of_tokens(OUTPUTS), labels, of_tokens(TEACHER)).item()
    assert found == pytest.approx(0.75 * hard + 0.25 * soft, rel=1e-5)
    right = objective.right(of_tokens(OUTPUTS), labels, None)
    np.testing.assert_array_equal(right, OUTPUTS.argmax(-1)[counts] == LABELS[counts])


def test_items_of_padding_alone_lose_nothing():
    objective = Objective(TrainingOptions())
    outputs = of_tokens(OUTPUTS)[2:3].requires_grad_()
    loss = objective(outputs, torch.from_numpy(LABELS[2:3]), None)
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()


def test_classes_elsewhere_are_refused():
    model = tagger("h = MatMul(x, w) y = Softmax <axis = -1> (h)")
    with pytest.raises(ModelError, match=r"expected classes on axis 1, got axis -1 of 3: class_axis says where"):
        bypass_activation(model, "cross_entropy")
    data = tokens()
    with pytest.raises(TrainingError, match="expected labels from 0 to 7, got -1 to 7"):
        library.finetune(tagger(), data | {"labels": np.maximum(data["labels"], -1)}, **OPTIONS)
    with pytest.raises(TrainingError, match="expected classes, got -100 alone"):
        library.finetune(tagger(), data | {"labels": np.full_like(data["labels"], -100)}, **OPTIONS)

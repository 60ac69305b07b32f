"""Identity and Dropout go where they do nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.fold_checks import check_same, operators, refused
from tests.helpers.text_models import build, normal


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a = Identity (x)  b = Identity (a)  y = Relu (b)", ["Relu"]),
        ("a = Relu (x)  y = Identity (a)", ["Relu"]),
        ("a = Relu (x)  b = Dropout (a)  y = Identity (b)", ["Relu"]),
        ("y = Identity (x)", ["Identity"]),
        ("y = Identity (k)", ["Identity"]),
        ("a = Relu (x)  y = Dropout (a, k)", ["Relu"]),
        ("a = Relu (x)  t = Constant <value = bool {0}> ()  y = Dropout (a, k, t)", ["Relu"]),
    ],
)
def test_identity_and_dropout_go_and_the_names_of_outputs_stay(text: str, left: list[str]) -> None:
    model = build(f"g (float[3] x) => (float[] y) {{ {text} }}", k=np.array(0.5, np.float32))
    check_same(model, {"x": normal(3)})

    assert operators(model) == left


def test_an_identity_between_two_outputs_stays() -> None:
    model = build("g (float[3] x) => (float[] y, float[] z) { y = Relu (x)  z = Identity (y) }")
    result = check_same(model, {"x": normal(3)})

    assert [skip.reason for skip in result.skips] == [
        "Identity: its input and its output are both outputs of the graph"
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t = Constant <value = bool {1}> ()  y = Dropout (x, k, t)", "training mode"),
        ("y = Dropout (x, k, b)", "whether it trains is not constant"),
        ("a, mask = Dropout (x)  y = Where (mask, a, a)", "its mask is used"),
    ],
)
def test_dropout_that_is_not_the_identity_stays(text: str, reason: str) -> None:
    model = build(f"g (float[3] x, bool b) => (float[3] y) {{ {text} }}", k=np.array(0.5, np.float32))

    assert refused(model) == f"Dropout: {reason}"

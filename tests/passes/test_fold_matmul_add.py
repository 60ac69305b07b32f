"""MatMul and Add become Gemm, or stay and say why."""

from __future__ import annotations

import pytest

from tests.helpers.fold_checks import check_same, operators, refused
from tests.helpers.text_models import build, normal


@pytest.mark.parametrize("bias", [(5,), (1,), (1, 5), (1, 1)])
@pytest.mark.parametrize("add", ["Add (h, b)", "Add (b, h)"])
def test_matmul_and_add_become_gemm(bias: tuple[int, ...], add: str) -> None:
    model = build(
        f"g (float[3, 4] x) => (float[] y) {{ h = MatMul (x, w)  y = {add} }}", w=normal(4, 5), b=normal(*bias, seed=1)
    )
    result = check_same(model, {"x": normal(3, 4)})

    assert operators(model) == ["Gemm"]
    assert [(change.name, change.action) for change in result.changes] == [("y", "folded")]


def test_the_rank_is_known_through_the_operators_before() -> None:
    model = build(
        """g (float[3, 2, 2] x) => (float[] y) {
            f = Flatten (x)
            a = MatMul (f, w)  b = Add (a, c)  r = Relu (b)  d = MatMul (r, u)  y = Add (d, c)
        }""",
        w=normal(4, 4),
        c=normal(4),
        u=normal(4, 4, seed=1),
    )
    check_same(model, {"x": normal(3, 2, 2)})

    assert operators(model) == ["Flatten", "Gemm", "Relu", "Gemm"]


@pytest.mark.parametrize(
    ("signature", "body", "bias", "reason"),
    [
        ("float[2, 3, 4] x", "h = MatMul (x, w)  y = Add (h, b)", (5,), "ranks 3 and 2, expected 2 and 2"),
        ("float[] x", "h = Cos (x)  i = MatMul (h, w)  y = Add (i, b)", (5,), "the rank of its input is not known"),
        ("float[3, 4] x", "h = MatMul (x, w)  y = Add (h, b)", (3, 5), "its bias has shape (3, 5), expected one value"),
        ("float[3, 4] x", "h = MatMul (x, w)  y = Add (h, b)", (1, 1, 5), "its bias has shape (1, 1, 5), expected one"),
        ("float[3, 4] x", "h = MatMul (x, w)  y = Add (h, h)", (5,), "the output of h has 2 consumers"),
        ("float[3, 4] x, float[5] t", "h = MatMul (x, w)  y = Add (h, t)", (5,), "its bias is not constant"),
        (
            "float[3, 4] x",
            "t = Transpose (x)  h = MatMul (x, t)  y = Add (h, b)",
            (5,),
            "the rank of its input",
        ),
        ("float[3, 4] x, float[4, 5] t", "h = MatMul (x, t)  y = Add (h, b)", (5,), "neither side is constant"),
    ],
)
def test_matmul_and_add_that_are_no_gemm_say_why(signature: str, body: str, bias: tuple[int, ...], reason: str) -> None:
    model = build(f"g ({signature}) => (y) {{ {body} }}", w=normal(4, 5), b=normal(*bias))

    assert refused(model).startswith(f"Add: {reason}")


def test_a_single_column_is_not_broadcast_by_gemm() -> None:
    model = build("g (float[3, 4] x) => (y) { h = MatMul (x, w)  y = Add (h, b) }", w=normal(4, 1), b=normal(5))

    assert refused(model) == "Add: its bias has shape (5,), expected one value for each of 1 columns"

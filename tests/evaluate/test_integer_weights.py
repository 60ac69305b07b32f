"""verify holds integers that are coded against those of the original, and the operators that onnxruntime runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onnxdc
from onnxdc.evaluate.optimised import optimised_operators
from tests.helpers.integer_models import MODELS, SIZE, integers, matmul_integer, qgemm
from tests.helpers.small_models import onnxdc as command
from tests.helpers.small_models import saved


@pytest.mark.parametrize("name", ["QDQ Conv", "QDQ Gemm", "MatMulInteger", "INT4", "If"])
def test_a_coded_model_has_the_same_bits_and_operators(name: str) -> None:
    model = MODELS[name]()
    found = onnxdc.verify(model, onnxdc.encode(model).model)

    assert found.passed
    assert (found.integers.compared, found.integers.alike, found.integers.differing) == (
        3 if name == "If" else 1,
        1,
        (),
    )
    assert found.integers.a == found.integers.b
    assert found.integers.a
    assert "operators of the optimised graphs: the same: " in str(found)
    assert all(output.absolute == 0 for comparison in found.comparisons for output in comparison.outputs)


def test_operators_of_the_optimised_graph_are_counted() -> None:
    assert optimised_operators(qgemm())["com.microsoft.QGemm"] == 1
    assert optimised_operators(MODELS["If"]())["MatMul"] == 4  # two in each branch


def test_one_element_that_differs_is_a_failure(tmp_path: Path) -> None:
    array = integers(SIZE, SIZE)
    changed = array.copy()
    changed[3, 4] += 1
    a, b = saved(qgemm(array), tmp_path / "a.onnx"), tmp_path / "b.onnx"
    onnxdc.encode(qgemm(changed)).save(b)
    result = command("verify", a, b, "-q")

    assert result.exit_code == 1
    assert f"w: 1 of {SIZE * SIZE:,} elements of int8 differ" in result.stderr


def test_another_quantisation_is_not_held_against_it() -> None:
    a, b = (qgemm(integers(SIZE, SIZE, spread=20, seed=seed)) for seed in (1, 2))
    found = onnxdc.verify(a, onnxdc.encode(b).model, max_divergence=np.inf)

    assert found.passed
    assert "coded integers: 0 of 1 weights are equal to A's bit for bit, " in str(found)
    assert "A is quantised in another way" in str(found)


def test_an_operator_that_is_lost_is_named() -> None:
    model, other = qgemm(), qgemm()
    nodes = {node.outputs[0].name: node for node in other.graph}
    nodes["g"].replace_input_with(0, other.graph.inputs[0])  # nothing quantises the input of the Gemm any more
    other.graph.remove([nodes["x_d"], nodes["x_q"]], safe=True)
    found = onnxdc.verify(model, onnxdc.encode(other).model)
    fewer = "onnxruntime optimises B to a graph with fewer "

    assert not found.passed
    assert found.integers.differing == ()
    lost = [line for line in found.failures if line.startswith(fewer)]
    assert lost, found.failures
    assert "(1 in A, 0 in B)" in lost[0]


def test_floats_and_plain_models_say_nothing_of_integers() -> None:
    model = matmul_integer()
    assert onnxdc.verify(model, model).integers is None
    floats = MODELS["mixed"]()
    kept = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="w", skip=True),))
    assert onnxdc.verify(floats, onnxdc.encode(floats, kept).model).integers is None


def test_json(tmp_path: Path) -> None:
    a, b = saved(qgemm(), tmp_path / "a.onnx"), tmp_path / "b.onnx"
    onnxdc.encode(a).save(b)
    found = onnxdc.verify(a, b).to_dict()["integers"]

    assert (found["compared"], found["is_of_one_model"], found["lost"], found["failures"]) == (1, True, [], [])

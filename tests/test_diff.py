"""What diff says of two models, and of two files on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from tests.helpers.small_models import LENET, constants, dense, saved
from tests.helpers.small_models import onnxdc as command_line
from tests.helpers.text_models import build, normal


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "shared.onnx"
    onnxdc.share(LENET).save(path)
    return path


@pytest.fixture(scope="module")
def small(shared) -> Path:
    path = shared.with_name("small.onnx")
    onnxdc.encode(shared).save(path)
    return path


def test_a_model_and_its_encoding_are_the_same(shared, small):
    found = onnxdc.diff(shared, small)
    assert found.same
    assert (found.a_bytes, found.b_bytes) == (shared.stat().st_size, small.stat().st_size)
    assert (found.equal, found.weights, found.nodes) == (6, (), 0)
    assert command_line("diff", shared, small).exit_code == 0


def test_weights_that_were_changed_are_told_with_bytes_and_distance(small):
    found = onnxdc.diff(LENET, small)
    before, after = constants(ir.load(LENET)), constants(onnxdc.decode(small).model)
    rows = {row.name: row for row in onnxdc.inspect(small).rows}
    assert not found.same
    assert {weight.name for weight in found.weights} == {name for name in before if (before[name] != after[name]).any()}
    for weight in found.weights:
        a, b = (arrays[weight.name].astype(np.float64) for arrays in (before, after))
        assert weight.elements == np.count_nonzero(a != b)
        assert weight.change == pytest.approx(np.linalg.norm(b - a) / np.linalg.norm(a))
        if weight.name in rows:
            assert (weight.a_bytes, weight.b_bytes) == (a.size * 4, rows[weight.name].encoded_bytes)


def test_the_command_says_it_and_ends_with_1(small):
    result = command_line("diff", LENET, small)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].split() == ["weight", "type", "A", "B", "elements", "change"]
    assert "B made by onnxdc " in result.stdout
    assert json.loads(command_line("diff", LENET, small, "--json").stdout)["same"] is False
    assert command_line("diff", LENET, small, "-q").stdout == ""
    assert command_line("diff", LENET, small.with_name("none.onnx")).exit_code == 1


def test_nodes_inputs_and_metadata_differ():
    a = build("g (float[N, 40] x) => (float[N, 84] y) { h = MatMul(x, w) y = Relu(h) }", w=normal(40, 84))
    b = build("g (float[M, 40] x) => (float[M, 84] y) { h = MatMul(x, w) y = Tanh(h) }", w=normal(40, 84))
    b.metadata_props["author"] = "somebody\x1b[2J"
    found = onnxdc.diff(a, b)
    assert found.weights == ()
    assert found.operators == {"Relu": (1, 0), "Tanh": (0, 1)}
    assert found.nodes == 1
    assert found.facts["inputs"] == ("x float[N, 40]", "x float[M, 40]")
    assert found.metadata == {"author": ("", "somebody\x1b[2J")}
    assert "\x1b" not in str(found)


def test_attributes_and_wiring_count_and_names_of_nodes_do_not():
    text = "g (float[N, 40] x) => (float[N, 84] y) {{ h = MatMul(x, w) y = LeakyRelu<alpha: float = {}>(h) }}"
    a, b, c = (build(text.format(alpha), w=normal(40, 84)) for alpha in (0.1, 0.1, 0.2))
    next(iter(b.graph)).name = "renamed"
    assert onnxdc.diff(a, b).same
    assert onnxdc.diff(a, c).nodes == 1


def test_constants_of_one_model_only_and_of_other_shapes(tmp_path):
    a = build("g (float[N, 40] x) => (float[N, 84] y) { y = MatMul(x, w) }", w=normal(40, 84))
    b = build("g (float[N, 40] x) => (float[N, 84] y) { y = MatMul(x, v) }", v=normal(40, 84))
    assert [weight.what for weight in onnxdc.diff(a, b).weights] == ["only in A", "only in B"]
    c = build("g (float[N, 30] x) => (float[N, 84] y) { y = MatMul(x, w) }", w=normal(30, 84))
    (weight,) = onnxdc.diff(a, c).weights
    assert weight.what == "float32 40x84 -> float32 30x84"
    assert (weight.elements, weight.change) == (None, None)


def test_zeros_of_two_signs_differ_and_nan_is_no_distance(tmp_path):
    array = normal(40, 84)
    array[0, 0] = 0.0
    negative, broken = array.copy(), array.copy()
    negative[0, 0], broken[0, 0] = -0.0, np.nan
    text = "g (float[N, 40] x) => (float[N, 84] y) { y = MatMul(x, w) }"
    a, b, c = (build(text, w=each) for each in (array, negative, broken))
    assert [weight.elements for weight in onnxdc.diff(a, b).weights] == [1]
    assert [(weight.elements, weight.change) for weight in onnxdc.diff(a, c).weights] == [(1, None)]
    assert onnxdc.diff(c, saved(c, tmp_path / "nan.onnx")).same
    assert onnxdc.describe(c).overview.weights[0].histogram is not None


def test_a_model_is_like_itself():
    assert onnxdc.diff(dense(), dense()).same

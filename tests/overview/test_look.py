"""What is found out about a compressed file, held against counts of its own."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import scipy.stats

import onnxdc
from onnxdc.overview import look
from tests.helpers.few_values import weight
from tests.helpers.small_models import DIGITS, LENET, constants, dense, saved
from tests.helpers.small_models import onnxdc as command_line
from tests.helpers.text_models import build, normal


@pytest.fixture(scope="module")
def lenet(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lenet") / "small.onnx"
    onnxdc.compress(LENET, density=0.1).save(path)
    return path


@pytest.fixture(scope="module")
def seen(lenet):
    return look(lenet, LENET)


def test_each_byte_of_the_file_is_in_one_part(lenet, seen):
    proto = onnx.load(lenet)
    parts = {part.name: part.nbytes for part in seen.parts}
    assert sum(parts.values()) == lenet.stat().st_size
    assert parts["portable functions"] == sum(function.ByteSize() for function in proto.functions)
    tensors = sum(tensor.ByteSize() for tensor in proto.graph.initializer)
    coded = parts["codes of values"] + parts["codes of positions"] + parts["codebooks and tables"]
    assert coded + parts["plain tensors"] == tensors
    assert coded >= onnxdc.inspect(lenet).total.encoded_bytes


def test_stages_lead_from_the_original_to_the_file(lenet, seen):
    total = onnxdc.inspect(lenet).total
    left = {part.name: part.nbytes for part in seen.stages}
    rest = LENET.stat().st_size - total.dense_bytes
    assert left["original file"] == LENET.stat().st_size
    assert left["pruning"] == total.pruned_bytes + rest
    assert left["sharing"] == total.shared_bytes + rest
    assert left["Huffman coding"] == total.encoded_bytes + rest
    assert seen.stages[-1].nbytes == lenet.stat().st_size


def test_changes_and_entropies_are_those_of_numpy_and_scipy(lenet, seen):
    before, after = constants(ir.load(LENET)), constants(onnxdc.decode(lenet).model)
    assert len(seen.weights) == 3
    for each in seen.weights:
        old, new = (arrays[each.row.name].astype(np.float64) for arrays in (before, after))
        assert each.change == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old))
        _, counts = np.unique(new, return_counts=True)
        assert each.entropy == pytest.approx(scipy.stats.entropy(counts, base=2))
        assert each.stored_bits == 8 * each.row.encoded_bytes / new.size
        edges = np.linspace(-each.histogram.reach, each.histogram.reach, len(each.histogram.after) + 1)
        inner = np.histogram(new[new != 0], edges)[0][1:-1]
        assert np.abs(np.subtract(each.histogram.after[1:-1], inner)).sum() <= 0.01 * inner.sum()  # values on an edge
        assert sum(each.histogram.after) == np.count_nonzero(new)


def test_layers_run_as_the_cost_model_says_and_have_times(seen):
    assert [each.row.execution for each in seen.weights] == ["sparse", "dense", "dense"]
    assert "times as fast as dense" in seen.weights[0].reason
    assert all(each.seconds_before > 0 and each.seconds_after > 0 for each in seen.weights)
    assert seen.speed.before > 0
    assert seen.notes == ()


def test_energy_is_that_of_a_count_by_hand(seen):
    products = 784 * 300 + 300 * 100 + 100 * 10
    dense, dram, sram = seen.energy.uses
    assert seen.energy.products == products
    assert dense.fetching == products * 640  # a word for each weight
    assert dense.computing == pytest.approx(products * (0.9 + 3.7))
    stored = sum(each.row.encoded_bytes for each in seen.weights)
    assert dram.fetching == stored / 4 * 640
    assert sram.fetching == stored / 4 * 5
    skipped = round(784 * 300 * (1 - seen.weights[0].row.density))  # only this layer runs sparse
    assert dram.computing == pytest.approx((products - skipped) * (0.9 + 3.7))


def test_products_of_convolutions_are_counted_for_each_pixel(tmp_path):
    model = build(
        "g (float[1, 4, 9, 9] x) => (float[1, 8, 7, 7] y) { y = Conv(x, w) }", w=weight(8, 4, 3, 3, density=1, values=9)
    )
    small = onnxdc.encode(saved(model, tmp_path / "conv.onnx"), min_elements=1, force=True)
    assert look(small.model).energy.products == 8 * 7 * 7 * 4 * 3 * 3


def test_the_command_makes_the_same_file_again(lenet, seen, tmp_path, monkeypatch):
    monkeypatch.chdir(LENET.parent)
    program, *words = shlex.split(seen.again.command)
    assert program == "onnxdc"
    words[words.index("-o") + 1] = str(tmp_path / "again.onnx")
    assert command_line(*words).exit_code == 0
    assert (tmp_path / "again.onnx").read_bytes() == lenet.read_bytes()


def test_what_was_encoded_is_the_original_only_if_its_weights_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnxdc.share(LENET).save("-shared.onnx")
    onnxdc.encode("-shared.onnx").save("small.onnx")
    shared, trained = look("small.onnx", "-shared.onnx").again, look("small.onnx", LENET).again
    assert (shared.command, shared.remark) == ("onnxdc encode ./-shared.onnx -o small.onnx", "")
    assert trained.command == "onnxdc encode model.onnx -o small.onnx"
    assert f"other weights than {LENET.name}; `onnxdc decode small.onnx -o model.onnx`" in trained.remark


def test_a_file_of_rules_has_its_recipe(tmp_path):
    model = saved(dense(), tmp_path / "dense.onnx")
    rules = (onnxdc.Rule(pattern="fc1", density=0.2), onnxdc.Rule(kind="fc", sharing="kmeans", bits=4))
    onnxdc.compress(model, onnxdc.Recipe(rules=rules), seed=7).save(tmp_path / "small.onnx")
    again = look(tmp_path / "small.onnx", model).again
    (tmp_path / "recipe.toml").write_text(again.recipe, encoding="utf-8")
    repeated = onnxdc.compress(model, onnxdc.Recipe.from_toml(tmp_path / "recipe.toml"))
    repeated.save(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()


def test_integers_are_compared_by_what_they_stand_for(tmp_path):
    onnxdc.compress(LENET, int8=True, min_elements=2000).save(tmp_path / "small.onnx")
    weights = {each.row.name: each for each in look(tmp_path / "small.onnx", LENET).weights}
    for name in ("fc1.weight", "fc2.weight"):
        assert weights[name].row.dtype == "int8"
        assert weights[name].before_bytes == 4 * weights[name].row.size
        assert 0 < weights[name].change < 0.03


def test_folded_weights_are_compared_to_folded_ones(tmp_path):
    model = build(
        """
        g (float[N, 8, 8, 8] x) => (float[N, 32, 6, 6] y) {
            c = Conv(x, w)
            y = BatchNormalization(c, s, b, m, v)
        }
        """,
        w=normal(32, 8, 3, 3),
        s=normal(32, seed=1) + 5,
        b=normal(32, seed=2),
        m=normal(32, seed=3),
        v=np.abs(normal(32, seed=4)) + 1,
    )
    path = saved(model, tmp_path / "bn.onnx")
    small = onnxdc.compress(path, min_elements=1)
    (weight_seen,) = [each for each in look(small.model, path).weights if each.row.kind == "conv"]
    assert weight_seen.change < 0.1  # unfolded it would be about 4


def test_accuracies_are_told_in_words_too(lenet):
    with np.load(DIGITS) as test:
        digits, labels = test["input"], test["labels"]
    found = look(lenet, LENET, inputs={"input": digits}, labels=labels)
    after, before = (
        np.mean(onnxruntime.InferenceSession(path).run(None, {"input": digits})[0].argmax(axis=1) == labels)
        for path in (lenet, LENET)
    )
    assert f"top-1 {after:.2%}, before {before:.2%}, of {labels.size} items" in str(found).splitlines()


def test_nothing_is_guessed_without_the_original(lenet):
    alone = look(lenet)
    assert (alone.speed, alone.verification, alone.original_bytes) == (None, None, None)
    assert all(each.change is None and each.seconds_before is None for each in alone.weights)
    assert alone.stages[0].name == "dense weights"
    assert alone.stages[-1].nbytes == lenet.stat().st_size


def test_a_plain_model_can_be_looked_at(tmp_path):
    plain = look(saved(dense(), tmp_path / "dense.onnx"))
    assert [each.row.name for each in plain.weights] == ["fc1", "fc2"]
    assert plain.again is None


def test_a_model_that_cannot_run_has_a_note_and_no_times(tmp_path):
    model = build("g (float[N, 40] x) => (float[N, 84] y) { y = MatMul(x, fc1) }", fc1=normal(40, 84))
    model.graph[0].domain, model.opset_imports["nowhere"] = "nowhere", 1
    found = look(saved(model, tmp_path / "odd.onnx"))
    assert found.energy is None
    assert len(found.notes) == 1
    assert "nowhere" in found.notes[0]


def test_given_inputs_that_do_not_fit_are_an_error(lenet):
    with pytest.raises(onnxdc.ModelError, match="input"):
        look(lenet, LENET, inputs={"input": np.zeros((4, 3), np.float32)})


def test_another_model_than_the_original_is_an_error(lenet, tmp_path):
    other = saved(build("g (float[N, 1, 28, 28] image) => (y) { y = Relu(image) }"), tmp_path / "other.onnx")
    with pytest.raises(onnxdc.ModelError, match=r"other.onnx: expected the model that .* got inputs \['image'\]"):
        look(lenet, other)


def on_integers() -> dict[str, ir.Model]:
    return {
        "MatMul": build(
            "g (float[64, 768] x) => (float[64, 512] y) { y = MatMul(x, w) }", w=weight(768, 512, density=0.1)
        ),
        "Conv": build(
            "g (float[1, 64, 14, 14] x) => (float[1, 64, 12, 12] y) { y = Conv(x, w) }",
            w=weight(64, 64, 3, 3, density=0.1),
        ),
    }


@pytest.mark.parametrize("op_type", ["MatMul", "Conv"])
def test_layers_on_integers_have_times(tmp_path, op_type):
    """The functions that their portable bodies call have no weight of their own."""
    path = saved(on_integers()[op_type], tmp_path / "model.onnx")
    onnxdc.encode(path, activation="dynamic", execution="sparse").save(tmp_path / "small.onnx")
    found = look(tmp_path / "small.onnx", path)
    (each,) = found.weights
    assert (each.row.execution, found.notes) == ("dynamic", ())
    assert each.seconds_before > 0
    assert each.seconds_after > 0


def test_a_rule_says_how_a_weight_runs_and_the_reason_heeds_it(tmp_path):
    model = build(
        "g (float[64, 768] x) => (float[64, 768] y) { h = MatMul(x, a)  y = MatMul(h, b) }",
        a=weight(768, 512, density=0.1),
        b=weight(512, 768, density=0.1),
    )
    recipe = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="a", activation="dynamic"),))
    small = onnxdc.encode(saved(model, tmp_path / "model.onnx"), recipe)
    on_integers, on_floats = look(small.model).weights
    assert [each.row.execution for each in (on_integers, on_floats)] == ["dynamic", "sparse"]
    assert on_integers.reason.endswith("times as fast as dense, on integers")
    assert on_floats.reason.endswith("times as fast as dense")

"""The library's verbs: what they do to a model, and what they refuse."""

from __future__ import annotations

import inspect
import io
import json
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnx_ir as ir
import onnxruntime
import pytest

import onnxdc
from onnxdc import ModelError, NativeError, Recipe, RecipeError, Rule, api, native
from onnxdc.api import encoding
from tests.helpers.small_models import CNN, DIGITS, LENET, constants, dense, recurrent, saved
from tests.helpers.text_models import normal


def accuracy(session: onnxruntime.InferenceSession) -> float:
    with np.load(DIGITS) as digits:
        (logits,) = session.run(None, {"input": digits["input"]})
        return float(np.mean(logits.argmax(1) == digits["labels"]))


def run(session: onnxruntime.InferenceSession, x: np.ndarray) -> np.ndarray:
    (y,) = session.run(None, {"x": x})
    return y


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((5, 40)).astype(np.float32)


def test_every_verb_is_public():
    verbs = {name: getattr(api, name) for name in api.__all__ if inspect.isfunction(getattr(api, name))}
    assert {"compress", "prune", "share", "encode", "decode", "inspect"} <= verbs.keys() <= set(onnxdc.__all__)
    assert all(getattr(onnxdc, name) is verb for name, verb in verbs.items())


def test_compress_without_options_keeps_zeros_and_the_accuracy():
    result = onnxdc.compress(LENET)
    before, after = constants(ir.load(LENET)), constants(onnxdc.decode(result.model).model)
    for name in ("fc1.weight", "fc2.weight", "fc3.weight"):
        assert not after[name][before[name] == 0].any()
        assert np.unique(after[name]).size <= 256
    assert accuracy(onnxdc.session(result.model)) == accuracy(onnxdc.session(LENET))


@pytest.mark.parametrize("path", [LENET, CNN], ids=lambda path: path.stem)
def test_example_recipes_cost_less_than_half_a_percent_and_save_nine_tenths(path, tmp_path):
    result = onnxdc.compress(path, Recipe.from_toml(path.with_suffix(".toml")))
    result.save(tmp_path / "small.onnx")
    assert accuracy(onnxdc.session(tmp_path / "small.onnx")) > accuracy(onnxdc.session(path)) - 0.005
    assert (tmp_path / "small.onnx").stat().st_size < path.stat().st_size / 10


def test_the_stages_one_by_one_are_compress(tmp_path):
    model = saved(dense(), tmp_path / "dense.onnx")
    onnxdc.prune(model, density=0.2).save(tmp_path / "pruned.onnx")
    onnxdc.share(tmp_path / "pruned.onnx", bits=5).save(tmp_path / "shared.onnx")
    onnxdc.encode(tmp_path / "shared.onnx").save(tmp_path / "small.onnx")
    onnxdc.compress(model, density=0.2, bits=5, fold=False).save(tmp_path / "at_once.onnx")
    one_by_one, at_once = (onnx.load(tmp_path / name) for name in ("small.onnx", "at_once.onnx"))
    told = [json.loads(model.metadata_props.pop().value) for model in (one_by_one, at_once)]
    assert [list(each) for each in told] == [["onnxdc", "encode"], ["onnxdc", "prune", "share", "encode"]]
    assert one_by_one == at_once


def test_decode_gives_the_shared_file_back_byte_for_byte(tmp_path):
    onnxdc.share(LENET, bits=4).save(tmp_path / "shared.onnx")
    onnxdc.encode(tmp_path / "shared.onnx").save(tmp_path / "small.onnx")
    onnxdc.decode(tmp_path / "small.onnx").save(tmp_path / "decoded.onnx")
    assert (tmp_path / "decoded.onnx").read_bytes() == (tmp_path / "shared.onnx").read_bytes()


def test_an_expanded_model_is_the_same_with_and_without_the_library(tmp_path):
    small, out = tmp_path / "small.onnx", tmp_path / "expanded.onnx"
    onnxdc.compress(CNN, density=0.2).save(small)
    before = small.read_bytes()
    result = onnxdc.expand(small)
    result.save(out)
    assert small.read_bytes() == before
    assert result.report.file_after == out.stat().st_size > small.stat().st_size
    proto = onnx.load(out)
    onnx.checker.check_model(proto, full_check=True)
    nodes = {node.op_type for node in proto.graph.node if node.domain == "onnxdc"}
    assert nodes
    assert not any(name.startswith("Decode") for name in nodes)
    assert nodes <= {function.name for function in proto.functions}
    with np.load(DIGITS) as digits:
        feeds = {"input": digits["input"][:5]}
    (expected,) = onnxdc.session(small, native=False).run(None, feeds)
    (found,) = onnxdc.session(out, native=False).run(None, feeds)
    np.testing.assert_array_equal(found, expected)
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(onnxdc.library_path())
    (natively,) = onnxruntime.InferenceSession(out, options, providers=["CPUExecutionProvider"]).run(None, feeds)
    np.testing.assert_allclose(natively, expected, rtol=1e-4, atol=1e-5)


def test_a_model_that_runs_dense_throughout_expands_to_a_plain_one():
    small = onnxdc.compress(LENET, execution="dense").model
    assert any(node.op_type == "Symbols" for node in small.graph)
    plain = onnxdc.expand(small).to_proto()
    assert not plain.functions
    assert {opset.domain for opset in plain.opset_import} == {""}
    assert not any(node.domain for node in plain.graph.node)
    used = {name for node in plain.graph.node for name in node.input}
    assert {tensor.name for tensor in plain.graph.initializer} <= used


def test_expand_refuses_a_model_that_is_not_compressed():
    with pytest.raises(ModelError, match="nothing to expand: it has no compressed weight"):
        onnxdc.expand(LENET)


def test_what_takes_much_memory_to_open_says_so(monkeypatch):
    assert not any("opening it" in remark for remark in onnxdc.compress(LENET).report.remarks)
    monkeypatch.setattr(encoding, "_MUCH_MEMORY", 10**6)
    assert any("opening it without the native library" in remark for remark in onnxdc.compress(LENET).report.remarks)


def test_a_sparse_layer_with_a_codebook_for_each_group_goes_through_a_file(tmp_path):
    shared = onnxdc.share(onnxdc.prune(LENET, density=0.2).model, sharing="kmeans", bits=8, groups=2)
    small = saved(onnxdc.encode(shared.model).model, tmp_path / "small.onnx")
    sparse = [node for node in onnx.load(small).graph.node if node.op_type.startswith("SparseQuant")]
    assert "group_axis" in {attribute.name for node in sparse for attribute in node.attribute}
    expected, found = constants(shared.model), constants(onnxdc.decode(small).model)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert onnxdc.verify(shared.model, small).verdict == "ok"


def with_traces(model: ir.Model) -> onnx.ModelProto:
    """A model with a text at each node, longer than all the rest."""
    proto = ir.to_proto(model)
    for number, node in enumerate(proto.graph.node):
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=f"line {number}\n" * 2000)
    return proto


@pytest.mark.parametrize("verb", ["compress", "encode"])
def test_strip_drops_what_the_report_without_it_says(verb, tmp_path, x):
    model = with_traces(onnxdc.share(dense()).model)
    plain, bare = (getattr(onnxdc, verb)(model, strip=strip) for strip in (False, True))
    plain.save(tmp_path / "plain.onnx")
    bare.save(tmp_path / "bare.onnx")
    saved_bytes = plain.report.file_after - bare.report.file_after
    assert abs(plain.report.strippable - saved_bytes) < 0.01 * saved_bytes
    assert f"--strip would drop {plain.report.strippable:,} bytes of exporter texts" in str(plain.report)
    assert (plain.report.stripped, bare.report.strippable) == (0, 0)
    assert "stripped: " in str(bare.report)
    assert [row.node for row in bare.report.rows] == [row.node for row in plain.report.rows]
    np.testing.assert_array_equal(run(onnxdc.session(bare.model), x), run(onnxdc.session(plain.model), x))
    assert b"line" not in (tmp_path / "bare.onnx").read_bytes()


def test_a_stripped_model_is_decoded_to_all_but_the_texts():
    shared = with_traces(onnxdc.share(dense()).model)
    decoded = onnxdc.decode(onnxdc.encode(shared, strip=True).model).to_proto()
    for node, bare in zip(shared.graph.node, decoded.graph.node, strict=True):
        node.ClearField("metadata_props")
        node.ClearField("name")
        for names in (node.input, node.output, bare.input, bare.output):
            names[:] = [name if name in ("x", "y", "fc1", "fc2") else "" for name in names]
    for tensor in (*shared.graph.initializer, *decoded.graph.initializer):
        tensor.name = tensor.name if tensor.name in ("fc1", "fc2") else ""  # b1 is too small for a weight
    for model in (shared, decoded):
        model.graph.initializer.sort(key=lambda tensor: tensor.name)
    shared.graph.ClearField("value_info")
    assert decoded == shared


def test_a_compressed_model_says_how_it_was_made_and_a_decoded_one_does_not():
    shared = onnxdc.share(dense()).to_proto()
    encoded = onnxdc.encode(shared, index_bits=4)
    assert onnxdc.inspect(encoded.model).provenance.to_dict() == {
        "onnxdc": onnxdc.__version__,
        "encode": {"index_bits": 4},
    }
    assert onnxdc.decode(encoded.model).to_proto() == shared
    assert onnxdc.inspect(shared).provenance is None
    compressed = onnxdc.compress(dense(), Recipe(rules=(Rule(pattern="fc2", skip=True),)), density=0.2)
    told = json.loads(compressed.model.metadata_props["onnxdc.recipe"])
    assert told == {
        "onnxdc": onnxdc.__version__,
        "prune": {"density": 0.2},
        "share": {},
        "encode": {},
        "rules": [{"pattern": "fc2", "skip": True}],
    }


def test_prune_keeps_the_largest_and_the_graph():
    (before, result) = constants(dense()), onnxdc.prune(dense(), density=0.25)
    after = constants(result.model)["fc1"]
    kept = after != 0
    assert kept.sum() == 840
    np.testing.assert_array_equal(after[kept], before["fc1"][kept])
    assert np.abs(before["fc1"][kept]).min() >= np.abs(before["fc1"][~kept]).max()
    onnx.checker.check_model(result.to_proto(), full_check=True)


@pytest.mark.parametrize("data", [None, normal(60, 40)], ids=["alone", "calibrated"])
@pytest.mark.parametrize("convert", [ir.to_proto, lambda model: model], ids=["ModelProto", "ir.Model"])
def test_a_model_in_memory_is_left_as_it_is(convert, data):
    model = convert(dense())
    before = ir.to_proto(model).SerializeToString() if isinstance(model, ir.Model) else model.SerializeToString()
    onnxdc.compress(model, density=0.1, data=None if data is None else {"x": data})
    after = ir.to_proto(model).SerializeToString() if isinstance(model, ir.Model) else model.SerializeToString()
    assert before == after


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(Path.read_bytes, id="bytes", marks=pytest.mark.slow),
        pytest.param(lambda path: io.BytesIO(path.read_bytes()), id="file"),
    ],
)
def test_verbs_take_a_model_as_bytes_and_as_a_file_object(given):
    source = given(LENET)
    result = onnxdc.compress(source, target_size="20x")  # reads it more than once, and knows how large it was
    assert result.to_proto() == onnxdc.compress(LENET, target_size="20x").to_proto()
    assert result.report.file_before == LENET.stat().st_size
    small = result.to_proto().SerializeToString()
    assert len(small) <= LENET.stat().st_size / 20
    assert onnxdc.verify(source, small).verdict == "ok"
    assert onnxdc.inspect(small).file_before == len(small)
    session = onnxdc.session(small)
    with np.load(DIGITS) as digits:
        feed = {"input": digits["input"][:9]}
    np.testing.assert_array_equal(session.run(None, feed), onnxdc.session(result.model).run(None, feed))


def test_results_tell_themselves_as_values_in_a_line_and_in_a_notebook():
    result = onnxdc.compress(dense(), density=0.1)
    assert result.to_dict() == result.report.to_dict()
    assert [weight["name"] for weight in json.loads(json.dumps(result.to_dict()))["weights"]] == ["fc1", "fc2"]
    assert repr(result).startswith("<CompressionResult: 2 weights, 16,800 -> ")
    for told in (result, result.report, onnxdc.verify(dense(), result.model, max_divergence=9.0)):
        page = xml.etree.ElementTree.fromstring(told._repr_html_())
        assert page.text == str(getattr(told, "report", told))


def test_names_are_text_in_a_notebook():
    model = dense()
    model.graph.initializers["fc1"].name = "<script>alert(1)</script> & co"
    page = onnxdc.inspect(model)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in page


def test_a_rule_wins_over_an_option_and_an_option_over_the_defaults():
    recipe = Recipe(rules=(Rule(pattern="fc2", density=0.5),))
    found = constants(onnxdc.prune(dense(), recipe, density=0.1).model)
    assert np.count_nonzero(found["fc1"]) == 336
    assert np.count_nonzero(found["fc2"]) == 420


def test_progress_is_told_after_each_weight_of_each_stage():
    calls = []
    onnxdc.compress(dense(), density=0.1, progress=lambda *call: calls.append(call))
    weights = [("fc1", 1, 2), ("fc2", 2, 2)]
    assert calls == [(stage, *weight) for stage in ("prune", "share", "encode") for weight in weights]


def test_fold_is_an_option():
    def kinds(model: ir.Model) -> list[str]:
        return [node.op_type for node in model.graph]

    model = dense()
    (relu,) = [node for node in model.graph if node.op_type == "Relu"]
    identity = ir.node("Identity", [relu.outputs[0]])
    relu.outputs[0].replace_all_uses_with(identity.outputs[0])
    identity.replace_input_with(0, relu.outputs[0])
    model.graph.insert_after(relu, identity)
    assert "Identity" not in kinds(onnxdc.compress(model, density=0.1).model)
    assert "Identity" in kinds(onnxdc.compress(model, density=0.1, fold=False).model)


@pytest.mark.parametrize("native_run", [True, False, "auto"])
def test_sessions_compute_what_the_decoded_model_computes(native_run, x):
    result = onnxdc.compress(dense(), density=0.1)
    reference = onnx.reference.ReferenceEvaluator(onnxdc.decode(result.model).to_proto())
    (expected,) = reference.run(None, {"x": x})
    np.testing.assert_allclose(run(onnxdc.session(result.model, native=native_run), x), expected, rtol=1e-5, atol=1e-5)


def test_a_native_session_gets_its_dense_weights_decoded(tmp_path):
    path = tmp_path / "small.onnx"
    onnxdc.compress(recurrent(), density=0.1).save(path)
    x = np.random.default_rng(3).standard_normal((4, 2, 16)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(tmp_path / "executed.onnx")
    found = run(onnxdc.session(path, native=True, sess_options=options), x)
    assert "DecodeWeight" in {node.op_type for node in onnx.load(path).graph.node}
    assert {node.op_type for node in onnx.load(tmp_path / "executed.onnx").graph.node} == {"LSTM"}
    np.testing.assert_allclose(found, run(onnxdc.session(path, native=False), x), rtol=1e-5, atol=1e-6)


def test_a_session_finds_external_data_of_a_model_with_decoded_weights(tmp_path):
    result = onnxdc.compress(recurrent(), density=0.1)
    onnx.save(result.to_proto(), tmp_path / "small.onnx", save_as_external_data=True, size_threshold=64)
    x = np.zeros((1, 1, 16), np.float32)
    for native_run in (True, False):
        np.testing.assert_array_equal(
            run(onnxdc.session(tmp_path / "small.onnx", native=native_run), x),
            run(onnxdc.session(result.model, native=native_run), x),
        )


def test_without_the_library_a_session_warns_or_refuses(monkeypatch, x):
    def missing() -> str:
        raise NativeError("the library is missing")

    result = onnxdc.compress(dense(), density=0.1)
    expected = run(onnxdc.session(result.model, native=False), x)
    monkeypatch.setattr(native, "isa", missing)
    with pytest.warns(RuntimeWarning, match="portable bodies: the library is missing"):
        session = onnxdc.session(result.model)
    np.testing.assert_array_equal(run(session, x), expected)
    with pytest.raises(NativeError, match="missing"):
        onnxdc.session(result.model, native=True)
    np.testing.assert_array_equal(constants(onnxdc.decode(result.model).model)["fc1"].shape, (40, 84))


def test_a_model_that_onnxruntime_refuses_is_named(tmp_path):
    proto = ir.to_proto(dense())
    proto.graph.node[0].op_type = "NoSuchOperator"
    path = tmp_path / "odd.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=r"odd\.onnx: onnxruntime refuses it: .*NoSuchOperator"):
        onnxdc.session(path)


def test_a_model_without_weights_is_refused():
    model = dense()
    with pytest.raises(ModelError, match=r"no weight to compress \(fc1: 3360 elements, fewer than 9999\)"):
        onnxdc.compress(model, min_elements=9999)


@pytest.mark.parametrize("verb", [onnxdc.compress, onnxdc.share, onnxdc.encode])
def test_a_compressed_model_is_not_compressed_again(verb):
    with pytest.raises(ModelError, match="already compressed"):
        verb(onnxdc.compress(dense(), density=0.1).model)


def test_encode_refuses_weights_that_were_never_shared():
    with pytest.raises(ModelError, match=r"nothing to encode: fc1: .*share its values first"):
        onnxdc.encode(dense())


def test_decode_refuses_a_model_that_is_not_compressed():
    with pytest.raises(ModelError, match="nothing to decode"):
        onnxdc.decode(dense())


def test_prune_wants_to_know_how():
    with pytest.raises(RecipeError, match="nothing says how to prune"):
        onnxdc.prune(dense())


def test_two_ways_to_prune_are_one_too_many():
    with pytest.raises(RecipeError, match=r"expected one of .*, got density and quality"):
        onnxdc.compress(dense(), density=0.1, quality=1.0)

"""Old operator sets: each conversion is compared with the original; an error names the node, a note what was not."""

from __future__ import annotations

import time

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper

import onnxdc
from onnxdc.errors import ModelError
from onnxdc.model_io import load
from onnxdc.model_io.notes import add_note, notes_of
from onnxdc.model_io.upgrade import comparison, operators, running
from onnxdc.model_io.upgrade.rule import Rule
from tests.helpers.few_values import weight
from tests.helpers.text_models import build, normal, run

IMAGE = "float[1, 3, 8, 8] x"


def proto(text: str, opset: int = 10, **arrays: np.ndarray) -> onnx.ModelProto:
    return ir.to_proto(build(text, opset=opset, ir_version=5, **arrays))


def refused(model: onnx.ModelProto) -> str:
    with pytest.raises(ModelError) as caught:
        load(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def spoil(monkeypatch: pytest.MonkeyPatch, op: str, change) -> None:
    """Let the rule of an operator write something else."""
    right = operators.RULES[op]

    def convert(node, around):
        nodes = right.convert(node, around)
        change(nodes)
        return nodes

    monkeypatch.setitem(operators.RULES, op, Rule(right.before, convert))


def half_pixel(nodes: list[onnx.NodeProto]) -> None:
    for attribute in nodes[-1].attribute:
        if attribute.name == "coordinate_transformation_mode":
            attribute.s = b"half_pixel"


SCALED = f"""g ({IMAGE}) => (float[1, 3, 16, 16] y) {{
    a = Relu (x)
    [up1] b = Resize <mode="linear"> (a, s)
    y = Relu (b)
}}"""
SCALES = np.array([1, 1, 2, 2], np.float32)


def named(text: str, **arrays: np.ndarray) -> onnx.ModelProto:
    """Build a model whose Resize node is called up1."""
    model = proto(text.replace("[up1] ", ""), **arrays)
    for node in model.graph.node:
        if node.op_type == "Resize":
            node.name = "up1"
    return model


def test_a_difference_names_the_first_node_that_differs(monkeypatch):
    model = named(SCALED, s=SCALES)
    assert not notes_of(load(model))
    spoil(monkeypatch, "Resize", half_pixel)
    message = refused(model)
    assert message.startswith(
        "model: operator set 10 cannot be converted to 11: Resize 'up1': its output differs by 0."
    )
    assert message.endswith(" of the largest value")


def test_a_difference_that_the_outputs_hide_is_found(monkeypatch):
    text = SCALED.replace("y = Relu (b)", "h = HardSigmoid <alpha=100.0> (b)  y = Ceil (h)").replace(
        "Relu (x)", "Exp (x)"
    )
    model = named(text, s=SCALES)
    assert np.all(run(load(model), {"x": normal(1, 3, 8, 8)})[0] == 1)
    spoil(monkeypatch, "Resize", half_pixel)
    assert "Resize 'up1': its output differs" in refused(model)


def test_another_shape_is_a_difference(monkeypatch):
    model = proto("g (float[2, 8] x) => (float[2, n] y) { y = Slice <starts=[1], ends=[5], axes=[1]> (x) }", opset=9)
    spoil(monkeypatch, "Slice", lambda nodes: nodes[-1].input.pop())
    assert "Slice 'y': its output is float32[1, 8], expected float32[2, 4]" in refused(model)


def test_bounds_that_normal_inputs_do_not_reach_are_reached(monkeypatch):
    model = proto("g (float[4, 64] x) => (float[4, 64] y) { y = Clip <min=-9.0, max=9.0> (x) }")
    spoil(monkeypatch, "Clip", lambda nodes: nodes[-1].input.pop())
    assert "Clip 'y': its output differs by" in refused(model)


def test_a_result_that_onnxruntime_does_not_open_is_refused(monkeypatch):
    model = proto("g (float[4, 64] x) => (float[4, 64] y) { y = Clip <min=-9.0, max=9.0> (x) }")
    spoil(monkeypatch, "Clip", lambda nodes: nodes[-1].input.append("nowhere"))
    assert "expected 1 to 3 inputs, got 4" in refused(model)
    spoil(monkeypatch, "Clip", lambda nodes: nodes[-1].input.__delitem__(slice(2, None)) or nodes[-1].input.append("x"))
    assert "onnxruntime cannot run the result: [ONNXRuntimeError]" in refused(model)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[2, 8] x) => (float[2, 8] y) { y = local.f (x) }", "onnxruntime cannot run it as it was"),
        (
            "g (float[2, 8] x, int64[2] s) => (float[a, b] y) { y = Reshape (x, s) }",
            "onnxruntime cannot run it as it was",
        ),
        (
            "g (float[2, 8] x) => (float[2, 8] y) { y = RandomNormalLike (x) }",
            "RandomNormalLike 'y' draws random numbers",
        ),
        (
            "g (float[2, 8] x) => (float[2, 8] y) { n = Exp (x)  m = Neg (n)  y = Log (m) }",
            "no output on made-up inputs is finite",
        ),
    ],
)
def test_what_cannot_be_compared_is_converted_with_a_note(text: str, reason: str):
    model = load(proto(text))
    assert model.opset_imports[""] == 11
    (note,) = notes_of(model)
    assert note.startswith("operator set 10 was converted to 11, not checked: ")
    assert reason in note
    assert "\n" not in note


def test_random_numbers_of_a_seed_are_compared():
    text = "g (float[2, 8] x) => (float[2, 8] y) { n = RandomNormalLike <seed=3.0> (x)  y = Add (n, x) }"
    assert not notes_of(load(proto(text)))


def test_a_run_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(running, "_SECONDS", 0.2)
    text = """g (float[N] x) => (float[N] y) {
        m = Constant <value = int64 {1000000000}> ()
        c = Constant <value = bool {1}> ()
        y = Loop (m, c, x) <body = b (int64 i, bool go, float[N] v) => (bool on, float[N] w) {
            on = Identity (go)  w = Neg (v)
        }>
    }"""
    started = time.monotonic()
    (note,) = notes_of(load(proto(text)))
    assert "it takes more than 0.2 s" in note
    assert time.monotonic() - started < 5


def test_notes_stay_with_a_model_in_their_order():
    model = build("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    assert notes_of(model) == ()
    add_note(model, "one")
    add_note(model, "two")
    assert notes_of(model) == ("one", "two")


def test_a_newer_operator_set_is_not_run(monkeypatch):
    monkeypatch.setattr(running, "Runner", None)
    monkeypatch.setattr(comparison, "Runner", None)
    assert not notes_of(load(proto("g (float[2] x) => (float[2] y) { y = Neg (x) }", opset=11)))


def test_everything_else_stays_as_it_is():
    text = """g (float[2, 256] x) => (float[2, 128] y) {
        h = MatMul (x, w)
        c = Clip <min=0.0, max=6.0> (h)
        y = Identity (c)
    }"""
    model = proto(text, opset=9, w=weight(256, 128))
    model.graph.node[0].doc_string = "a product"
    model.graph.node[1].name = "relu6"
    model.graph.value_info.append(helper.make_tensor_value_info("h", 1, [2, 128]))
    model.producer_name = "somebody"
    after = ir.to_proto(load(model))
    assert [node.op_type for node in after.graph.node] == ["MatMul", "Constant", "Constant", "Clip", "Identity"]
    assert after.graph.node[0] == model.graph.node[0]
    assert after.graph.node[3].name == "relu6"
    assert after.producer_name == "somebody"
    assert after.ir_version == 5
    assert after.graph.value_info[:1] == model.graph.value_info[:1]
    assert list(after.graph.initializer) == list(model.graph.initializer)


def test_new_names_are_new():
    text = "g (float[2] x) => (float[2] y) { k = Neg (x)  y = Clip <min=0.0> (k) }"
    model = proto(text)
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "y.min"
    after = load(model)
    assert not notes_of(after)
    names = [value.name for node in after.graph for value in node.outputs]
    assert len(set(names)) == len(names) == 4


def test_a_mask_that_nothing_uses_goes():
    model = proto("g (float[2, 8] x) => (float[2, 8] y) { d, m = Dropout <ratio=0.3> (x)  y = Neg (d) }", opset=9)
    model.graph.value_info.append(helper.make_tensor_value_info("m", 1, [2, 8]))
    after = load(model)
    assert [len(node.outputs) for node in after.graph] == [1, 1]
    np.testing.assert_array_equal(run(after, {"x": normal(2, 8)})[0], -normal(2, 8))


@pytest.mark.parametrize(
    ("text", "opset", "message"),
    [
        ("y = Affine <alpha=2.0> (x)", 9, "Affine 'y': operator set 11 has no such operator"),
        ("y = ConstantFill (x)", 7, "ConstantFill 'y': operator set 11 has no such operator"),
        ("y = MeanVarianceNormalization (x)", 8, "MeanVarianceNormalization 'y': it was experimental"),
        ("i = Cast <to=2> (x)  y = Clip (i)", 9, "Clip 'y': expected an input of floats, got uint8"),
    ],
)
def test_an_operator_that_is_gone_is_refused(text: str, opset: int, message: str):
    model = proto(f"g ({IMAGE}) => (float[a, b, c, d] y) {{ {text} }}", opset=opset)
    assert f"model: operator set {opset} cannot be converted to 11: {message}" in refused(model)


def test_external_data_are_converted_too(tmp_path):
    text = "g (float[2, 64] x) => (float[2, 48] y) { h = MatMul (x, w)  y = Clip <min=0.0> (h) }"
    onnx.save(
        proto(text, w=weight(64, 48)), tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="d"
    )
    after = load(tmp_path / "m.onnx")
    assert not notes_of(after)
    expected = np.maximum(normal(2, 64) @ weight(64, 48), 0)
    np.testing.assert_allclose(run(after, {"x": normal(2, 64)})[0], expected, rtol=1e-5, atol=1e-6)


def both(first: tuple[str, int], second: tuple[str, int], op: str = "Clip") -> onnx.ModelProto:
    """A model that imports two operator sets."""
    node = helper.make_node(op, ["h"], ["y"], **({"min": 0.0} if op == "Clip" else {}))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), node],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 256])],
        [helper.make_tensor_value_info("y", 1, [2, 128])],
        [numpy_helper.from_array(weight(256, 128), "w")],
    )
    return helper.make_model(
        graph, ir_version=5, opset_imports=[helper.make_opsetid(*first), helper.make_opsetid(*second)]
    )


@pytest.mark.parametrize("domains", [("", "ai.onnx"), ("ai.onnx", ""), ("ai.onnx", "local"), ("", "")])
@pytest.mark.parametrize("opset", [9, 10, 11, 13])
def test_two_imports_of_one_domain_become_one(domains: tuple[str, str], opset: int):
    op = "Clip" if opset < 11 else "Relu"
    model = both(*((domain, opset) for domain in domains), op=op)
    before = model.SerializeToString()
    shared = onnxdc.share(model).model
    imports = [each for each in ir.to_proto(shared).opset_import if each.domain in ("", "ai.onnx")]
    assert [each.version for each in imports] == [max(opset, 11)]
    x = normal(2, 256)
    expected = np.maximum(x @ weight(256, 128), 0)
    np.testing.assert_allclose(run(shared, {"x": x})[0], expected, rtol=1e-4, atol=1e-5)
    assert model.SerializeToString() == before


def test_two_versions_of_one_domain_are_refused():
    for upgrade in (True, False):
        with pytest.raises(ModelError, match="model imports the operator sets 9 and 10 of the domain"):
            load(both(("", 9), ("ai.onnx", 10)), upgrade=upgrade)


def test_functions_import_one_default_domain():
    text = """g (float[2] x) => (float[2] y) { y = local.f (x) }
        <domain: "local", opset_import: ["" : 17, "ai.onnx" : 17]> f (a) => (b) { b = Relu (a) }"""
    model = proto(text, opset=17)
    model.ir_version = 8
    assert dict(next(iter(load(model).functions.values())).opset_imports) == {"": 17}
    model.functions[0].opset_import[1].version = 18
    assert "function f imports the operator sets 17 and 18" in refused(model)

"""What is encoded is run before anybody says that it is done, and what could not be run is said."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

import onnxdc
from onnxdc import native
from onnxdc.errors import ModelError, NativeError
from onnxdc.evaluate import self_check
from onnxdc.evaluate.self_check import check_encoded
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.small_models import LENET, saved
from tests.helpers.small_models import onnxdc as command
from tests.helpers.text_models import build


def model(seed: int = 0) -> ir.Model:
    text = "g (float[N, 64] x) => (float[N, 48] y) { h = MatMul(x, W)  y = Relu(h) }"
    return build(text, W=weight(64, 48, density=0.2, seed=seed))


def foreign() -> onnx.ModelProto:
    """A model with an operator that onnxruntime does not know."""
    proto = ir.to_proto(model())
    proto.opset_import.append(helper.make_opsetid("somebody", 1))
    proto.graph.node[1].CopyFrom(helper.make_node("Own", ["h"], ["y"], domain="somebody"))
    return proto


def test_a_model_that_computes_the_same_passes() -> None:
    after = model()
    encode(after, force=True)
    assert check_encoded(model(), after) == []


@pytest.mark.parametrize("way", ["natively", "portably"])
def test_a_model_that_computes_something_else_is_refused(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    after = model(seed=1)
    encode(after, force=True)
    if way == "portably":
        monkeypatch.setattr(self_check, "why_not_native", lambda: "left out")
    with pytest.raises(ModelError, match=f"what was encoded differs, run {way}: expected outputs within 0.0001"):
        check_encoded(model(seed=0), after)


def two_layers(end: str) -> ir.Model:
    """A model whose second layer multiplies by zeros a NaN that is in the bias of the first."""
    text = f"g (float[2, 64] x) => (float[2, 48] y) {{ h = Gemm(x, W, b)  a = Relu(h)  z = MatMul(a, V)  y = {end} }}"
    bias = np.zeros(96, np.float32)
    bias[5] = np.nan
    return build(text, W=weight(64, 96, density=0.2, seed=0), V=weight(96, 48, density=0.1, seed=1), b=bias)


def test_what_a_nan_in_a_bias_does_not_reach_is_said_in_one_line() -> None:
    result = onnxdc.encode(two_layers("Identity(z)"), force=True, execution="sparse")
    x = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    before = two_layers("Identity(z)")
    original, encoded = (onnxdc.session(each).run(None, {"x": x})[0] for each in (before, result.model))
    reached = before.graph.initializers["V"].const_value.numpy()[5] != 0
    assert np.isnan(original).all()
    np.testing.assert_array_equal(np.isnan(encoded), np.broadcast_to(reached, (2, 48)))
    lost = 2 * int((~reached).sum())
    assert result.report.remarks == (
        f"not checked natively: {lost} elements of outputs are NaN in the original, which a pruned weight does not see",
    )


def test_a_nan_that_becomes_a_number_is_named() -> None:
    before = two_layers("IsNaN(z)")
    before.graph.outputs[0].type = ir.TensorType(ir.DataType.BOOL)
    result = onnxdc.encode(before, force=True, execution="sparse")
    assert result.report.remarks == ("not checked natively: b holds a NaN, which a pruned weight does not see",)


def test_other_differences_beside_a_nan_are_still_found() -> None:
    before, after = two_layers("Identity(z)"), two_layers("Identity(z)")
    after.graph.initializers["b"].const_value = ir.Tensor(np.ones(96, np.float32), name="b")
    encode(after, force=True)
    with pytest.raises(ModelError, match="what was encoded differs, run portably"):
        check_encoded(before, after)


def test_a_verb_says_which_model_went_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    file = saved(model(), tmp_path / "model.onnx")
    monkeypatch.setattr(self_check, "_difference", lambda expected, found: np.inf)
    monkeypatch.setattr(self_check, "_own_difference", lambda *arguments: 0.0)
    for run in (onnxdc.encode, onnxdc.compress):
        with pytest.raises(ModelError, match=r"model\.onnx: .*differs"):
            run(file, **({"force": True} if run is onnxdc.encode else {}), min_elements=0, execution="sparse")


def test_a_choice_that_rounding_alone_moves_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = iter([0.5, 0.2, 0.5])  # native; the original against itself; portable
    monkeypatch.setattr(self_check, "_difference", lambda expected, found: next(differences))
    after = model()
    encode(after, force=True)
    assert check_encoded(model(), after) == []


def test_what_onnxruntime_does_not_know_is_written_and_said(tmp_path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(foreign().SerializeToString())
    for verb, more in (("compress", []), ("encode", ["--force"])):
        result = command(verb, file, "-o", tmp_path / "out.onnx", "--min-elements", "0", *more)
        assert result.exit_code == 0
        assert any(line.startswith("not checked: ") for line in result.stdout.splitlines())
        assert (tmp_path / "out.onnx").exists()


def test_without_the_library_the_native_run_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise NativeError("the library is missing")

    monkeypatch.setattr(native, "isa", missing)
    result = onnxdc.encode(model(), force=True)
    assert result.report.remarks == ("not checked natively: the library is missing",)


def test_bodies_that_take_too_much_are_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_check, "_PORTABLE_BYTES", 1000)
    remarks = onnxdc.encode(model(), force=True).report.remarks
    assert [remark.startswith("not checked portably: onnxruntime alone would take more") for remark in remarks] == [
        True
    ]


def test_no_check_is_said(tmp_path) -> None:
    file = saved(model(), tmp_path / "model.onnx")
    result = command("encode", file, "-o", tmp_path / "out.onnx", "--force", "--no-check")
    assert result.exit_code == 0
    assert "not checked, as asked" in result.stdout.splitlines()


def test_verify_leaves_out_a_portable_run_beyond_the_limit_and_says_so(tmp_path) -> None:
    compressed = onnxdc.compress(LENET, density=0.1, execution="sparse").model
    found = onnxdc.verify(LENET, compressed, limit="4MB")
    assert [comparison.b.endswith("(native)") for comparison in found.comparisons] == [True]
    assert found.notes == ("no portable run: it would take more than the limit",)
    with pytest.raises(ModelError, match="expected the model to take at most 1,000 bytes"):
        onnxdc.verify(LENET, compressed, limit=1000)


def test_a_change_of_an_output_of_zeros_is_told_without_a_share() -> None:
    """The difference of two equal products, one of which is on integers."""
    array = weight(64, 48, density=0.2)
    text = "g (float[64, 64] x) => (float[64, 48] z{more}) {{ a = MatMul(x, W)  b = MatMul(x, V)  z = Sub(a, b){end} }}"
    rules = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="W", activation="dynamic"), onnxdc.Rule(pattern="V", skip=True)))
    told = "layers on integers: of the outputs 1 were zeros for made-up inputs, and are not any more"
    alone = build(text.format(more="", end=""), W=array, V=array)
    assert onnxdc.encode(alone, rules, execution="sparse", force=True).report.remarks == (told,)
    beside = build(text.format(more=", float[64, 48] y", end="  y = Relu(a)"), W=array, V=array)
    remarks = onnxdc.encode(beside, rules, execution="sparse", force=True).report.remarks
    assert remarks[0].startswith("layers on integers: outputs for made-up inputs move by 0.")
    assert remarks[1:] == (told,)

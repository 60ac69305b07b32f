"""Trained values come back into their model, and what does not fit it is refused in one line."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx_ir as ir
import pytest
import safetensors.numpy

from onnxdc import hooks, model_io
from onnxdc.errors import HookError
from onnxdc.hooks import TrainingHook
from tests.helpers.hook_models import moved, pruned
from tests.helpers.small_models import constants, onnxdc, saved
from tests.helpers.text_models import build, normal


def bad(hook: TrainingHook, change: str) -> dict[str, np.ndarray]:
    """Return trained values that do not fit the hook."""
    values = moved(hook)
    fc1 = values["fc1"]
    masked, member = np.argwhere(~hook.weights["fc1"].mask), np.argwhere(hook.weights["fc1"].codes == 3)
    if change == "missing":
        del values["b1"]
    elif change == "extra":
        values["fc3"] = fc1
    elif change == "transposed":
        values["fc1"] = fc1.T
    elif change == "integers":
        values["fc1"] = fc1.astype(np.int32)
    elif change == "nan":
        fc1[0, 0] = np.nan
    elif change == "infinity":
        values["fc1"] = np.where(fc1 == fc1.max(), 1e300, fc1.astype(np.float64))
    elif change == "revived":
        fc1[tuple(masked[0])], fc1[tuple(masked[1])] = 0.25, -0.5
    elif change == "apart":
        fc1[tuple(member[0])] += 1
    elif change == "codebook of a pruned weight":
        values["b1.codebook"] = np.zeros(3, np.float32)
    elif change == "both":
        values["fc1.codebook"] = np.zeros(8, np.float32)
    elif change == "other codes":
        values["fc1.codes"] = hook.weights["fc1"].codes[::-1]
    return values


BAD = [
    ("missing", "b1: missing, got fc1, fc2"),
    ("extra", "fc3: no such weight in the hook, expected fc1, b1, fc2"),
    ("transposed", "fc1: expected shape [40, 84], got [84, 40]"),
    ("integers", "fc1: expected float32, got int32"),
    ("nan", "fc1: weights must be finite, got 1 NaN or infinite of 3360 elements"),
    ("infinity", "NaN or infinite of 3360 elements"),
    ("revived", "fc1: 2 of 2688 pruned elements are not zero, by up to 0.5; projecting"),
    ("apart", "fc1: 1 of 7 shared values differ within their clusters, by up to 1 (code 3: from "),
    ("codebook of a pruned weight", "b1.codebook: no such weight in the hook"),
    ("both", "fc1: expected its values or its codebook, got both, and they differ"),
    ("other codes", "fc1.codes: expected the values that the hook has, got others"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[change for change, _ in BAD])
def test_trained_values_that_do_not_fit_are_refused_in_one_line(model, folder, change, message):
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(array) for name, array in bad(TrainingHook.load(folder), change).items()},
        folder / "trained.safetensors",
    )
    result = onnxdc("hook", "import", model, folder, "-o", model.with_name("tuned.onnx"))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"onnxdc: error: {folder / 'trained.safetensors'}: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert {path.name for path in model.parent.iterdir()} == {model.name, folder.name}


@pytest.mark.parametrize("change", ["revived", "apart"])
def test_broken_rules_can_be_projected_away(model, folder, change):
    hook = TrainingHook.load(folder)
    values = bad(hook, change)
    safetensors.numpy.save_file(values, folder / "trained.safetensors")
    tuned = model.with_name("tuned.onnx")
    assert onnxdc("hook", "import", model, folder, "-o", tuned, "--project").exit_code == 0
    for name, array in hook.project(values).items():
        np.testing.assert_array_equal(constants(ir.load(tuned))[name], array)


def test_only_the_weights_of_a_model_change(model, folder):
    trained = moved(TrainingHook.load(folder))
    safetensors.numpy.save_file(trained, folder / "any.safetensors")
    tuned = model.with_name("tuned.onnx")
    result = onnxdc("hook", "import", model, folder, folder / "any.safetensors", "-o", tuned)
    assert result.exit_code == 0
    before, after = ir.to_proto(ir.load(model)), ir.to_proto(ir.load(tuned))
    for name, array in constants(ir.load(tuned)).items():
        np.testing.assert_array_equal(array, trained[name])
    for proto in (before, after):
        del proto.graph.initializer[:]
    assert before == after
    largest = np.abs(trained["fc2"] - constants(ir.load(model))["fc2"]).max()
    assert f"fc2: shared, 84x10, 20.0% kept, 7 values, moved by up to {largest:.3g}" in result.stdout.splitlines()


def test_what_was_not_trained_gives_the_same_file(model, folder):
    tuned = model.with_name("tuned.onnx")
    assert onnxdc("hook", "import", model, folder, folder / "hook.safetensors", "-o", tuned).exit_code == 0
    assert tuned.read_bytes() == model.read_bytes()


def test_a_trained_codebook_is_enough(model, folder):
    hook = TrainingHook.load(folder)
    books = {name: np.append(0, normal(7, seed=4)).astype(np.float32) for name in ("fc1", "fc2")}
    trained = {f"{name}.codebook": book for name, book in books.items()} | {"b1": normal(84, seed=6)}
    found = constants(hooks.import_(model, hook, trained).model)
    for name, book in books.items():
        np.testing.assert_array_equal(found[name], book[hook.weights[name].codes])
    np.testing.assert_array_equal(found["b1"], trained["b1"])


def test_the_hook_of_another_model_is_refused(model, folder):
    other = saved(pruned(), model.with_name("pruned.onnx"))
    result = onnxdc("hook", "import", other, folder, folder / "hook.safetensors", "-o", model.with_name("tuned.onnx"))
    assert result.exit_code == 1
    assert f"{other}: the hook is of another model: expected digest " in result.stderr


def test_the_training_graph_of_another_hook_is_refused(model, folder, tmp_path):
    other = model_io.load(model)
    fc1 = other.graph.initializers["fc1"]
    fc1.const_value = ir.tensor(fc1.const_value.numpy()[::-1].copy(), name="fc1")
    hooks.export(other, tmp_path / "other")
    graph = tmp_path / "other" / "training.onnx"
    with pytest.raises(
        HookError, match=r"training\.onnx: fc1\.codes: expected the values that the hook has, got others$"
    ):
        hooks.import_(model, folder, graph)


def test_a_hook_knows_the_attributes_of_its_model(tmp_path):
    def convolution(attributes: str) -> ir.Model:
        text = (
            f"g (float[N, 3, 8, 8] x) => (float[N, 4, H, W] y) {{ c = Conv<{attributes}>(x, w) y = Elu<alpha=0.3>(c) }}"
        )
        return build(text, w=normal(4, 3, 3, 3))

    model, other = convolution("pads=[1, 1, 1, 1]"), convolution("pads=[2, 2, 2, 2], dilations=[2, 2]")
    hook = hooks.export(model)
    hooks.import_(saved(model, tmp_path / "model.onnx"), hook, hook.values())
    with pytest.raises(HookError, match=r"^model: the hook is of another model: expected digest "):
        hooks.import_(other, hook, hook.values())


def test_an_entry_that_is_no_constant_of_the_model_is_refused(model, folder):
    manifest = json.loads((folder / "hook.json").read_text())
    manifest["weights"][0]["name"] = "fc9"
    (folder / "hook.json").write_text(json.dumps(manifest))
    values = TrainingHook.load(folder).values()
    with pytest.raises(HookError, match=r"shared\.onnx: expected a constant fc9 as the hook has it, got none"):
        hooks.import_(model, folder, values)
    hook = hooks.export(model)
    doubles = {
        name: dataclasses.replace(weight, values=weight.values.astype(float)) for name, weight in hook.weights.items()
    }
    with pytest.raises(HookError, match=r"fc1: expected float64\[40, 84\] as in the hook, got float32\[40, 84\]"):
        hooks.import_(model, TrainingHook(doubles, hook.digest), hook.values())


def test_without_trained_values_it_says_where_it_looked(model, folder):
    result = onnxdc("hook", "import", model, folder, "-o", model.with_name("tuned.onnx"))
    assert result.stderr == f"onnxdc: error: {folder / 'trained.safetensors'}: cannot read: No such file or directory\n"

"""Hooks as files: they are read as they were written, trained values come back, and all else is refused in one line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import safetensors.numpy

from onnxdc import api, hooks, model_io
from onnxdc.errors import HookError
from onnxdc.hooks import TrainingHook
from tests.helpers.hook_models import moved, pruned, shared
from tests.helpers.small_models import constants, dense, onnxdc, saved
from tests.helpers.text_models import build, normal


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(shared(), tmp_path / "shared.onnx")


@pytest.fixture
def folder(model: Path) -> Path:
    hooks.export(model, model.with_name("hook"))
    return model.with_name("hook")


def test_a_hook_is_read_as_it_was_written(model, folder):
    written, read = hooks.export(model), TrainingHook.load(folder)
    assert read.digest == written.digest
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    for a, b in zip(written.weights.values(), read.weights.values(), strict=True):
        assert (a.name, a.stage, a.op_type, a.layout) == (b.name, b.stage, b.op_type, b.layout)
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_the_manifest_says_what_each_tensor_is(folder):
    manifest = json.loads((folder / "hook.json").read_text())
    tensors = safetensors.numpy.load_file(folder / "hook.safetensors")
    assert (manifest["format"], manifest["version"]) == ("onnxdc.hook", 1)
    fc1 = manifest["weights"][0]
    assert (fc1["name"], fc1["shape"], fc1["dtype"], fc1["stage"]) == ("fc1", [40, 84], "float32", "shared")
    np.testing.assert_array_equal(tensors[fc1["tensors"]["codebook"]][tensors[fc1["tensors"]["codes"]]], tensors["fc1"])
    assert {name for entry in manifest["weights"] for name in entry["tensors"].values()} == set(tensors)


def test_a_weight_may_be_called_as_a_part_of_another(tmp_path):
    model = build(
        "m (float[N, 40] x) => (float[N, 40] y) { h = MatMul(x, a) y = MatMul(h, book) }",
        a=normal(40, 40),
        book=normal(40, 40, seed=1),
    )
    model.graph.initializers["book"].name = "a.codebook"
    model = api.share(model, bits=3).model
    hook = hooks.export(model, tmp_path / "hook")
    found = TrainingHook.load(tmp_path / "hook")
    for name in ("a", "a.codebook"):
        np.testing.assert_array_equal(found.weights[name].values, hook.weights[name].values)
    trained = moved(hook)
    back = constants(hooks.import_(model, hook, trained).model)
    for name in ("a", "a.codebook"):
        np.testing.assert_array_equal(back[name], trained[name])


def damage(folder: Path, change: str) -> None:
    """Damage the files of a hook."""
    path = folder / "hook.json"
    manifest = json.loads(path.read_text())
    if change == "no manifest":
        path.unlink()
    elif change == "no JSON":
        path.write_text("{")
    elif change == "other format":
        path.write_text('{"format": "other"}')
    elif change == "later version":
        path.write_text(json.dumps(manifest | {"version": 2}))
    elif change == "no weights":
        path.write_text(json.dumps({key: value for key, value in manifest.items() if key != "weights"}))
    elif change == "stage":
        manifest["weights"][0]["stage"] = "frozen"
        path.write_text(json.dumps(manifest))
    elif change == "statistic":
        manifest["weights"][0]["statistic"] = "mean"
        path.write_text(json.dumps(manifest))
    elif change == "shape":
        manifest["weights"][0]["shape"] = [84, 40]
        path.write_text(json.dumps(manifest))
    elif change == "codes":
        tensors = safetensors.numpy.load_file(folder / "hook.safetensors")
        tensors["fc1.codes"] = tensors["fc1.codes"] + np.uint8(200)
        safetensors.numpy.save_file(tensors, folder / "hook.safetensors")
    elif change == "nested":
        path.write_text("[" * 100_000)
    elif change == "twice":
        path.write_text(json.dumps(manifest | {"weights": 2 * manifest["weights"]}))
    elif change == "eight bits":
        header = b'{"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}'
        (folder / "hook.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    elif change == "truncated":
        (folder / "hook.safetensors").write_bytes((folder / "hook.safetensors").read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no manifest", "hook.json: cannot read: No such file or directory"),
        ("no JSON", "hook.json: not JSON: "),
        ("other format", "hook.json: not a training hook: expected format 'onnxdc.hook'"),
        ("later version", "hook.json: expected version 1, got 2"),
        ("no weights", "hook.json: damaged: KeyError 'weights'"),
        ("stage", "hook.json: fc1: expected a stage of dense, pruned, shared, statistic, got 'frozen'"),
        ("statistic", "hook.json: fc1: expected None as statistic, got 'mean'"),
        ("shape", "hook.json: fc1: expected float32[84, 40], got float32[40, 84] in hook.safetensors"),
        ("codes", "hook.json: fc1: its codes and its codebook do not give its values"),
        ("nested", "hook.json: not JSON: "),
        ("twice", "hook.json: fc1: expected one entry, got several"),
        ("eight bits", "hook.safetensors: has a tensor of a type that numpy has not: "),
        ("truncated", "hook.safetensors: not a safetensors file: "),
    ],
)
def test_a_damaged_hook_is_refused_in_one_line(model, folder, change, message):
    damage(folder, change)
    result = onnxdc("hook", "import", model, folder, "-o", model.with_name("tuned.onnx"))
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not model.with_name("tuned.onnx").exists()


# Trained values come back.


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


def test_a_compressed_model_or_one_with_nan_goes_not_out(model):
    compressed = model.with_name("compressed.onnx")
    api.encode(model).save(compressed)
    result = onnxdc("hook", "export", compressed, "-o", model.with_name("hook"))
    assert result.stderr == f"onnxdc: error: {compressed}: the model is compressed: decode it first\n"
    broken = dense()
    broken.graph.initializers["fc2"].const_value = ir.Tensor(np.full((84, 10), np.nan, np.float32))
    result = onnxdc("hook", "export", saved(broken, model.with_name("nan.onnx")), "-o", model.with_name("hook"))
    assert "nan.onnx: fc2: weights must be finite, got 840 NaN or infinite of 840 elements" in result.stderr
    assert not model.with_name("hook").exists()


def test_a_folder_that_cannot_be_written_to_is_told(model):
    model.with_name("file").write_text("")
    for folder in (model.with_name("none") / "hook", model.with_name("file")):
        result = onnxdc("hook", "export", model, "-o", folder)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"onnxdc: error: {folder}: cannot write: ")


def test_no_file_that_is_read_is_written_over(model, folder):
    safetensors.numpy.save_file(moved(TrainingHook.load(folder)), folder / "trained.safetensors")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    graph = folder / "training.onnx"
    runs = [("export", graph, "-o", folder), ("import", model, folder, graph, "-o", graph)]
    runs += [("import", model, folder, "-o", path) for path in folder.iterdir() if path != graph]
    for arguments in runs:
        result = onnxdc("hook", *arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert "the output would overwrite" in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_export_says_what_each_weight_is(model):
    result = onnxdc("hook", "export", model, "-o", model.with_name("hook"), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["weights"][0] == {
        "name": "fc1",
        "stage": "shared",
        "shape": [40, 84],
        "density": 0.2,
        "values": 7,
        "moved": None,
    }

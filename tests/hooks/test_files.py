"""Hooks as files: they are read as they were written, and what is damaged is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import safetensors.numpy

from onnxdc import api, hooks
from onnxdc.errors import HookError
from onnxdc.hooks import TrainingHook
from tests.helpers.hook_models import moved
from tests.helpers.small_models import constants, dense, onnxdc, saved
from tests.helpers.text_models import build, normal


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
        ("no weights", "hook.json: weights: expected a list, got None"),
        ("stage", "hook.json: fc1: expected a stage of dense, pruned, shared, grid, statistic, got 'frozen'"),
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


def test_a_weight_may_have_the_name_that_files_of_tensors_reserve(tmp_path):
    model = build("m (float[N, 40] x) => (float[N, 40] y) { y = MatMul(x, w) }", w=normal(40, 40))
    value = model.graph.initializers.pop("w")
    value.name = "__metadata__"
    model.graph.initializers["__metadata__"] = value
    path = saved(model, tmp_path / "model.onnx")
    hook = hooks.export(path, tmp_path / "hook")
    found = TrainingHook.load(tmp_path / "hook").weights["__metadata__"]
    np.testing.assert_array_equal(found.values, hook.weights["__metadata__"].values)
    trained = normal(40, 40, seed=5)
    safetensors.numpy.save_file({"__metadata__.values": trained}, tmp_path / "hook" / "trained.safetensors")
    np.testing.assert_array_equal(constants(hooks.import_(path, tmp_path / "hook").model)["__metadata__"], trained)
    with pytest.raises(HookError, match="expected its values once"):
        hooks.import_(path, hook, {"__metadata__": trained, "__metadata__.values": trained})

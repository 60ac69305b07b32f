"""Files of a hook that hold anything: one line that names the file, before memory is taken for what it says."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from onnxdc import hooks
from onnxdc.errors import HookError
from onnxdc.hooks import TrainingHook
from onnxdc.hooks.tensors import MOST_JSON_BYTES, read_tensors
from tests.helpers.hook_models import moved
from tests.helpers.small_models import onnxdc

Entry = dict[str, Any]


def one_line(folder: Path, file: str = "hook.json") -> str:
    """What loading a hook says of a file."""
    with pytest.raises(HookError) as error:
        TrainingHook.load(folder)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 1000
    start = f"{folder / file}: "
    assert text.startswith(start)
    return text.removeprefix(start)


def changed(folder: Path, change: Callable[[Any], object]) -> None:
    """Change the manifest."""
    path = folder / "hook.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


FIELDS: dict[str, tuple[Entry, str]] = {
    "tensors is a list": ({"tensors": ["values"]}, "fc1: tensors: expected an object, got ['values']"),
    "no tensors": ({"tensors": None}, "fc1: tensors: expected an object, got None"),
    "a tensor is a number": ({"tensors": {"values": 3}}, "fc1: tensors: values: expected a text, got 3"),
    "another tensor": ({"tensors": {"values": "w"}}, "fc1: values: expected a tensor w in hook.safetensors, got none"),
    "layout is a text": ({"layout": "torch"}, "fc1: layout: expected an object of lists, got 'torch'"),
    "an axis twice": ({"layout": {"torch": [0, 0]}}, "fc1: layout: expected each axis of 2 once, got [0, 0] for torch"),
    "axes are texts": ({"layout": {"torch": ["0", "1"]}}, "fc1: layout: expected each axis of 2 once, got ['0', '1']"),
    "axes are switches": ({"layout": {"torch": [False, True]}}, "fc1: layout: expected each axis of 2 once"),
    "stage is a list": ({"stage": []}, "weight 0: stage: expected a text, got []"),
    "name is a number": ({"name": 1}, "weight 0: name: expected a text, got 1"),
    "statistic is an object": ({"statistic": {}}, "fc1: expected None as statistic, got {}"),
    "shape is a number": ({"shape": 3}, "fc1: expected float323, got float32[40, 84] in hook.safetensors"),
    "operator is a list": ({"operator": []}, "fc1: operator: expected a text, got []"),
    "a long stage": (
        {"stage": "x" * 100_000},
        "fc1: expected a stage of dense, pruned, shared, grid, statistic, got 'xxx",
    ),
    "a name that clears the screen": ({"name": "\x1b[2J\n", "stage": "x"}, r"\x1b[2J\n: expected a stage of"),
}


@pytest.mark.parametrize(("fields", "message"), FIELDS.values(), ids=FIELDS.keys())
def test_an_odd_field_is_named(folder, fields, message):
    changed(folder, lambda manifest: manifest["weights"][0].update(fields))
    assert one_line(folder).startswith(message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("weights", {"a": 1}, "weights: expected a list, got {'a': 1}"),
        ("weights", [3], "weight 0: expected an object, got 3"),
        ("model", [], "model: expected an object, got []"),
        ("model", {"sha256": 1}, "model: sha256: expected a text, got 1"),
        ("version", [[]], "expected version 1, got [[]]"),
    ],
)
def test_an_odd_manifest_is_refused(folder, key, value, message):
    changed(folder, lambda manifest: manifest.update({key: value}))
    assert one_line(folder) == message


@pytest.mark.parametrize("content", [b"[" * 10**5, b"1" * 5000, b"\xff", b"", b'{"a": NaN'])
def test_what_is_no_json_is_refused(folder, content):
    (folder / "hook.json").write_bytes(content)
    assert one_line(folder).startswith("not JSON: ")


def test_a_manifest_has_a_largest_size(folder):
    with open(folder / "hook.json", "wb") as file:
        file.truncate(MOST_JSON_BYTES + 1)
    assert one_line(folder) == f"expected at most {MOST_JSON_BYTES} bytes, got {MOST_JSON_BYTES + 1}"


@pytest.mark.parametrize("name", ["hook.json", "hook.safetensors"])
def test_a_pipe_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert one_line(folder, name).startswith("cannot read: not a regular file")


def tensor_file(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file, whose header may say anything."""
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


TENSOR_FILES = {
    "2^62 elements": tensor_file({"w": tensor([2**31, 2**31], [0, 2**62])}),
    "more than there is": tensor_file({"w": tensor([1 << 28], [0, 1 << 30])}),
    "overlapping": tensor_file({"v": tensor([2], [0, 8]), "w": tensor([2], [0, 8])}, b"\0" * 8),
    "a hole": tensor_file({"w": tensor([1], [4, 8])}, b"\0" * 8),
    "negative": tensor_file({"w": tensor([-2, -1], [0, 8])}, b"\0" * 8),
    "an endless header": tensor_file({}, length=2**63),
    "a header longer than the file": tensor_file({}, length=100),
    "nested": tensor_file(b"[" * 10**5),
    "seven bytes": b"\0" * 7,
    "nothing": b"",
}


@pytest.mark.parametrize("content", TENSOR_FILES.values(), ids=TENSOR_FILES.keys())
def test_tensors_are_not_more_than_the_file(tmp_path, content):
    path = tmp_path / "trained.safetensors"
    path.write_bytes(content)
    with pytest.raises(HookError, match=r"trained\.safetensors: not a safetensors file: ") as error:
        read_tensors(path)
    assert "\n" not in str(error.value)


def test_a_header_has_a_largest_size(tmp_path):
    path = tmp_path / "trained.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", MOST_JSON_BYTES + 1))
        file.truncate(2 * MOST_JSON_BYTES)
    with pytest.raises(HookError, match=f"expected a header of at most {MOST_JSON_BYTES} bytes"):
        read_tensors(path)


@pytest.mark.parametrize("dtype", [np.complex64, np.int32, np.bool_])
def test_a_codebook_of_another_type_is_refused(model, folder, dtype):
    hook = TrainingHook.load(folder)
    name, codebook = next(iter(hook.codebooks().items()))
    with pytest.raises(HookError, match=rf"{name}\.codebook: expected float32, got {np.dtype(dtype)}"):
        hooks.import_(model, hook, {f"{name}.codebook": codebook.astype(dtype)})


def test_many_names_are_not_all_shown(model, folder):
    trained = moved(TrainingHook.load(folder))
    many = {f"unknown{number}": np.zeros(1, np.float32) for number in range(10_000)}
    safetensors.numpy.save_file(many, folder / "trained.safetensors")
    result = onnxdc("hook", "import", model, folder, "-o", model.with_name("tuned.onnx"))
    assert result.exit_code == 1
    assert "and 9997 more" in result.stderr
    safetensors.numpy.save_file(trained, folder / "trained.safetensors")
    assert onnxdc("hook", "import", model, folder, "-o", model.with_name("tuned.onnx")).exit_code == 0

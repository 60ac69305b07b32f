"""Models from bytes and from file objects are those of a path, and a file object is left as it was."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

import onnxdc
from onnxdc.model_io import file_bytes, load, to_proto
from tests.helpers.small_models import LENET

CONTENT = LENET.read_bytes()


def in_an_archive(folder: Path) -> object:
    with zipfile.ZipFile(folder / "models.zip", "w") as archive:
        archive.writestr("lenet.onnx", CONTENT)
    return zipfile.ZipFile(folder / "models.zip").open("lenet.onnx")


def temporary(folder: Path) -> object:
    file = tempfile.SpooledTemporaryFile(dir=folder)  # noqa: SIM115
    file.write(CONTENT)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda _: CONTENT, id="bytes"),
        pytest.param(lambda _: bytearray(CONTENT), id="bytearray"),
        pytest.param(lambda _: memoryview(CONTENT), id="memoryview"),
        pytest.param(lambda _: io.BytesIO(CONTENT), id="BytesIO"),
        pytest.param(lambda _: LENET.open("rb"), id="file"),
        pytest.param(lambda _: LENET.open("rb", buffering=0), id="unbuffered"),
        pytest.param(in_an_archive, id="zip"),
        pytest.param(temporary, id="temporary"),
    ],
)
def test_a_model_is_that_of_the_path(given: Callable[[Path], Any], tmp_path: Path):
    source = given(tmp_path)
    model = load(source)
    assert to_proto(model) == to_proto(load(LENET)) == onnx.load(LENET)
    assert file_bytes(model) == file_bytes(load(model)) == LENET.stat().st_size
    assert to_proto(load(source)) == to_proto(model)  # again, as nothing was used up
    if hasattr(source, "close"):
        source.close()


def test_a_file_object_is_read_from_its_place_and_stays_there():
    file = io.BytesIO(b"a header" + CONTENT)
    file.seek(8)
    assert to_proto(load(file)) == onnx.load(LENET)
    assert file.tell() == 8


def refusal(source: Any) -> str:
    with pytest.raises(onnxdc.ModelError) as caught:
        load(source)
    return str(caught.value)


def test_what_is_no_model_is_named():
    assert refusal(b"") == "model: expected an ONNX model, got an empty file"
    assert refusal(io.BytesIO(CONTENT[:1000])).startswith("model: truncated: expected at least ")
    assert refusal(memoryview(b"# a text file\n")) == "model: not an ONNX model"


def test_a_file_object_that_cannot_be_read_is_named():
    assert refusal(io.StringIO("text")) == "model: expected a file object of bytes, got one of text"
    file = io.BytesIO(CONTENT)
    file.close()
    assert refusal(file) == "model: expected an open file object that can seek: I/O operation on closed file."
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        assert refusal(pipe).startswith("model: expected an open file object that can seek: ")


def test_another_type_is_a_mistake_of_the_program():
    with pytest.raises(TypeError):
        load(7)  # type: ignore[arg-type]


def test_external_data_of_bytes_lies_in_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "external.onnx"
    onnx.save(onnx.load(LENET), path, save_as_external_data=True, location="weights.data", size_threshold=1000)
    content = path.read_bytes()
    assert "weights.data: No such file" in refusal(content)
    monkeypatch.chdir(tmp_path)
    model = load(content)
    assert file_bytes(model) == path.stat().st_size + (tmp_path / "weights.data").stat().st_size
    assert refusal(content.replace(b"weights.data", b"../weights.d")).endswith("outside of the model's directory")

"""A model in memory is lent to onnxruntime: nobody else can read it, and nothing is left of it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxdc.errors import ModelError
from onnxdc.model_io import files
from onnxdc.runtime import session
from onnxdc.runtime.loan import on_loan
from tests.helpers.small_models import dense

LINUX = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="files without a name are a matter of Linux")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@LINUX
def test_the_file_has_no_name_and_is_private(folder):
    with on_loan(dense()) as path:
        assert os.listdir(folder) == []
        found = os.stat(path)
        assert (found.st_nlink, stat.S_IMODE(found.st_mode) & 0o077) == (0, 0)
        assert onnxruntime.InferenceSession(path).get_inputs()[0].name == "x"
    assert not os.path.exists(path)


@LINUX
def test_a_session_needs_no_folder_for_temporary_files(folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "missing"))
    feeds = {"x": np.ones((2, 40), np.float32)}
    assert session(dense(), native=False).run(None, feeds)[0].shape == (2, 10)


def test_a_model_beyond_protobuf_lies_in_a_private_folder(folder, monkeypatch):
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    with on_loan(dense()) as path:
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
        onnx.load(path)
    assert os.listdir(folder) == []


def test_no_room_for_a_large_model_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "missing"))
    with pytest.raises(ModelError, match="model: cannot write a temporary copy: No such file"), on_loan(dense()):
        pass


def test_nothing_is_open_after_an_error(folder):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(KeyboardInterrupt), on_loan(dense()):
        raise KeyboardInterrupt
    assert os.listdir(folder) == []
    assert not before or len(os.listdir("/proc/self/fd")) == before

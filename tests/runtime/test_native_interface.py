"""A library is used only if it was compiled from the sources that the Python side goes with."""

from __future__ import annotations

import _ctypes
import ctypes

import pytest

import onnxdc
from onnxdc import native
from onnxdc.errors import NativeError


def message_of(path: str) -> str:
    with pytest.raises(NativeError) as error:
        native._load(path)
    return str(error.value)


def expected_message(path: str, difference: str) -> str:
    return f"{path} is the library of another version of onnxdc: expected {difference}: reinstall onnxdc"


def test_the_installed_library_has_the_same_interface():
    native._load(native.library_path())


def test_another_version_is_an_error(monkeypatch):
    path, version = native.library_path(), native._INTERFACE
    monkeypatch.setattr(native, "_INTERFACE", version + 1)
    assert message_of(path) == expected_message(path, f"interface {version + 1}, got {version}")


def test_a_library_of_another_release_is_an_error(monkeypatch):
    path, version = native.library_path(), onnxdc.__version__
    monkeypatch.setattr(onnxdc, "__version__", "9.9.9")
    assert message_of(path) == expected_message(path, f"version 9.9.9, got {version}")


def test_a_library_that_does_not_say_is_of_interface_1():
    path = _ctypes.__file__  # some library of others
    assert message_of(path) == expected_message(path, f"interface {native._INTERFACE}, got 1")


def test_another_structure_is_an_error(monkeypatch):
    class Larger(ctypes.Structure):
        _fields_ = (("group", native._WeightGroup), ("more", ctypes.c_int64))

    path, nbytes = native.library_path(), ctypes.sizeof(native._WeightGroup)
    monkeypatch.setattr(native, "_WeightGroup", Larger)
    assert message_of(path) == expected_message(path, f"weight groups of {nbytes + 8} bytes, got {nbytes}")

"""What `doctor` says of an installation, and what to do where the native library is missing or refused."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import pytest

import onnxdc
from onnxdc import native
from onnxdc.errors import NativeError, OnnxruntimeError
from onnxdc.runtime import doctor, machine, ort


def compiler(folder: Path, first_line: str) -> None:
    """Put a program called c++ into a folder, alone on PATH, that says so when asked for its version."""
    path = folder / "c++"
    path.write_text(f"#!/bin/sh\necho '{first_line}'\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def only_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path


def test_versions_are_those_that_are_installed():
    found = doctor.examine()
    assert found.healthy
    assert found.onnxdc == metadata.version("onnxdc")
    assert found.python == platform.python_version()
    assert found.onnxruntime == metadata.version("onnxruntime")
    for name in ("onnx", "onnx-ir", "numpy", "ml_dtypes", "scipy"):
        assert found.packages[name] == metadata.version(name)


def test_the_line_for_a_report_has_all_of_it():
    found = doctor.examine()
    assert "\n" not in found.line
    for fact in (found.onnxdc, found.isa, found.python, found.onnxruntime, found.system, found.processor):
        assert fact
        assert fact in found.line
    assert str(found).splitlines()[-1] == f"for a bug report: {found.line}"


def test_it_says_why_an_instruction_set_was_chosen(monkeypatch):
    monkeypatch.delenv("ONNXDC_ISA", raising=False)
    found = doctor.examine()
    assert found.isa == native.supported_isas()[0]
    assert found.choice == f"the first of those that run here: {', '.join(native.supported_isas())}"
    monkeypatch.setenv("ONNXDC_ISA", "scalar")
    found = doctor.examine()
    assert (found.isa, found.choice) == ("scalar", "ONNXDC_ISA=scalar")


def test_a_library_of_another_version_is_named(monkeypatch):
    built = onnxdc.__version__
    native._library.cache_clear()
    monkeypatch.setattr(onnxdc, "__version__", "9.9.9")
    found = doctor.examine()
    assert f"expected version 9.9.9, got {built}" in found.problem
    assert found.cost
    assert "reinstall" in found.advice


def missing() -> str:
    raise NativeError("it is not there")


def test_without_a_library_or_a_compiler_it_says_what_is_missing_and_what_it_costs(monkeypatch, only_path):
    monkeypatch.setattr(native, "library_path", missing)
    found = doctor.examine()
    assert found.problem == "it is not there"
    assert found.cost.startswith("models run by their portable functions")
    assert "there is no C++ compiler" in found.advice
    assert "not native (it is not there)" in found.line


@pytest.mark.parametrize(
    "line",
    [
        "g++ (Debian 8.3.0-6) 8.3.0",
        "clang version 10.0.1",
        "Debian clang version 9.0.1-16.1",
        "no version at all",
        "",
    ],
)
def test_a_compiler_that_is_too_old_is_one_line(only_path, line):
    compiler(only_path, line)
    reason = machine.why_no_compiler()
    assert reason == (
        "the C++ compiler c++ is too old: expected gcc 9 or clang 11 or a later one, got " + (line or "no version")
    )


@pytest.mark.parametrize(
    "line",
    [
        "g++ (Debian 12.2.0-14) 12.2.0",
        "c++ (GCC) 9.4.0",
        "Debian clang version 14.0.6",
        "Apple clang version 15.0.0 (x)",
    ],
)
def test_a_compiler_that_is_recent_enough_is_no_reason(only_path, monkeypatch, line):
    compiler(only_path, line)
    assert machine.why_no_compiler() is None
    monkeypatch.setattr(native, "library_path", missing)
    assert "ONNXDC_REQUIRE_NATIVE=1" in doctor.examine().advice


def test_a_compiler_that_does_not_run_is_named(only_path, monkeypatch):
    monkeypatch.setenv("CXX", os.fspath(only_path / "g++-99"))
    assert "g++-99 does not run: " in machine.why_no_compiler()


@pytest.mark.parametrize(
    ("version", "numpy", "fits"), [("1.17.3", "2.0.1", False), ("1.17.3", "1.26.4", True), ("1.19.0", "2.4.0", True)]
)
def test_an_onnxruntime_that_numpy_2_breaks_is_named(monkeypatch, version, numpy, fits):
    monkeypatch.setattr(ort.metadata, "version", lambda _: version)
    monkeypatch.setattr(ort.np, "__version__", numpy)
    if fits:
        ort._check_numpy()
        return
    with pytest.raises(OnnxruntimeError, match=r"onnxruntime 1.17.3 does not run with numpy 2.0.1: expected numpy<2"):
        ort._check_numpy()

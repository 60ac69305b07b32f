"""A library that is damaged or of another version, and odd values of ONNXDC_ISA, end in one line or do without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onnxdc import native
from onnxdc.errors import NativeError
from onnxdc.runtime import elf, why_not_native

COMMAND = [sys.executable, "-m", "onnxdc"]


@pytest.fixture(scope="module")
def content() -> bytes:
    return Path(native.library_path()).read_bytes()


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(NativeError) as caught:
        native._load(str(path))
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.02, 0.5, 0.9, 0.999])
def test_a_truncated_library_is_not_loaded(tmp_path, content, share):
    size = int(len(content) * share)
    assert f"it is truncated: expected {64 if size < 64 else len(content)} bytes, got {size}" in refusal(
        tmp_path / "lib.so", content[:size]
    )


def test_the_library_is_whole():
    elf.check_whole(native.library_path())


@pytest.mark.parametrize("other", [b"", b"a text\n", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(58), bytes(100)], ids=len)
def test_what_is_no_library_is_named(tmp_path, other):
    assert "does not load" in refusal(tmp_path / "lib.so", other)


def test_a_missing_library_is_named(tmp_path):
    with pytest.raises(NativeError, match="No such file"):
        native._load(str(tmp_path / "lib.so"))


@pytest.mark.parametrize("name", ["onnxdc_supported_isas", "onnxdc_isa", "onnxdc_decode_weight"])
def test_a_library_without_a_function_is_of_another_version(tmp_path, content, name):
    other = content.replace(b"\0" + name.encode() + b"\0", b"\0" + name[:-1].encode() + b"_\0")
    assert other != content
    message = refusal(tmp_path / f"{name}.so", other)
    assert f"is the library of another version of onnxdc: expected a function {name}, got none" in message


@pytest.mark.parametrize("value", [b"\xff\xfe", b"avx\xe9", "é".encode() * 400, b"a" * 100_000, b"\x1b[31mavx2"])
def test_an_odd_instruction_set_is_one_line(value):
    environment = {**os.environb, b"ONNXDC_ISA": value}
    done = subprocess.run([*COMMAND, "doctor"], capture_output=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr == b"onnxdc: error: compressed models run portably only\n"
    assert len(done.stdout) < 2500
    assert done.stdout.decode().replace("\n", "").isprintable()


def test_the_reason_can_be_printed(monkeypatch):
    monkeypatch.setattr(native, "isa", lambda: (_ for _ in ()).throw(NativeError("ONNXDC_ISA: \x1b\n")))
    assert why_not_native() == r"ONNXDC_ISA: \x1b\n"

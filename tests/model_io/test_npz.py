"""Archives of arrays from strangers: what is asked for is read, what is out of proportion or damaged is named."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from onnxdc import ModelError
from onnxdc.model_io.feeds import load_arrays
from onnxdc.model_io.feeds.npz import RATIO, SURE

ARRAY = np.arange(600, dtype=np.float32).reshape(6, 100)


def member(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode("latin1") + b"\n"
    width = "<H" if version == b"\1\0" else "<I"
    return b"\x93NUMPY" + version + struct.pack(width, len(text)) + text + data


def described(descr: str, shape: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return member(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", data, version)


def content_of(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(path: Path, content: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("x.npy", content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_arrays(path)["x"]
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "array",
    [ARRAY, np.asfortranarray(ARRAY), ARRAY[:0], np.float16(3), np.array(["a", "bc"]), np.array([1 + 2j]), ARRAY > 3],
)
def test_arrays_come_as_numpy_reads_them(tmp_path, save, array):
    save(tmp_path / "x.npz", x=array, y=np.zeros(1))
    arrays = load_arrays(tmp_path / "x.npz", "x")
    assert list(arrays) == ["x", "y"]
    np.testing.assert_array_equal(arrays["x"], array)
    assert arrays["x"].dtype == np.asarray(array).dtype
    assert "z" not in arrays


def test_a_header_of_version_2(tmp_path):
    path = archive(tmp_path / "x.npz", described("'<f4'", "(600,)", ARRAY.tobytes(), b"\2\0"))
    np.testing.assert_array_equal(load_arrays(path)["x"], ARRAY.reshape(-1))


def test_only_what_is_asked_for_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("x.npy", content_of(ARRAY))
        file.writestr("damaged.npy", b"no array")
    arrays = load_arrays(tmp_path / "x.npz")
    np.testing.assert_array_equal(arrays["x"], ARRAY)
    with pytest.raises(ModelError, match="damaged: expected an array"):
        arrays["damaged"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (described("'<f4'", f"({2**60},)"), f"expected {2**62} bytes for float32"),
        (described("'<f4'", "(10, 10)", b"\0" * 399), "expected 400 bytes for float32[10, 10], the file holds 399"),
        (described("'<f4'", "(10, 10)", b"\0" * 401), "the file holds 401"),
        (described("'<f4'", "(-1,)"), "expected -4 bytes"),
        (described("'<f4'", "(-1, -1)", b"\0" * 4), "expected 4 bytes"),
        (described("[('a', '<f4')]", "(1,)", b"\0" * 4), "expected an array of numbers or texts"),
        (described("'|O'", "(1,)", b"\0" * 8), "expected an array of numbers or texts"),
        (described("'|V8'", "(1,)", b"\0" * 8), "expected an array of numbers or texts"),
        (described("'nonsense'", "(1,)"), "a header that is none"),
        (described("'<f4'", "1"), "a header that is none"),
        (member("{'descr': " + "(" * 3000), "a header that is none"),
        (member("[" * 9000), "a header that is none"),
        (member("__import__('os')"), "a header that is none"),
        (b"\x93NUMPY\2\0" + b"\xff" * 4, "a header that is none"),
        (b"\x93NUMPY\7\0" + b"\0" * 20, "a header that is none"),
        (b"abc", "a header that is none"),
        (b"", "a header that is none"),
    ],
)
def test_members_that_are_no_arrays(tmp_path, content, message):
    assert message in refusal(archive(tmp_path / "x.npz", content))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    size = SURE + 2**24
    path = archive(tmp_path / "x.npz", described("'|u1'", f"({size},)", bytes(size)), zipfile.ZIP_DEFLATED)
    limit = SURE + RATIO * os.path.getsize(path)
    assert f"makes {size} bytes to read of a file that may have {limit}" in refusal(path)


def test_all_that_is_read_counts(tmp_path):
    half = described("'|u1'", f"({SURE * 2 // 3},)", bytes(SURE * 2 // 3))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name in "xy":
            file.writestr(f"{name}.npy", half)
    arrays = load_arrays(tmp_path / "x.npz")
    for _ in range(2):
        assert arrays["x"].size == SURE * 2 // 3
    with pytest.raises(ModelError, match=f"y: .* makes {SURE * 2 // 3 * 2} bytes"):
        arrays["y"]


def patched(path: Path, method: int, **changes: tuple[int, int]) -> Path:
    """Write an archive and change a byte at an offset of the local and of the central header each."""
    content = bytearray(archive(path, content_of(ARRAY), method).read_bytes())
    central = content.index(b"PK\1\2")
    for local, (offset, value) in ((0, changes["local"]), (central, changes["central"])):
        content[local + offset] = value
    path.write_bytes(bytes(content))
    return path


def test_an_encrypted_member(tmp_path):
    path = patched(tmp_path / "x.npz", zipfile.ZIP_STORED, local=(6, 1), central=(8, 1))
    assert refusal(path) == f"{path}: x: cannot read: it is encrypted"


def test_an_unknown_compression(tmp_path):
    path = patched(tmp_path / "x.npz", zipfile.ZIP_STORED, local=(8, 99), central=(10, 99))
    assert refusal(path) == f"{path}: x: cannot read: its compression is not supported"


@pytest.mark.parametrize("start", [40, 200])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_damaged_data(tmp_path, method, start):
    path = archive(tmp_path / "x.npz", content_of(ARRAY), method)
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\xff" * 30 + content[start + 30 :])
    assert "x: " in refusal(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\5\6" + b"\xff" * 18])
def test_files_that_are_no_archives(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot read: not an \.npz file"):
        load_arrays(tmp_path / "x.npz")


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(ModelError, match="expected a regular file"):
        load_arrays(tmp_path / "x.npz")

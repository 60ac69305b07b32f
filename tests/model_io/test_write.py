"""Where a model is written to: what is refused, what is replaced and how, and that a model never loses its data."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from onnxdc.errors import ModelError
from onnxdc.model_io import check_output, files, load, save
from tests.helpers import dying_saves
from tests.helpers.small_models import dense

NOBODY = 65534  # a user without rights


@pytest.fixture
def umask() -> Iterator[int]:
    old = os.umask(0o022)
    yield 0o022
    os.umask(old)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


@pytest.mark.parametrize(
    ("make", "kind"), [(make_fifo, "a FIFO"), (make_socket, "a socket"), (make_link_to_a_fifo, "a FIFO")]
)
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)  # the address of a socket must be short
    path = Path("out.onnx")
    make(path)
    before = path.lstat()
    for write in (lambda: check_output(path, []), lambda: save(dense(), path)):
        with pytest.raises(ModelError, match=f"out.onnx: cannot write: it is {kind}, expected a regular file"):
            write()
    assert path.lstat() == before
    assert not list(tmp_path.glob(".*"))


def test_a_fifo_that_comes_during_the_work_stays(tmp_path, monkeypatch):
    path = tmp_path / "out.onnx"
    real = files.inside

    def inside(model):
        os.mkfifo(path)
        return real(model)

    monkeypatch.setattr("onnxdc.model_io.write.inside", inside)
    with pytest.raises(ModelError, match="it is a FIFO"):
        save(dense(), path)
    assert os.listdir(tmp_path) == ["out.onnx"]


def test_a_device_is_refused_before_the_work():
    with pytest.raises(ModelError, match="/dev/null: cannot write: it is a device, expected a regular file"):
        check_output("/dev/null", [])


def test_an_open_pipe_is_refused_by_its_name():
    for end in os.pipe():
        with pytest.raises(ModelError, match="it is a FIFO, expected a regular file"):
            check_output(f"/dev/fd/{end}", [])
        os.close(end)


def test_standard_output_is_refused():
    with pytest.raises(ModelError, match="expected the name of a regular file, got standard output"):
        check_output("-", [])


@pytest.fixture
def no_root() -> Iterator[None]:
    """Root may write anywhere, so that it is nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    yield
    os.setresuid(0, 0, 0)


def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(no_root):
    with pytest.raises(ModelError, match="Permission denied"):
        check_output("/out.onnx", [])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664])
@pytest.mark.parametrize("limit", [1000, files.PROTOBUF_LIMIT])
def test_a_file_has_the_mode_of_the_one_that_it_replaces(tmp_path, monkeypatch, umask, mode, limit):
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", limit)
    path = tmp_path / "out.onnx"
    path.write_bytes(b"old")
    path.chmod(mode)
    save(dense(), path)
    assert {rights(each) for each in tmp_path.iterdir()} == {mode}


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, monkeypatch, umask):
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    save(dense(), tmp_path / "out.onnx")
    assert [rights(path) for path in tmp_path.iterdir()] == [0o666 & ~umask] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_has_the_owner_of_the_one_that_it_replaces(tmp_path):
    path = tmp_path / "out.onnx"
    path.write_bytes(b"old")
    os.chown(path, 1234, 2345)
    save(dense(), path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_group_gets_no_rights_that_another_had(tmp_path, monkeypatch):
    def refused(*_arguments: object) -> None:
        raise PermissionError

    path = tmp_path / "out.onnx"
    path.write_bytes(b"old")
    path.chmod(0o664)
    os.chown(path, 1234, 2345)
    monkeypatch.setattr(os, "chown", refused)
    save(dense(), path)
    assert rights(path) == 0o644


def test_nobody_else_can_read_what_replaces_a_private_file(tmp_path, monkeypatch, umask):
    path = tmp_path / "out.onnx"
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen = []
    monkeypatch.setattr(os, "replace", lambda a, b, replace=os.replace: (seen.append(rights(Path(a))), replace(a, b)))
    monkeypatch.setattr(os, "chmod", lambda a, b, chmod=os.chmod: (seen.append(rights(Path(a))), chmod(a, b)))
    save(dense(), path)
    assert seen
    assert set(seen) == {0o600}
    assert rights(path) == 0o600


def test_other_hard_links_keep_the_old_content(tmp_path):
    (tmp_path / "out.onnx").write_bytes(b"old")
    os.link(tmp_path / "out.onnx", tmp_path / "other.onnx")
    save(dense(), tmp_path / "out.onnx")
    assert (tmp_path / "other.onnx").read_bytes() == b"old"
    onnx.load(tmp_path / "out.onnx")


def data_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.endswith(".data")}


def test_old_data_goes_when_the_model_that_needed_it_is_replaced(tmp_path, monkeypatch):
    path = tmp_path / "out.onnx"
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    save(dense(seed=0), path)
    first = data_files(tmp_path)
    save(dense(seed=0), path)
    assert data_files(tmp_path) == first
    save(dense(seed=5), path)
    assert len(data_files(tmp_path)) == 1
    assert data_files(tmp_path) != first
    onnx.load(path)
    monkeypatch.undo()
    save(dense(), path)
    assert not data_files(tmp_path)


def test_only_data_of_our_own_goes(tmp_path, monkeypatch):
    path = tmp_path / "out.onnx"
    onnx.save(ir.to_proto(dense()), path, save_as_external_data=True, location="out.onnx.data")
    others = {"out.onnx.data", "out.onnx.0123456789abcdef.data", "other.onnx.0123456789abcdef.data"}
    for name in others - {"out.onnx.data"}:
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    save(dense(seed=3), path)
    assert others < data_files(tmp_path)


def test_data_that_the_model_was_read_from_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    monkeypatch.setattr(files, "LARGE", 1000)
    save(dense(), tmp_path / "out.onnx")
    content = (tmp_path / "out.onnx").read_bytes()
    (tmp_path / "copy.onnx").write_bytes(content)
    before = data_files(tmp_path)
    monkeypatch.undo()
    save(load(tmp_path / "copy.onnx"), tmp_path / "out.onnx")
    assert data_files(tmp_path) == before
    onnx.load(tmp_path / "copy.onnx")


@pytest.mark.parametrize("how", ["kill", *(pytest.param(how, marks=pytest.mark.slow) for how in ("interrupt", "fail"))])
def test_a_model_finds_its_own_data_wherever_writing_ends(tmp_path, how):
    command = [sys.executable, "-m", dying_saves.__name__, tmp_path, how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100

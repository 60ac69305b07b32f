"""Put a new file in the place of another one: all of it or nothing, for as many eyes as the old one.

A new file is written next to its place under a temporary name, brought to the disk, and renamed. Until then the old
file is what it was, and whatever ends the writing, short of a kill, removes the temporary one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from io import BufferedRandom
from pathlib import Path
from typing import IO, Final

_KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Refuse a path that no file can be put at, before the work that leads there.

    Raises:
        OSError: There is something else than a regular file, or the folder is missing or cannot be written to; its
            ``strerror`` says what.
    """
    # Asked of the path itself: that of an open pipe, /dev/stdout, resolves to a name that does not exist.
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, expected a regular file", os.fspath(path))
    folder = os.path.dirname(os.path.realpath(path))
    os.stat(os.path.join(folder, "."))  # fails where the parent is a file, too
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), folder)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of ``path`` when nothing failed, and is gone otherwise.

    A symbolic link stays, and what it leads to is replaced.
    """
    target = Path(os.path.realpath(path))
    with temporary_file(target) as file:
        yield file
        put(file, target, like=target)


@contextlib.contextmanager
def temporary_file(target: Path) -> Iterator[BufferedRandom]:
    """Open a new file next to ``target``, which is gone in the end unless it was put somewhere.

    Nobody can read it who might not be allowed to read what it becomes: where it replaces a file, that is only known in
    the end.
    """
    check_replaceable(target)
    mode = 0o600 if target.exists() else 0o666  # less what the umask takes away
    name = target.with_name(f".onnxdc.{secrets.token_hex(8)}.tmp")
    try:
        with open(name, "x+b", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            yield file
    finally:
        name.unlink(missing_ok=True)


def put(file: IO[bytes], place: Path, *, like: Path) -> None:
    """Close and rename a file of ``temporary_file`` once it is on the disk, with the rights of the file ``like``.

    Everything is done to the name, as somebody may have put a file of his own there: safetensors does.
    """
    file.flush()
    check_replaceable(place)
    with contextlib.suppress(FileNotFoundError):
        _take_rights(file.name, os.stat(like))
    with open(file.name, "r+b") as written:  # which Windows wants of a file that it writes to the disk
        os.fsync(written.fileno())
    file.close()  # Windows renames no file that is open
    os.replace(file.name, place)
    sync_folder(place.parent)


def _take_rights(name: str, old: os.stat_result) -> None:
    """Give a file the owner and the mode of another one; never rights to a group that had none."""
    mode = stat.S_IMODE(old.st_mode) & 0o777
    new = os.stat(name)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(name, old.st_uid, old.st_gid)
        except OSError:  # only root may give files away; one's own groups may do
            with contextlib.suppress(OSError):
                os.chown(name, -1, old.st_gid)
    if os.stat(name).st_gid != old.st_gid:
        mode &= ~0o070 | (mode & 0o007) << 3
    os.chmod(name, mode)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

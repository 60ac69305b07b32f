"""Reading regular files by descriptor, so that what was checked of a file is what is read.

Data are read, not mapped: a file that shrinks meanwhile gives an error, where a map would end the process.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import Final

# What Linux and macOS have, and what Windows has.
_FLAGS: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_SEEKING: Final = threading.Lock()


def open_regular(path: str | os.PathLike[str]) -> int:
    """Open a file for reading; the descriptor, which the caller closes.

    Raises:
        OSError: The file cannot be opened, or is no regular file: a folder, a pipe, a socket, a device.
    """
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "not a regular file: it is a pipe, a socket or a device", os.fspath(path))


def read_at(descriptor: int, offset: int, count: int) -> bytearray:
    """Read bytes of an open file.

    Raises:
        OSError: The file ends before.
    """
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        got = _read_some(descriptor, offset + done, view[done : done + (1 << 30)])
        if not got:
            raise OSError(errno.EIO, f"it has become shorter: expected {count} bytes from {offset} on, got {done}")
        done += got
    return content


def _read_some(descriptor: int, offset: int, view: memoryview) -> int:
    """Fill some of the view, and return how many bytes: 0 at the end of the file."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [view], offset)
    with _SEEKING:  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        content = os.read(descriptor, len(view))
    view[: len(content)] = content
    return len(content)

"""Whether a shared library is all there, before it is loaded.

The loader of Linux maps the parts of a file that its header lists without a look at the length of the file, and then
reads from them: a library that was cut, by a full disk, ends the process with SIGBUS instead of giving an error.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, Final

_MAGIC: Final = b"\x7fELF\x02\x01"  # 64 bits, little-endian: what the library is built for
_HEADER: Final = struct.Struct("<16xHHIQQQIHHHHHH")  # Elf64_Ehdr
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr


def check_whole(path: str) -> None:
    """Refuse an ELF file that is shorter than it says. Other files are left to the loader, which refuses them.

    Raises:
        OSError: It is shorter, or cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        expected = _expected_bytes(file)
    if size < expected:
        raise OSError(f"it is truncated: expected {expected} bytes, got {size}")


def _expected_bytes(file: BinaryIO) -> int:
    """Return where the last part of an ELF file ends; 0 for another file."""
    content = file.read(_HEADER.size)
    if not content.startswith(_MAGIC):
        return 0
    if len(content) < _HEADER.size:
        return _HEADER.size
    fields = _HEADER.unpack(content)
    segments_at, sections_at = fields[4:6]
    segment_nbytes, segments, section_nbytes, sections = fields[8:12]
    end: int = max(segments_at + segments * segment_nbytes, sections_at + sections * section_nbytes)
    file.seek(segments_at)
    for _ in range(segments):
        segment = file.read(_SEGMENT.size)
        if segment_nbytes != _SEGMENT.size or len(segment) < _SEGMENT.size:
            break
        offset, length = _SEGMENT.unpack(segment)[2], _SEGMENT.unpack(segment)[5]
        end = max(end, offset + length)
    return end

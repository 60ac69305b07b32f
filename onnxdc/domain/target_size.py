"""How large a file may become: bytes, or a part of what it was."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from onnxdc.domain.limits import parse_size
from onnxdc.errors import OptionError, OptionName

TargetSize: TypeAlias = int | str
"""Bytes, as a number or as a text such as ``"600KB"``; or a part of the input file, such as ``"8x"``."""

_RATIO: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?x", re.ASCII | re.IGNORECASE)
_LEAST: Final = 100  # bytes, a choice: no compressed weight takes fewer


def target_bytes(target: TargetSize, file_bytes: int | None) -> int:
    """Return the bytes that a target allows, 1 at least.

    Args:
        target: The target.
        file_bytes: The bytes of the input file; None if there is none.

    >>> target_bytes("600KB", None), target_bytes("8x", 4_000_000)
    (600000, 500000)

    Raises:
        OptionError: It is no size, fewer bytes than any model takes, or a part of what is not known.
    """
    match = _RATIO.fullmatch(target.strip()) if isinstance(target, str) else None
    if match is None:
        nbytes = parse_size(target, "target_size", 'bytes, such as 600000 or "600KB", or "8x"')
        if nbytes < _LEAST:
            message = f': expected {_LEAST} bytes or more, or "{nbytes}x" for a part of the file, got {target}'
            raise OptionError(OptionName("target_size"), message)
        return nbytes
    if file_bytes is None:
        raise OptionError(OptionName("target_size"), f": {target} of what? Expected bytes for a model that is no file")
    ratio = float(match.group(1))
    if ratio < 1:
        raise OptionError(OptionName("target_size"), f": expected 1x or more, got {target}")
    return max(1, int(file_bytes / ratio))

"""The native library's interface for C, as far as opening a compressed model takes it: unpack what runs dense."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from onnxdc import native

_TEXT_BYTES: Final = 512


class ExpandError(Exception):
    """The library refuses a model; one line says why."""


def expand_file(model: Path, out: Path) -> None:
    """Write a model whose dense layers have plain weights.

    Raises:
        ExpandError: The library refuses the model, or cannot write the file.
    """
    function = ctypes.CDLL(native.library_path()).onnxdc_expand_file
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t]
    error = ctypes.create_string_buffer(_TEXT_BYTES)
    if function(os.fsencode(model), os.fsencode(out), 0, error, _TEXT_BYTES):
        raise ExpandError(error.value.decode())

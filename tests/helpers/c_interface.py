"""The interface of the native library for C, custom_ops/include/onnxdc.h, as a program would use it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from onnxdc import native

RESULTS: Final = ("OK", "BAD_MODEL", "BAD_WEIGHT", "LIMIT", "TOO_LARGE", "EXTERNAL_DATA", "FILE", "MEMORY")
_TEXT_BYTES: Final = 512


class ExpandError(Exception):
    """What a function answered: the name of the result, and the line."""

    def __init__(self, result: str, text: str) -> None:
        super().__init__(f"{result}: {text}")
        self.result, self.text = result, text


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(native.library_path())
    size = ctypes.c_size_t
    error = [ctypes.c_uint64, ctypes.c_char_p, size]
    library.onnxdc_expand_file.argtypes = [ctypes.c_char_p, ctypes.c_char_p, *error]
    outputs = [ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(size)]
    library.onnxdc_expand_buffer.argtypes = [ctypes.c_char_p, size, *outputs, *error]
    library.onnxdc_free.argtypes = [ctypes.c_void_p]
    library.onnxdc_free.restype = None
    library.onnxdc_version.restype = ctypes.c_char_p
    return library


def version() -> str:
    """What onnxdc_version says."""
    return _library().onnxdc_version().decode()


def expand_buffer(model: bytes, limit: int = 0) -> bytes:
    """The model that onnxdc_expand_buffer makes; an ExpandError if it fails."""
    library, text = _library(), ctypes.create_string_buffer(_TEXT_BYTES)
    out, size = ctypes.c_void_p(1), ctypes.c_size_t(1)
    result = library.onnxdc_expand_buffer(
        model, len(model), ctypes.byref(out), ctypes.byref(size), limit, text, len(text)
    )
    if result:
        assert not out.value
        assert not size.value
        raise ExpandError(RESULTS[result], text.value.decode())
    assert text.value == b""
    try:
        return ctypes.string_at(out, size.value)
    finally:
        library.onnxdc_free(out)


def expand_file(model: Path, out: Path, limit: int = 0) -> None:
    """What onnxdc_expand_file does; an ExpandError if it fails."""
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    result = _library().onnxdc_expand_file(os.fsencode(model), os.fsencode(out), limit, text, len(text))
    if result:
        raise ExpandError(RESULTS[result], text.value.decode())

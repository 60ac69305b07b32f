"""The native library through its small C interface: its path, the instruction set that it uses, its decoder."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

import onnxdc
from onnxdc.errors import FormatError, NativeError
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.runtime.elf import check_whole

_FILES = {"darwin": "libonnxdc_ops.dylib", "win32": "onnxdc_ops.dll"}
_FILE = _FILES.get(sys.platform, "libonnxdc_ops.so")
_INTERFACE = 3  # the version of custom_ops/c_api.cc that this file is written for
_TEXT_BYTES = 512  # of a message, a choice: the library cuts longer ones
_SUCCESS = 0
ISA_VARIABLE = "ONNXDC_ISA"  # of the environment: the instruction set that is to be used


class _Tensor(ctypes.Structure):
    """TensorView of custom_ops/decoder/weight_group.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
        ("rank", ctypes.c_int32),
        ("type", ctypes.c_int32),
    )


class _WeightGroup(ctypes.Structure):
    """WeightGroup of custom_ops/decoder/weight_group.h."""

    _fields_ = (
        ("tensors", _Tensor * 8),
        ("checksum", ctypes.c_int64),
        ("packet", ctypes.c_int64),
        ("group_axis", ctypes.c_int64),
        ("dtype", ctypes.c_int64),
    )


def library_path() -> str:
    """Return the file to give to ``SessionOptions.register_custom_ops_library``.

    Raises:
        NativeError: The package was installed without its library, or is used without having been installed.
    """
    return str(_installed("lib", _FILE))


def include_dir() -> str:
    """Return the folder of ``onnxdc.h``, the library's interface for programs in C and C++.

    Raises:
        NativeError: The package is used without having been installed.
    """
    return str(_installed("include", "onnxdc.h").parent)


def _installed(folder: str, name: str) -> Path:
    # An editable installation has two roots: the sources, and the installed files, among them the library.
    for root in onnxdc.__path__:
        path = Path(root) / folder / name
        if path.is_file():
            return path
    raise NativeError(
        f"{name} is not in {' or '.join(onnxdc.__path__)}: onnxdc was installed without its native library; "
        "`onnxdc doctor` says what to do"
    )


def isa() -> str:
    """Return the instruction set that the kernels use, one of :func:`supported_isas`.

    The best that the machine has, or what the environment variable ``ONNXDC_ISA`` says. A session obeys it when it is
    created.

    Raises:
        NativeError: The library does not load, or ``ONNXDC_ISA`` names a set that is unknown or that the machine lacks.
    """
    return _text(_library().onnxdc_isa)


def supported_isas() -> list[str]:
    """Return what ``ONNXDC_ISA`` can be set to on this machine, the fastest first.

    Raises:
        NativeError: The library does not load.
    """
    return _text(_library().onnxdc_supported_isas).split()


def decode_weight(weight: CompressedWeight) -> np.ndarray:
    """Return the dense weight, of ``weight.shape`` and ``weight.dtype``, as ``numeric.decoding.decode_weight`` does.

    Raises:
        FormatError: The weight breaks a rule of docs/format.md section 7.
        NativeError: The library does not load, or memory runs out.
    """
    group, owners = _weight_group(weight)
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    library = _library()
    _raise_for(library.onnxdc_check_weight(ctypes.byref(group), text, _TEXT_BYTES), text)
    dense = np.zeros(tuple(weight.shape), weight.dtype)
    _raise_for(library.onnxdc_decode_weight(ctypes.byref(group), dense.ctypes.data, text, _TEXT_BYTES), text)
    del owners
    return dense


def _weight_group(weight: CompressedWeight) -> tuple[_WeightGroup, list[object]]:
    """Return the C view of a weight, and the objects that must live as long as it is used."""
    group = _WeightGroup(
        checksum=weight.checksum,
        packet=weight.packet,
        group_axis=weight.group_axis,
        dtype=_element_type(weight.dtype),
    )
    owners: list[object] = []
    for i, tensor in enumerate(weight.tensors):
        array = np.ascontiguousarray(tensor).reshape(tensor.shape)  # ascontiguousarray makes a scalar rank 1
        dims = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
        group.tensors[i] = _Tensor(array.ctypes.data, dims, array.ndim, _element_type(array.dtype))
        owners += [array, dims]
    return group, owners


def _element_type(dtype: np.dtype) -> int:
    """Return the ONNX number of a numpy type; 0, which no rule of the format allows, for one unknown to ONNX."""
    try:
        return int(helper.np_dtype_to_tensor_dtype(dtype))
    except (KeyError, ValueError):
        return int(TensorProto.UNDEFINED)


def _text(function: Callable[..., int]) -> str:
    """Return what a function of the library writes.

    Raises:
        NativeError: The function fails; the text is the message.
    """
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    if function(text, _TEXT_BYTES) != _SUCCESS:
        raise NativeError(_decoded(text))
    return _decoded(text)


def _decoded(text: ctypes.Array[ctypes.c_char]) -> str:
    """Return a text of the library, which may quote bytes of the environment and is cut where it is too long."""
    return text.value.decode(errors="backslashreplace")


def _raise_for(result: int, text: ctypes.Array[ctypes.c_char]) -> None:
    if result < _SUCCESS:
        raise NativeError(f"decoding failed: {_decoded(text)}")
    if result > _SUCCESS:
        raise FormatError(_library().onnxdc_rule_name(result).decode(), _decoded(text))


@functools.cache
def _library() -> ctypes.CDLL:
    return _load(library_path())


def _load(path: str) -> ctypes.CDLL:
    """Load a library, and declare its functions.

    Raises:
        NativeError: It does not load, or was compiled from other sources than this file goes with.
    """
    try:
        check_whole(path)
        library = ctypes.CDLL(path)
    except OSError as e:
        raise NativeError(f"{path} does not load: {e}") from e
    _check_interface(library, path)
    group, text, size = ctypes.POINTER(_WeightGroup), ctypes.c_char_p, ctypes.c_uint64
    for name, result, arguments in (
        ("onnxdc_rule_name", ctypes.c_char_p, [ctypes.c_int32]),
        ("onnxdc_check_weight", ctypes.c_int32, [group, text, size]),
        ("onnxdc_decode_weight", ctypes.c_int32, [group, ctypes.c_void_p, text, size]),
        ("onnxdc_isa", ctypes.c_int32, [text, size]),
        ("onnxdc_supported_isas", ctypes.c_int32, [text, size]),
        ("onnxdc_version", ctypes.c_char_p, []),
    ):
        function = getattr(library, name, None)
        if function is None:
            raise _of_another_version(path, f"a function {name}, got none")
        function.restype = result
        function.argtypes = arguments
    _check_version(library, path)
    return library


def _check_interface(library: ctypes.CDLL, path: str) -> None:
    nbytes, expected_nbytes = ctypes.c_uint64(), ctypes.sizeof(_WeightGroup)
    try:
        interface = library.onnxdc_interface(ctypes.byref(nbytes))
    except AttributeError:
        interface = 1  # whose libraries do not say
    if interface != _INTERFACE:
        difference = f"interface {_INTERFACE}, got {interface}"
    elif nbytes.value != expected_nbytes:
        difference = f"weight groups of {expected_nbytes} bytes, got {nbytes.value}"
    else:
        return
    raise _of_another_version(path, difference)


def _check_version(library: ctypes.CDLL, path: str) -> None:
    version = library.onnxdc_version().decode(errors="backslashreplace")
    if version != onnxdc.__version__:
        raise _of_another_version(path, f"version {onnxdc.__version__}, got {version}")


def _of_another_version(path: str, difference: str) -> NativeError:
    return NativeError(f"{path} is the library of another version of onnxdc: expected {difference}: reinstall onnxdc")

"""The rules of docs/format.md section 7 that hold before a stream is decoded, in the order of its table."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric.arrays import FLOAT_TYPES, INTEGER_TYPES, bit_patterns
from onnxdc.numeric.huffman import COUNTS, LOW_CODES, MAX_LENGTH, SYMBOLS, kraft_sum
from onnxdc.numeric.weight import (
    MAX_CODES,
    MAX_ELEMENTS,
    MAX_RANK,
    MAX_STREAM_BYTES,
    PACKET_GRAIN,
    PACKETS,
    TENSORS,
    CompressedWeight,
)

_GRID_TYPES = (np.dtype(np.int8), np.dtype(np.int16))
_RANGES = {np.dtype(ml_dtypes.int4): (-8, 7), np.dtype(ml_dtypes.uint4): (0, 15)}  # of codebooks that are wider
_SMALLEST_STEP, _LARGEST_STEP = 2.0**-100, 2.0**100
# The tensors besides codebook and step, all of rank 1.
_TENSOR_TYPES = {name: np.dtype(np.uint8) for name in TENSORS[2:]} | {"extent": np.dtype(np.int64)}


def check_tensors(weight: CompressedWeight) -> None:
    """Check every rule of the format's table before ``checksum``.

    Raises:
        FormatError: The first rule that is broken.
    """
    _check_codebook(weight)
    _check_step(weight)
    _check_types(weight)
    _check_extent(weight)
    _check_form(weight)
    _check_tables(weight)
    _check_low_bits(weight)


def _require(condition: bool, rule: str, detail: str) -> None:
    if not condition:
        raise FormatError(rule, detail)


def _check_codebook(weight: CompressedWeight) -> None:
    """Check the rules ``codebook-type`` and ``codebook-shape``."""
    codebook, dtype, has_step = weight.codebook, np.dtype(weight.dtype), weight.step.shape != (0,)
    _require(dtype in FLOAT_TYPES or dtype in INTEGER_TYPES, "codebook-type", f"weights are never {dtype}")
    if dtype in INTEGER_TYPES:
        fits = codebook.dtype == INTEGER_TYPES[dtype]
    elif has_step:
        fits = codebook.dtype in _GRID_TYPES
    else:  # two different types of 16 bits do not hold each other's values
        fits = codebook.dtype == dtype or (codebook.dtype in FLOAT_TYPES and codebook.itemsize < dtype.itemsize)
    beside = " with a step" if has_step else ""
    _require(fits, "codebook-type", f"a codebook of {codebook.dtype}{beside} for a weight of {dtype}")
    rows = "1" if has_step else "groups"
    legal = codebook.ndim == 2 and codebook.shape[0] >= 1 and 1 <= codebook.shape[1] <= MAX_CODES
    legal &= not has_step or codebook.shape[0] == 1
    _require(legal, "codebook-shape", f"expected [{rows}, 1..{MAX_CODES}], got {list(codebook.shape)}")
    groups = weight.step.shape[0] if has_step and weight.step.ndim else codebook.shape[0]
    elements = groups * codebook.shape[1]
    _require(elements < MAX_ELEMENTS, "codebook-shape", f"{groups} groups of {codebook.shape[1]} codes")
    lowest, highest = _RANGES.get(dtype, (-128, 255))
    in_range = dtype not in _RANGES or bool(((codebook >= lowest) & (codebook <= highest)).all())
    _require(in_range, "codebook-type", f"a value that is not in {lowest}..{highest}")


def _check_step(weight: CompressedWeight) -> None:
    step = weight.step
    if step.shape == (0,):
        return
    legal = step.dtype == np.float32 and step.ndim == 2 and step.shape[0] >= 1 and step.shape[1] == 1
    _require(legal, "step", f"expected float32 [groups, 1] or nothing, got {step.dtype} {list(step.shape)}")
    _require(np.dtype(weight.dtype) in FLOAT_TYPES, "step", f"for a weight of {weight.dtype}")
    in_range = bool(((step >= _SMALLEST_STEP) & (step <= _LARGEST_STEP)).all())
    _require(in_range, "step", "a step that is not from 2^-100 to 2^100")
    # Of the 23 bits that are stored of a significand, the first three: in float32 alone any product is rounded once.
    short = np.dtype(weight.dtype) == np.float32 or not (bit_patterns(step) & ((1 << 20) - 1)).any()
    _require(short, "step", f"a step of more than four significant bits for a weight of {weight.dtype}")


def _check_types(weight: CompressedWeight) -> None:
    for name, kind in _TENSOR_TYPES.items():
        tensor = getattr(weight, name)
        legal = tensor.dtype == kind and tensor.ndim == 1
        _require(legal, "tensor-type", f"{name} must be {kind} of rank 1, got {tensor.dtype} {list(tensor.shape)}")


def _check_extent(weight: CompressedWeight) -> None:
    """Check the rules ``extent`` and ``groups``."""
    size, groups, axis = weight.extent.size, weight.groups, weight.group_axis
    _require(2 <= size <= 2 + MAX_RANK, "extent", f"expected 2..{2 + MAX_RANK} elements, got {size}")
    shape, codes = weight.shape, weight.codebook.shape[1]
    legal = all(dim >= 0 for dim in shape) and math.prod(dim for dim in shape if dim) < MAX_ELEMENTS
    _require(legal, "extent", f"a shape of {list(shape)}")
    numel = math.prod(shape)
    _require(0 <= weight.entries <= numel, "extent", f"{weight.entries} entries of {numel} elements")
    _require(0 <= weight.zero < codes, "extent", f"{weight.zero} is the code of zero in a codebook of {codes}")
    fits = groups == 1 or (0 <= axis < len(shape) and shape[axis] % groups == 0)
    _require(fits, "groups", f"{groups} groups along axis {axis} of {list(shape)}")


def _check_form(weight: CompressedWeight) -> None:
    """Check the rules ``packet-size``, ``form`` and ``zero``."""
    packet, entries, zero = weight.packet, weight.entries, weight.zero
    _require(packet in PACKETS, "packet-size", f"expected one of {PACKETS}, got {packet}")
    for name, table in (("codes", weight.code_table), ("gaps", weight.gap_table)):
        size = getattr(weight, name).size
        whole = table.size == 0 or size % PACKET_GRAIN == 0
        _require(whole, "packet-size", f"{name} of {size} bytes, expected a multiple of {PACKET_GRAIN}")
        _require(size < MAX_STREAM_BYTES, "packet-size", f"{name} of {size} bytes, the limit is {MAX_STREAM_BYTES}")
    stored = sum(getattr(weight, name).size for name in TENSORS[2:-1])
    if not entries:
        _require(stored == 0, "form", f"no entries, but {stored} bytes of them")
    else:
        _require(weight.codes.size > 0, "form", f"{entries} entries without codes")
    if weight.is_dense:
        numel = math.prod(weight.shape)
        _require(entries == numel, "form", f"{entries} entries without gaps for {numel} elements")
        _require(zero == 0, "form", f"{zero} is the code of zero in the dense form")
    else:
        column = bit_patterns(np.asarray(weight.codebook[:, zero], order="C"))
        least = column[0] if weight.dtype in INTEGER_TYPES else 0
        _require(bool((column == least).all()), "zero", f"the value of code {zero} is not zero, or not one integer")


def _check_tables(weight: CompressedWeight) -> None:
    """Check the rules ``table-size`` and ``kraft``, each for both streams."""
    tables = {"code_table": weight.codes, "gap_table": weight.gaps}
    for name, stream in tables.items():
        table = getattr(weight, name)
        if not stream.size:
            _require(table.size == 0, "table-size", f"{name} without a stream")
        elif not table.size:
            legal = stream.size == weight.entries
            _require(legal, "table-size", f"no {name}, but {stream.size} bytes for {weight.entries} entries")
        else:
            full = COUNTS + int(table[:COUNTS].sum(dtype=np.int64))
            legal = table.size in (COUNTS, full) and table.size >= COUNTS
            _require(legal, "table-size", f"{name} of {table.size} bytes, not {COUNTS} or {full}")
    for name in tables:
        if getattr(weight, name).size:
            counts = getattr(weight, name)[:COUNTS].astype(np.int64)
            codewords, filled = int(counts.sum()), kraft_sum(counts)
            _require(2 <= codewords <= SYMBOLS, "kraft", f"{name} has {codewords} codewords")
            full = 1 << MAX_LENGTH
            _require(filled == full, "kraft", f"the codewords of {name} fill {filled} of {full} parts")


def _check_low_bits(weight: CompressedWeight) -> None:
    low_bits, table, entries = weight.low_bits, weight.code_table, weight.entries
    if not low_bits.size:
        return
    _require(table.size > 0, "low-bits", "low bits beside plain codes")
    size = (entries + 1) // 2
    _require(low_bits.size == size, "low-bits", f"{low_bits.size} bytes of low bits for {entries} entries")
    unused = int(low_bits[-1] >> 4) if entries % 2 else 0
    _require(unused == 0, "low-bits", f"four bits that belong to no entry are {unused}")
    if table.size > COUNTS:
        _require(not (table[COUNTS:] % LOW_CODES).any(), "low-bits", "a codeword stands for no multiple of 16")
    else:
        codewords = int(table.sum(dtype=np.int64))
        _require(codewords <= LOW_CODES, "low-bits", f"{codewords} codewords, of which 16 stand for codes below 256")

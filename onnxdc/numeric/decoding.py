"""From a weight group back to the dense weight, with every rule of docs/format.md section 7 checked on the way."""

from __future__ import annotations

import math

import numpy as np

from onnxdc.errors import FormatError
from onnxdc.numeric import packets, relative_index
from onnxdc.numeric.arrays import BLOCK
from onnxdc.numeric.checks import check_tensors
from onnxdc.numeric.low_bits import add_low_bits
from onnxdc.numeric.weight import CompressedWeight, crc32


def decode_weight(weight: CompressedWeight) -> np.ndarray:
    """Decode a weight; nothing in it is trusted.

    Returns:
        An array of ``weight.shape`` and ``weight.dtype``.

    Raises:
        FormatError: A rule of docs/format.md section 7 is broken. All that can be checked without decoding is checked
            before anything is allocated that is larger than the input.
    """
    check_weight(weight)
    if not weight.entries:
        return np.full(weight.shape, weight.background)
    codes = packets.code_symbols(weight)
    if weight.low_bits.size:
        add_low_bits(codes, weight.low_bits)
    size = weight.codebook.shape[1]
    if codes.max() >= size:
        raise FormatError("code", f"code {codes.max()} in a codebook of {size}")
    if weight.is_dense:
        return _dense_form(weight, codes)
    gaps = packets.gap_symbols(weight)
    _check_positions(gaps, math.prod(weight.shape))
    return _gap_form(weight, codes, gaps)


def check_weight(weight: CompressedWeight) -> None:
    """Check all that shows without decoding the streams: every rule up to ``checksum``, and that they have room.

    Raises:
        FormatError: The first rule of the format's table that is broken.
    """
    check_tensors(weight)
    checksum = crc32(weight.tensors)
    if checksum != weight.checksum:
        raise FormatError("checksum", f"expected {weight.checksum}, got {checksum}")
    for table, stream in ((weight.code_table, weight.codes), (weight.gap_table, weight.gaps)):
        if table.size:
            packets.check_room(stream, weight.entries)


def _check_positions(gaps: np.ndarray, numel: int) -> None:
    """Check that no gap but the first is 0, and that the last entry is within the weight."""
    if not gaps[1:].all():
        raise FormatError("position", f"the gap before entry {1 + int((gaps[1:] == 0).argmax())} is 0")
    last = int(gaps.sum(dtype=np.int64))
    if last >= numel:
        raise FormatError("position", f"the last entry lies at {last} of {numel} elements")


def _gap_form(weight: CompressedWeight, codes: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the dense weight of checked entries at the positions that gaps say."""
    dense = np.full(math.prod(weight.shape), weight.background)
    previous = 0
    for first in range(0, codes.size, BLOCK):
        block = slice(first, first + BLOCK)
        positions = relative_index.to_positions(gaps[block], previous)
        dense[positions] = _values(weight, codes[block], positions)
        previous = int(positions[-1])
    return dense.reshape(weight.shape)


def _dense_form(weight: CompressedWeight, codes: np.ndarray) -> np.ndarray:
    """Return the dense weight of checked entries at every position."""
    dense = np.empty(codes.size, dtype=weight.dtype)
    for first in range(0, codes.size, BLOCK):
        block = codes[first : first + BLOCK]
        dense[first : first + BLOCK] = _values(weight, block, np.arange(first, first + block.size))
    return dense.reshape(weight.shape)


def _values(weight: CompressedWeight, codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the values that codes stand for at positions: ``[n]`` of the weight's type."""
    group = 0 if weight.groups == 1 else _groups_at(weight, positions)
    with np.errstate(over="ignore", invalid="ignore"):
        if not weight.step.size:
            values: np.ndarray = weight.codebook.astype(weight.dtype)[group, codes]
        else:
            values = weight.codebook[0].astype(np.float32)[codes] * weight.step[group, 0]
        return values.astype(weight.dtype, copy=False)


def _groups_at(weight: CompressedWeight, positions: np.ndarray) -> np.ndarray:
    """Return the group of the element at each position."""
    length = weight.shape[weight.group_axis]
    inner = math.prod(weight.shape[weight.group_axis + 1 :])
    groups: np.ndarray = positions // inner % length // (length // weight.groups)
    return groups

"""The four lower bits of each code, where they are apart (docs/format.md section 4)."""

from __future__ import annotations

import numpy as np

from onnxdc.numeric.huffman import LOW_CODES


def split_low_bits(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the four upper bits of each code, uint8 ``[n]`` below 16, and the lower ones, uint8 ``[ceil(n/2)]``.

    >>> upper, low_bits = split_low_bits(np.array([0x12, 0x34, 0x56], np.uint8))
    >>> upper.tolist(), [hex(byte) for byte in low_bits]
    ([1, 3, 5], ['0x62', '0x4'])
    """
    half = -(-codes.size // 2)
    low_bits = codes[:half] % LOW_CODES
    low_bits[: codes.size - half] |= codes[half:] << 4
    return codes >> 4, low_bits


def add_low_bits(codes: np.ndarray, low_bits: np.ndarray) -> None:
    """Add their lower bits to codes, uint8 ``[n]``, which are multiples of 16 and are changed in place.

    >>> codes = np.array([0x10, 0x30, 0x50], np.uint8)
    >>> add_low_bits(codes, np.array([0x62, 0x04], np.uint8))
    >>> [hex(code) for code in codes]
    ['0x12', '0x34', '0x56']
    """
    half = low_bits.size
    codes[:half] |= low_bits % LOW_CODES
    codes[half:] |= low_bits[: codes.size - half] >> 4

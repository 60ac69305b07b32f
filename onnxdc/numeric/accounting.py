"""Bytes of a weight as the paper's tables 2 to 5 count them, before Huffman coding.

A weight has ``entries``: its nonzeros, and the filler zeros that bridge gaps of more than 2^index_bits. A stage that
would store every position rather than gaps (``index_bits`` is None) counts all elements and no gaps.
"""

from __future__ import annotations


def pruned_bytes(entries: int, itemsize: float, index_bits: int | None) -> int:
    """Return the bytes of ``entries`` values of ``itemsize`` bytes, maybe half a one, each with its gap.

    >>> pruned_bytes(40, itemsize=4, index_bits=5), pruned_bytes(5, itemsize=0.5, index_bits=None)
    (185, 3)
    """
    return _whole_bytes(entries * (int(8 * itemsize) + (index_bits or 0)))


def shared_bytes(entries: int, bits: int, index_bits: int | None, codebook_bytes: int) -> int:
    """Return the bytes of ``entries`` codes of ``bits`` bits, each with its gap, and of the codebook.

    >>> shared_bytes(40, bits=2, index_bits=5, codebook_bytes=12)
    47
    """
    return _whole_bytes(entries * (bits + (index_bits or 0))) + codebook_bytes


def _whole_bytes(bits: int) -> int:
    return -(-bits // 8)

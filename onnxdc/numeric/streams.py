"""Which Huffman codes the entries of a weight get (docs/format.md section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnxdc.numeric.huffman import COUNTS, LOW_CODES, Code, make_code
from onnxdc.numeric.packets import expected_bytes

LOW_BITS_PREFERRED = 0.002  # of their bytes: what codes may take more with low bits, for which a body has small tables
LONG_PREFERRED = 0.003  # of a weight's bytes: what either stream may take more without codewords of one bit


@dataclass(frozen=True)
class Streams:
    """How the codes and the gaps of some entries are written.

    Attributes:
        codes: The code of the codes; with low bits, that of their four upper bits.
        has_low_bits: Whether the four lower bits of each code are apart.
        gaps: The code of the gaps; None in the dense form.
        nbytes: About how many bytes both streams, their tables and the low bits take.
    """

    codes: Code
    has_low_bits: bool
    gaps: Code | None
    nbytes: int


def choose_streams(
    code_counts: np.ndarray, gap_counts: np.ndarray | None, packet: int, other_bytes: int, *, in_order: bool = True
) -> Streams:
    """Choose how entries are written.

    A portable body has a slot for each codeword that may end within a byte, as many for all weights. So codewords of
    one bit are avoided where that costs less than LONG_PREFERRED: half of the slots do without them.

    Args:
        code_counts: How often each code occurs, int64 ``[256]``; one does at least.
        gap_counts: How often each gap occurs, int64 ``[256]``; None in the dense form.
        packet: The bytes of a packet.
        other_bytes: What else of the weight takes bytes.
        in_order: Whether no code occurs less often than the next; else tables list what codewords stand for.
    """
    low_bytes = (int(code_counts.sum()) + 1) // 2
    upper_counts = by_upper_bits(code_counts)
    has_low_bits = False
    if upper_counts[1:].any():
        whole = _sized(code_counts, packet, in_order=in_order, shares=not in_order)[1]
        has_low_bits = _sized(upper_counts, packet, in_order=in_order, shares=not in_order)[1] + low_bytes <= whole * (
            1 + LOW_BITS_PREFERRED
        )
    counts = upper_counts if has_low_bits else code_counts
    low_bytes *= has_low_bits
    short = [_sized(counts, packet, in_order=in_order, shares=not in_order)]
    long = [_sized(counts, packet, in_order=in_order, shortest=2, shares=not in_order)]
    if gap_counts is not None:
        short.append(_sized(gap_counts, packet, in_order=False))
        long.append(_sized(gap_counts, packet, in_order=False, shortest=2))
    allowed = LONG_PREFERRED * (other_bytes + low_bytes + sum(size for _, size in short))
    chosen = [b if b[1] - a[1] <= allowed else a for a, b in zip(short, long, strict=True)]
    return Streams(
        codes=chosen[0][0],
        has_low_bits=has_low_bits,
        gaps=None if gap_counts is None else chosen[1][0],
        nbytes=low_bytes + sum(size for _, size in chosen),
    )


def by_upper_bits(counts: np.ndarray) -> np.ndarray:
    """Return how often codes with the same four upper bits occur, int64 ``[16]``, from how often each code does."""
    upper: np.ndarray = counts.reshape(-1, LOW_CODES).sum(axis=1)
    return upper


def _sized(
    counts: np.ndarray, packet: int, *, in_order: bool, shortest: int = 1, shares: bool = False
) -> tuple[Code, int]:
    """Return the code for such counts, and about how many bytes its table and its packets take.

    What the table lists does not count if the weight shares it: those of integers have few tables together.
    """
    code = make_code(counts, in_order=in_order, shortest=shortest)
    return code, (COUNTS if shares else code.table().size) + expected_bytes(counts, code, packet)

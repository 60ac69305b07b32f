"""The entries of a weight in its two forms, codes of floats by falling frequency (docs/format.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnxdc.numeric import relative_index
from onnxdc.numeric.alphabet import Alphabet
from onnxdc.numeric.arrays import histogram
from onnxdc.numeric.weight import MAX_CODES


@dataclass(frozen=True)
class Entries:
    """What is stored of a weight, before Huffman coding.

    Attributes:
        codebook: The codebook, ``[R, K]``.
        zero: The code of zero; 0 in the dense form.
        codes: The codes, uint8 ``[entries]``; of floats no code is less frequent than the next.
        gaps: The gaps, uint8 ``[entries]``; None in the dense form.
    """

    codebook: np.ndarray
    zero: int
    codes: np.ndarray
    gaps: np.ndarray | None

    @property
    def code_counts(self) -> np.ndarray:
        """How often each code occurs: int64 ``[256]``."""
        return histogram(self.codes, MAX_CODES)

    @property
    def gap_counts(self) -> np.ndarray | None:
        """How often each gap occurs: int64 ``[256]``; None in the dense form."""
        return None if self.gaps is None else histogram(self.gaps, MAX_CODES)


def no_entries(alphabet: Alphabet) -> Entries:
    """Return the gap form of a weight without nonzeros."""
    nothing = np.empty(0, np.uint8)
    return Entries(np.full((1, 1), alphabet.zero, alphabet.rows[0].dtype), 0, nothing, nothing)


def dense_entries(alphabet: Alphabet) -> Entries:
    """Return the dense form: every element is an entry."""
    if alphabet.is_final:
        return Entries(_complete_codebook(alphabet), 0, alphabet.codes, None)
    new_codes = _by_frequency(alphabet.counts)
    codebook = alphabet.codebook(new_codes, int(np.count_nonzero(alphabet.counts, axis=1).max()))
    return Entries(codebook, 0, alphabet.renumbered(new_codes), None)


def gap_entries(alphabet: Alphabet, index_bits: int) -> Entries:
    """Return the gap form of a weight that has zeros: its nonzeros and filler zeros are entries."""
    if alphabet.is_final:
        gaps, codes = relative_index.to_gaps(alphabet.codes, index_bits)
        return Entries(_complete_codebook(alphabet), 0, codes, gaps)
    counts = alphabet.counts.copy()
    counts[:, 0] = np.iinfo(np.int64).max  # zero comes first until it is known how many fillers there are
    new_codes = _by_frequency(counts)
    gaps, codes = relative_index.to_gaps(alphabet.renumbered(new_codes), index_bits)
    fillers, *others = histogram(codes, MAX_CODES)
    zero = int(np.count_nonzero(np.array(others) > fillers))
    moved = np.arange(MAX_CODES, dtype=np.uint8)
    moved[: zero + 1] = np.roll(moved[: zero + 1], 1)
    codebook = alphabet.codebook(moved[new_codes], int(np.count_nonzero(counts, axis=1).max()))
    return Entries(codebook, zero, moved[codes], gaps)


def _complete_codebook(alphabet: Alphabet) -> np.ndarray:
    """Return the codebook of codes that are final: ``[1, K]``."""
    zero = np.full(int(alphabet.has_zero), alphabet.zero, alphabet.rows[0].dtype)
    return np.concatenate([zero, alphabet.rows[0]])[None]


def counts_of_codes(alphabet: Alphabet, counts: np.ndarray) -> np.ndarray:
    """Return how often each code occurs once they are numbered as entries have them: int64 ``[256]``.

    ``counts`` is ``[R, 256]``: how often each occurs with each row of the codebook, or of those of nonzeros.
    """
    summed: np.ndarray = counts.sum(axis=0)
    return summed if alphabet.is_final else counts_by_rank(counts)


def counts_by_rank(counts: np.ndarray) -> np.ndarray:
    """Return how often each code occurs once they are numbered by falling frequency: int64 ``[256]``.

    ``counts`` is ``[R, 256]``: how often each occurs with each row of the codebook.
    """
    ranked: np.ndarray = -np.sort(-counts, axis=1).sum(axis=0)
    return ranked


def _by_frequency(counts: np.ndarray) -> np.ndarray:
    """Return the code of each symbol, uint8 ``[R, 256]``, if in each row the most frequent has code 0, and so on."""
    new_codes = np.empty(counts.shape, np.uint8)
    order = np.argsort(-counts, axis=1, kind="stable")
    np.put_along_axis(new_codes, order, np.arange(MAX_CODES, dtype=np.uint8)[None], axis=1)
    return new_codes

"""Energy by the account of the paper: what fetching a word and computing with it takes in a chip of 45 nm.

The figures are those of the paper's section 1 and of table 1 of Han et al., "Learning both weights and connections for
efficient neural networks" (NIPS 2015). They are an account of one technology, not a measurement of any machine.
"""

from __future__ import annotations

from typing import Final

DRAM: Final = 640.0
"""Picojoules for a word of 32 bits from DRAM."""

SRAM: Final = 5.0
"""Picojoules for a word of 32 bits from SRAM of 32 KB."""

ADD: Final = 0.9
"""Picojoules for the addition of two float32."""

MULTIPLY: Final = 3.7
"""Picojoules for the multiplication of two float32."""

_WORD: Final = 4  # bytes


def fetching(nbytes: float, word: float) -> float:
    """Return the picojoules for bytes that are read once, at so many a word of 32 bits.

    >>> fetching(8, SRAM)
    10.0
    """
    return nbytes / _WORD * word


def computing(products: float) -> float:
    """Return the picojoules for products of float32 that are added up.

    >>> round(computing(10), 6)
    46.0
    """
    return products * (ADD + MULTIPLY)

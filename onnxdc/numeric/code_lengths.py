"""What the integers of a grid cost while they are trained: bits of an ideal code, without barriers between them."""

from __future__ import annotations

from typing import Final

import numpy as np

_UNSEEN: Final = 0.5  # how often an integer counts that does not occur, so that its code has a length


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """Return the price of each of some consecutive integers in bits, float64 of the shape of the counts.

    That is the length of an ideal code where lengths do not fall on the way outwards from the likeliest integer. One
    that is rarer than another beyond it lies on the line between its neighbours that are not: elements on their way
    to zero would not get over it, so that it became rarer still, and those beyond it stayed whatever a bit costs.

    Args:
        counts: How often each integer occurs, ``[integers]``, not negative; one that does not counts as half a time.
    """
    likely = counts + _UNSEEN
    lengths = -np.log2(likely / likely.sum())
    likeliest = int(lengths.argmin())
    outwards = np.concatenate(
        [
            np.minimum.accumulate(lengths[: likeliest + 1]),
            np.minimum.accumulate(lengths[:likeliest:-1])[::-1],
        ]
    )
    (kept,) = np.nonzero(lengths <= outwards)
    return np.asarray(np.interp(np.arange(lengths.size), kept, lengths[kept]))

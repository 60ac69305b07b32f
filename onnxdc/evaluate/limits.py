"""The largest divergence of an output that ``verify`` accepts by itself, with the measurements of docs/verify.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onnxdc.numeric.divergence import Measure

# Models that keep half of their accuracy or more lie below, those that have lost it lie above.
LIMITS: Final[Mapping[Measure, float]] = {
    Measure.KL: 2.0,
    Measure.SQUARES: 0.8,
    Measure.COSINE: 0.5,
    Measure.CHOICES: 0.9,
}

LEAST_AGREEMENT: Final = 0.5
"""The share of the items whose first class has to be the same."""

ENOUGH: Final = 20
"""Items from which on that share is judged: of 20 a half is 10, give or take 2."""

_OF_FLAT: Final = 0.8
_SURE: Final = 0.3


def limit_of(measure: Measure, flat: float) -> float:
    """Return the largest divergence of an output to accept.

    Few classes never diverge by much: of two, an answer that is always even by 0.69 at most. So distributions may not
    come closer than four fifths to what such an answer has, but 0.3 is accepted in any case: A may be even itself.

    Args:
        measure: How the divergence is measured.
        flat: The divergence of an answer that gives every class the same probability; 0 for other measures.
    """
    limit = LIMITS[measure]
    return min(limit, max(_SURE, _OF_FLAT * flat)) if measure is Measure.KL else limit

"""How fine the grid of each weight is where nobody says it, from what the weights alone tell: docs/accuracy.md.

What a layer adds to the divergence of a model follows the share of its energy that it loses, step^2 / 12 in root mean
squares, whatever its size; halving its step costs a bit for each of its elements. The fewest bytes at a divergence have
steps in proportion to the root of the number of elements: fine ones in small layers, where they are cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from onnxdc.graph.first import is_first_convolution
from onnxdc.graph.weights import Weight

_OF_A_MILLION: Final = 0.105  # the step of a weight of middle size in a model of a million weights
_GROWTH: Final = 0.2  # the power of their number that it grows with: larger models stand more
_SAFE: Final = 0.2  # it ends here
_COARSEST: Final = 5 / 3  # steps over that of middle size: below 1/3, and 1 % of a weight's energy
_FIRST: Final = 0.25  # of the step otherwise: what first convolutions blur, such as a spectrum, nothing brings back


def steps_of(weights: Sequence[Weight], step: float | None) -> dict[str, float]:
    """Return the step of each weight, by name, in root mean squares of its nonzeros.

    Args:
        weights: The weights of a model that are shared.
        step: The step of a weight of middle size, which is the geometric mean over all elements of the sizes of their
            weights; None for one that is safe.
    """
    if not weights:
        return {}
    sizes = np.array([max(weight.size, 1) for weight in weights], dtype=np.float64)
    total = sizes.sum()
    middle = np.exp((sizes * np.log(sizes)).sum() / total)
    base = step or min(_OF_A_MILLION * (total / 1e6) ** _GROWTH, _SAFE)
    steps = base * np.minimum(np.sqrt(sizes / middle), _COARSEST)
    first = [_FIRST if is_first_convolution(weight) else 1.0 for weight in weights]
    return {weight.name: float(of_weight) for weight, of_weight in zip(weights, steps * first, strict=True)}

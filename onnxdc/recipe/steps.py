"""How fine the grid of each weight is, told by the weights alone; measured, see docs/accuracy.md.

The outputs of a model move about as much for each layer as the layer moves in relation to itself, that is with the square
of its step over its root mean square, whatever its size. A bit of a step costs as many bits as the layer has elements. So
the fewest bytes have steps that grow with the root of the number of elements: small layers are cheap, and get fine steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from onnxdc.graph.first import is_first_convolution
from onnxdc.graph.slots import Kind
from onnxdc.graph.weights import Weight

SAFE_STEP: Final = 0.09
"""The step of a weight of middle size, in root mean squares."""

_SAFE_STEPS: Final[Mapping[Kind, float]] = {"fc": 0.18, "embedding": 0.18}
_FIRST: Final = (
    0.25  # of the step of others: what a first convolution blurs, such as a Fourier transform, all others miss
)
_COARSEST: Final = 2.0  # times the step of middle size


def steps_of(weights: Sequence[Weight], step: float | None) -> dict[str, float]:
    """Return the step of each weight, by name, in root mean squares of its nonzeros.

    Args:
        weights: The weights that share what bytes there are.
        step: The step of a weight of middle size; None for one that is safe for its kind.
    """
    sizes = np.array([weight.size for weight in weights], dtype=np.float64)
    filled = np.maximum(sizes, 1)
    middle = np.exp((filled * np.log(filled)).sum() / filled.sum()) if sizes.size else 1.0
    shares = np.minimum(np.sqrt(filled / middle), _COARSEST)
    return {
        weight.name: (step or _SAFE_STEPS.get(weight.kind, SAFE_STEP))
        * float(share)
        * (_FIRST if is_first_convolution(weight) else 1.0)
        for weight, share in zip(weights, shares, strict=True)
    }

"""The steps of grids: from one lambda for all layers, and as fine as the range of the integers permits."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onnxdc.errors import WeightError
from onnxdc.numeric.arrays import blocks
from onnxdc.numeric.grid_rounding import rounded_step

LARGEST: Final = 2047  # the largest integer, in magnitude
MAX_NONZERO: Final = 255  # integers besides zero that the format takes
_PLAIN: Final = 200 / MAX_NONZERO  # of them for plain rounding: rounding with feedback may need a fifth more
_MARGIN: Final = 50  # steps that feedback may add to the largest integer


def steps_of(lambda_: float, importances: NDArray[np.float64], pivots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the steps at which a bit more would gain each layer as much: ``sqrt(lambda / (s p))``.

    Args:
        lambda_: What a bit for each weight may cost in divergence, up to a constant: one number for all layers.
        importances: The divergence for a unit of each layer's loss, float64 ``[layers]``.
        pivots: The mean pivot of each layer, float64 ``[layers]``; 1 for one that is rounded without feedback.

    Returns:
        float64 ``[layers]``; infinite for a layer that does not matter.

    >>> steps_of(0.04, np.array([1.0, 4.0, 0.0]), np.array([1.0, 1.0, 1.0])).tolist()
    [0.2, 0.1, inf]
    """
    costs = importances * pivots
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(lambda_ / costs))


def fitting_step(weights: NDArray[np.float32], step: float, most: int = MAX_NONZERO) -> float:
    """Return the step of four significant bits to use for a weight in place of a step that was asked for.

    It is the nearest one, or the smallest above at which the weight has about a fifth fewer distinct integers than
    ``most``, none above 1997. It is at most the largest magnitude of the weight, at which not all becomes zero.

    Args:
        weights: The weight, any shape.
        step: The step, above zero; may be infinite.
        most: How many integers besides zero there may be once errors are fed back, 1..255.

    Raises:
        WeightError: A value is NaN or infinite, or so small that there is no step for it.

    >>> fitting_step(np.array([1.0, -0.5], np.float32), 0.1)
    0.1015625
    """
    flat = weights.reshape(-1)
    largest = max((float(np.abs(block).max()) for block in blocks(flat)), default=0.0)
    if not math.isfinite(largest):
        raise WeightError("weights must be finite, got NaN or infinity")
    if largest == 0:
        return 1.0
    if largest < 2.0**-100:
        raise WeightError(f"weights must not all be below 2^-100, got at most {largest:.3g}")
    step = rounded_step(min(max(step, largest / (LARGEST - _MARGIN)), largest))
    plain = max(round(most * _PLAIN), 3)  # -1, 0 and 1 at the step that is the largest magnitude
    while largest > (LARGEST - _MARGIN) * step or _distinct(flat, step) > plain:
        step = next_step(step)
    return step


def next_step(step: float) -> float:
    """Return the next larger step of four significant bits: 6 to 12 % more.

    >>> next_step(1.0), next_step(1.875)
    (1.125, 2.0)
    """
    mantissa, exponent = math.frexp(step)
    return math.ldexp(math.floor(mantissa * 16) + 1, exponent - 4)


def _distinct(flat: NDArray[np.float32], step: float) -> int:
    """Return how many integers plain rounding gives, of at most LARGEST in magnitude."""
    occurs = np.zeros(2 * LARGEST + 1, dtype=bool)
    for block in blocks(flat):
        occurs[np.rint(block * np.float32(1 / step)).astype(np.intp) + LARGEST] = True
    return int(np.count_nonzero(occurs))

"""Densities of layers that make one of a network: large layers sparser (Evci et al., ICML 2020, section 3, ERK)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def erdos_renyi_kernel(shapes: Sequence[tuple[int, ...]], density: float) -> list[float]:
    """Return the density of each weight, in proportion to the sum of its sides over their product, at most 1.

    Args:
        shapes: The shapes of the weights.
        density: The density of all of them together, from 0 to 1.

    >>> [round(found, 4) for found in erdos_renyi_kernel([(784, 300), (300, 100), (100, 10)], 0.034)]
    [0.0262, 0.0757, 0.6246]
    """
    sizes, sides = [math.prod(shape) for shape in shapes], [sum(shape) for shape in shapes]
    full: set[int] = set()
    while True:
        left = density * sum(sizes) - sum(sizes[index] for index in full)
        together = sum(side for index, side in enumerate(sides) if index not in full)
        factor = max(left, 0.0) / together if together else 0.0
        beyond = {
            index
            for index, (size, side) in enumerate(zip(sizes, sides, strict=True))
            if index not in full and factor * side > size
        }
        if not beyond:
            rest = zip(sizes, sides, strict=True)
            return [1.0 if index in full else factor * side / size for index, (size, side) in enumerate(rest)]
        full |= beyond

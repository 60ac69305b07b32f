"""What is known of the layers of a model from running it on data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onnxdc.calibration.layers import Layer
from onnxdc.calibration.readings import Reading
from onnxdc.calibration.shelf import Shelf
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.numeric.calibrated.factor import Factor, damping_of, factor
from onnxdc.numeric.calibrated.moments import Moments

_FEWEST: Final = 4  # columns for each row at most: fewer rows say too little


@dataclass(frozen=True)
class Inputs:
    """What is known of the inputs of one layer.

    Attributes:
        mean: The mean of the inputs, float64 ``[g, n]``, if the constant part of the error goes into a bias; else None.
        second: ``H``, float64 ``[g, n, n]``: centred if there is a mean.
        factor: Its factor.
    """

    mean: NDArray[np.float64] | None
    second: NDArray[np.float64]
    factor: Factor


class Statistics:
    """What is known of the layers of a model.

    Args:
        layers: The layers whose inputs were read, by the names of their weights.
        biased: The names of those that have a bias.
        moments: What was learnt of each reading.
        skips: The other weights, with the reason.
        items: The number of items that were read.
        memory: The bytes that factors may take in memory.
    """

    def __init__(
        self,
        layers: Mapping[str, Layer],
        biased: frozenset[str],
        moments: Shelf[Reading, Moments],
        skips: Mapping[str, Skip],
        items: int,
        memory: int,
    ) -> None:
        self.items = items
        self.skips = dict(skips)
        self.layers: dict[str, Layer] = {}
        self._biased, self._moments = biased, moments
        self._factors: Shelf[tuple[tuple[Reading, ...], bool], Factor] = Shelf(memory, _factor_bytes)
        for name, layer in layers.items():
            reason = _why_not(layer, [moments[reading] for reading in layer.readings])
            if reason is None:
                self.layers[name] = layer
            else:
                self.skips[name] = Skip(name, SkipCode.NOT_CALIBRATED, reason)

    def inputs(self, name: str) -> Inputs:
        """Return what is known of the inputs of a layer; layers that read the same share a factor."""
        layer, centred = self.layers[name], name in self._biased
        moments = self._moments_of(layer)
        second = moments.second(centred=centred)
        key = (layer.readings, centred)
        if key not in self._factors:
            self._factors.put(key, factor(second, damping_of(layer.columns, moments.rows)))
        return Inputs(moments.mean if centred else None, second, self._factors[key])

    def _moments_of(self, layer: Layer) -> Moments:
        if len(layer.readings) == 1:
            return self._moments[layer.readings[0]]
        merged = Moments(layer.matrices.last[0], layer.columns)
        for reading in layer.readings:
            merged.merge(self._moments[reading])
        return merged


def nothing_known() -> Statistics:
    """Return the statistics of no data at all."""
    return Statistics({}, frozenset(), Shelf(0, lambda moments: 0), {}, 0, 0)


def _why_not(layer: Layer, moments: Sequence[Moments]) -> str | None:
    """Return why too little is known of the inputs of a layer; None if there is enough."""
    rows = sum(learnt.rows for learnt in moments)
    if _FEWEST * rows < layer.columns:
        return f"{rows} rows were read for {layer.columns} inputs, expected a quarter at least"
    if not any(learnt.varies for learnt in moments):
        return "its inputs are the same in all of the data"
    return None


def _factor_bytes(made: Factor) -> int:
    return made.lower.nbytes + made.order.nbytes + made.pivots.nbytes

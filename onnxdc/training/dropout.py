"""Dropout that grows weaker as weights are pruned: sparse layers overfit less (Han et al., NIPS 2015, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


class Densities(Protocol):
    """Something that knows how dense weights are."""

    def density(self, names: Collection[str]) -> float:
        """Return nnz over elements of some weights together."""


def adjusted_rate(rate: float, kept: float) -> float:
    """Return the rate for a layer that has the share ``kept`` of its connections: ``rate * sqrt(kept)``.

    >>> adjusted_rate(0.5, 0.25)
    0.25
    """
    return rate * math.sqrt(kept)


@dataclass(frozen=True)
class LayerDropout:
    """Dropout on the inputs of fully connected layers.

    Attributes:
        module: The module that drops.
        rate: The rate for dense layers.
        weights: The names of the weights of the layers.
    """

    module: torch.nn.Dropout
    rate: float
    weights: tuple[str, ...]


@dataclass(frozen=True)
class Dropouts:
    """All dropout of a network.

    Attributes:
        layers: Each dropout, with the layers whose inputs it drops.
    """

    layers: Sequence[LayerDropout] = ()

    def adjust(self, network: Densities) -> None:
        """Set each rate to what the weights have become."""
        for layer in self.layers:
            layer.module.p = adjusted_rate(layer.rate, network.density(layer.weights))

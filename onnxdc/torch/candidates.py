"""What in a module can hold a weight of an ONNX model, in which orders of axes, and how near its values lie.

Values are compared where a weight is kept, as the module may not be pruned yet. What was shared since lies near the
parameter's values, not at them. The axes of a parameter may come in another order than in ONNX.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from onnxdc.graph.slots import Statistic
from onnxdc.hooks import HookedWeight
from onnxdc.torch.types import to_numpy

# Distances, relative to the norm of the weight: of values that went through a file and a folded constant, and of those
# that were shared; two unrelated weights are about 1.4 apart, and two codewords for a normal distribution 0.7.
EQUAL: Final = 1e-5
CLOSE: Final = 0.75

# A folded BatchNormalization explains at least this share of the squared distance. The noise of sharing may look like
# factors where the elements outnumber these by less.
_EXPLAINED: Final = 0.5
_LEFT_OF_SHARED: Final = 64

# What PyTorch's layers call their buffers.
BUFFERS: Final[dict[Statistic, str]] = {"mean": "running_mean", "variance": "running_var"}

_MAX_PERMUTED_RANK: Final = 4


@dataclass(frozen=True)
class Candidate:
    """A parameter or buffer that may hold a weight.

    Attributes:
        paths: All its paths; several where modules share it.
        values: Its values.
        equal: The distance up to which values count as equal: those of 16 bits are rounded.
    """

    paths: tuple[str, ...]
    values: np.ndarray
    equal: float

    def orders(self, weight: HookedWeight) -> Iterator[tuple[int, ...]]:
        """Yield the orders of axes that give a weight the shape of the candidate, ONNX's own first."""
        rank, shape = len(weight.shape), self.values.shape
        if sorted(shape) != sorted(weight.shape):
            return
        orders = itertools.permutations(range(rank)) if rank <= _MAX_PERMUTED_RANK else [tuple(range(rank))]
        yield from (axes for axes in orders if tuple(weight.shape[axis] for axis in axes) == shape)

    def distance(self, weight: HookedWeight, axes: tuple[int, ...]) -> float:
        """Return how far the kept elements of a weight lie from the candidate's, relative to their norm."""
        kept = weight.mask.transpose(axes)
        values = weight.values.transpose(axes)[kept].astype(np.float64)
        difference, norm = np.linalg.norm(self.values[kept].astype(np.float64) - values), np.linalg.norm(values)
        return float(difference / norm) if norm else float(np.inf if difference else 0)

    def nearest_order(self, weight: HookedWeight, tolerance: float) -> tuple[int, ...] | None:
        """Return the order of axes in which the values lie nearest, None if that is too far."""
        distances = [(self.distance(weight, axes), axes) for axes in self.orders(weight)]
        smallest, axes = min(distances, key=lambda pair: pair[0], default=(np.inf, ()))
        return axes if smallest <= tolerance else None

    def is_folded_into(self, weight: HookedWeight) -> bool:
        """Tell whether a weight is the candidate times one factor for each output channel, as folding makes it.

        The channels lie along the first axis of PyTorch's layers, the second of transposed convolutions.
        """
        tolerance, least = (CLOSE / 2, _LEFT_OF_SHARED) if weight.stage == "shared" else (100 * EQUAL, 1)
        kept = np.count_nonzero(weight.mask)
        for axes in self.orders(weight):
            values = np.where(weight.mask, weight.values, 0).transpose(axes).astype(np.float64)
            original = np.where(weight.mask.transpose(axes), self.values, 0).astype(np.float64)
            norm, apart = np.linalg.norm(values), np.linalg.norm(values - original)
            for axis in range(min(2, values.ndim)) if apart > EQUAL * norm else ():
                left = kept - values.shape[axis]
                rest = tuple(other for other in range(values.ndim) if other != axis)
                squares = (original**2).sum(rest, keepdims=True)
                factors = (values * original).sum(rest, keepdims=True) / np.where(squares == 0, 1, squares)
                scaled_apart = np.linalg.norm(values - factors * original)
                explains = left >= least and scaled_apart**2 / left <= (1 - _EXPLAINED) * apart**2 / kept
                if explains and scaled_apart <= tolerance * norm:
                    return True
        return False


def find_candidates(module: nn.Module, statistic: Statistic | None) -> list[Candidate]:
    """Return what can hold a running statistic; without one, the parameters that have no parametrization yet."""
    paths: dict[Tensor, list[str]] = {}
    for path, tensor in _tensors(module, statistic):
        if tensor.is_floating_point() and "parametrizations" not in path.split("."):
            paths.setdefault(tensor, []).append(path)
    return [
        Candidate(tuple(shared), to_numpy(tensor), max(EQUAL, torch.finfo(tensor.dtype).eps))
        for tensor, shared in paths.items()
    ]


def _tensors(module: nn.Module, statistic: Statistic | None) -> Iterator[tuple[str, Tensor]]:
    if statistic is None:
        yield from module.named_parameters(remove_duplicate=False)
    else:
        buffers = module.named_buffers(remove_duplicate=False)
        yield from ((path, buffer) for path, buffer in buffers if path.split(".")[-1] == BUFFERS[statistic])

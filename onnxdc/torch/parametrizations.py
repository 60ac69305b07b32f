"""The rules of training as parametrizations: what an optimizer moves, and the weight that comes of it.

They go with ``torch.nn.utils.parametrize``: the layer sees a weight that keeps the rule by its making, whatever the
optimizer, its momentum or its weight decay do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from onnxdc.hooks import HookedWeight
from onnxdc.numeric.grids import element_grid
from onnxdc.recipe.keys import MIN_ELEMENTS
from onnxdc.torch.grid import Grid, GridStart


class Masked(nn.Module):
    """Pruned elements are zero (Han et al. 2016, section 2).

    Attributes:
        mask: The mask, bool, of the weight's shape, True = kept; a buffer, so a schedule may change it in place.
        regrow: Whether the gradient reaches pruned elements, too, though they count as zero: they may then outgrow
            others and come back when the mask is made anew (dynamic network surgery, Guo et al. 2016).
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, regrow: bool = False) -> None:
        super().__init__()
        self.register_buffer("mask", mask.to(torch.bool))
        self.regrow = regrow

    def forward(self, values: Tensor) -> Tensor:
        """Return the values where the mask is True, else 0."""
        kept = torch.where(self.mask, values, torch.zeros_like(values))
        return values + (kept - values).detach() if self.regrow else kept

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself."""
        return weight


class FromCodebook(nn.Module):
    """Elements of equal code have equal values, those of code 0 are zero (Han et al. 2016, section 3).

    What is trained is the codebook, ``[n]``, without the zero; its gradient is the sum over each cluster's members
    (section 3.3).

    Attributes:
        codes: The codes, int32, of the weight's shape: 0 is a pruned zero, ``k`` stands for entry ``k - 1``; a buffer.
        clusters: The number ``n`` of the entries of the codebook.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, clusters: int) -> None:
        super().__init__()
        self.register_buffer("codes", codes.to(torch.int32))
        self.clusters = clusters

    def forward(self, codebook: Tensor) -> Tensor:
        """Return the weight that a codebook ``[n]`` stands for."""
        table = torch.cat([codebook.new_zeros(1), codebook])
        return table.index_select(0, self.codes.reshape(-1)).reshape(self.codes.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the codebook ``[n]`` nearest to a weight: the mean of each cluster, 0 where it has no member."""
        codes = self.codes.reshape(-1)
        sums = torch.bincount(codes, weight.reshape(-1).to(torch.float64), self.clusters + 1)
        counts = torch.bincount(codes, minlength=self.clusters + 1).clamp(min=1)
        return (sums / counts)[1:].to(weight.dtype)


def default_grids(weights: Mapping[str, HookedWeight]) -> dict[str, GridStart]:
    """Return the grids of the weights that encoding takes by default, by name: no vectors, and no small weights.

    Those at stage ``"grid"`` begin on the grids that they have.
    """
    taken = (
        weight for weight in weights.values() if len(weight.shape) > 1 and weight.stage not in ("grid", "statistic")
    )
    return {weight.name: GridStart() for weight in taken if weight.values.size >= MIN_ELEMENTS.default}


def parametrization(
    weight: HookedWeight, axes: Sequence[int] | None = None, *, grid: GridStart | None = None
) -> Masked | FromCodebook | Grid | None:
    """Return the rule of a weight, None for one that is free.

    Args:
        weight: The weight, of a hook.
        axes: The permutation of axes that brings it from ONNX's layout into that of the layer; None where the layer has
            ONNX's.
        grid: How its grid begins, if it is to have one. A weight that is on a grid begins there; zeros of any other
            stay zero.
    """
    axes = range(len(weight.shape)) if axes is None else axes

    def laid_out(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))

    if grid is not None:
        found = element_grid(weight.values)
        codes, steps = found if found is not None and grid.takes(*found) else _new_grid(weight, grid.step)
        mask = None if codes.any() or weight.is_free else laid_out(weight.mask)
        wide = np.float64 if weight.dtype == np.float64 else np.float32
        return Grid(laid_out(steps.astype(wide)), laid_out(codes), grid.values, mask)
    if weight.is_free:
        return None
    if weight.grid is not None:
        return Grid(laid_out(weight.grid.step), laid_out(weight.grid.codes))
    if weight.codes is None:
        return Masked(laid_out(weight.mask))
    return FromCodebook(laid_out(weight.codes.astype(np.int32)), weight.clusters - 1)


def _new_grid(weight: HookedWeight, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the integers, still zeros, and the step of a grid for a weight; the step in root mean squares."""
    kept = weight.values[weight.values != 0].astype(np.float64)
    length = step * np.sqrt(np.mean(kept**2)) if kept.size else 1.0
    return np.zeros(weight.shape, np.int16), np.full([1] * len(weight.shape), length)

"""The rules of training as parametrizations: what an optimizer moves, and the weight that comes of it.

They go with ``torch.nn.utils.parametrize``: the layer sees a weight that keeps the rule by its making, whatever the
optimizer, its momentum or its weight decay do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from onnxdc.errors import HookError
from onnxdc.hooks import HookedWeight
from onnxdc.numeric.grids import element_grid


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


class FromGrid(nn.Module):
    """Elements are integers, which stay, times a step of four significant bits, as the file format has it.

    What is trained is the logarithm of the step to base 2, so that an optimizer moves it in proportion; the gradient of
    the rounded step counts as that of the step (straight through).

    Attributes:
        integers: The integers, float32, of the weight's shape; a buffer.
        shape: The shape of the steps: 1 along each axis, but along that whose channels have steps of their own.
    """

    integers: Tensor

    def __init__(self, integers: Tensor, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("integers", integers.to(torch.float32))
        self.shape = tuple(shape)

    def forward(self, logarithms: Tensor) -> Tensor:
        """Return the weight for the logarithms of the steps."""
        steps = torch.exp2(logarithms)
        mantissas, exponents = torch.frexp(steps.detach())
        rounded = torch.ldexp(torch.round(mantissas * 16), exponents - 4)
        return self.integers.to(steps.dtype) * (steps + (rounded - steps).detach())

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the logarithms of the steps nearest to a weight, in the sum of squares."""
        dims = [axis for axis, length in enumerate(self.shape) if length == 1]
        wide = weight.to(torch.float64)
        integers = self.integers.to(torch.float64)
        products, squares = (values.sum(dims, keepdim=True) for values in (integers * wide, integers * integers))
        steps = torch.where(squares > 0, products / squares.clamp(min=1), torch.ones_like(squares))
        return torch.log2(steps).to(torch.promote_types(weight.dtype, torch.float32))


def parametrization(
    weight: HookedWeight, axes: Sequence[int] | None = None, *, keep_grid: bool = False
) -> Masked | FromCodebook | FromGrid | None:
    """Return the rule of a weight, None for one that is free.

    Args:
        weight: The weight, of a hook.
        axes: The permutation of axes that brings it from ONNX's layout into that of the layer; None where the layer has
            ONNX's.
        keep_grid: Whether a shared weight stays on its grid, and the step is trained, not each value.

    Raises:
        HookError: The weight is to stay on a grid, but is on none.
    """
    axes = range(len(weight.shape)) if axes is None else axes
    if keep_grid:
        grid = _kept_grid(weight)
        if grid is not None:
            integers, steps = (np.ascontiguousarray(array.transpose(axes)) for array in grid)
            return FromGrid(torch.from_numpy(integers), steps.shape)
    if weight.is_free:
        return None
    if weight.codes is None:
        return Masked(torch.from_numpy(np.ascontiguousarray(weight.mask.transpose(axes))))
    codes = weight.codes.transpose(axes).astype(np.int32)
    return FromCodebook(torch.from_numpy(np.ascontiguousarray(codes)), weight.clusters - 1)


def _kept_grid(weight: HookedWeight) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the integers and the steps of a weight on a grid; channels with steps of their own have no codebook.

    Raises:
        HookError: The weight is shared, but on no grid.
    """
    if weight.codes is None and (weight.stage == "statistic" or len(weight.shape) < 2):
        return None
    grid = element_grid(weight.values)
    if weight.codes is None:
        return grid if grid is not None and grid[1].size > 1 else None
    if grid is None:
        raise HookError(f"{weight.name}: its shared values are on no grid: expected one, which keep_grid is for")
    return grid

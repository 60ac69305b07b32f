"""A weight on a grid that is trained for its bits: what an optimizer moves, and the weight that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from onnxdc.errors import WeightError
from onnxdc.numeric.code_lengths import code_lengths
from onnxdc.numeric.weight import MAX_CODES


@dataclass(frozen=True)
class GridStart:
    """How the grid of a weight begins, and how many values it may have in the end.

    Attributes:
        step: The first step, in root mean squares of the weight's nonzeros; a weight that is on a grid keeps its own.
        values: The largest number of values besides zero, 1..255.
        int8: Whether the grid is one for int8: then one of several steps, or of larger integers, is left.
    """

    step: float = 0.4
    values: int = MAX_CODES - 1
    int8: bool = False

    def takes(self, codes: np.ndarray, steps: np.ndarray) -> bool:
        """Tell whether a weight with these integers and steps begins on the grid that it has."""
        return not self.int8 or (steps.size == 1 and 2 * int(np.abs(codes).max(initial=0)) <= self.values)


class Grid(nn.Module):
    """Elements are integers times a step, both learnt, for a price of the bits that the integers take.

    Gradients pass the rounding straight through; so that of the step is the error of rounding in steps, summed up
    (Esser et al., ICLR 2020, section 2.1). The price of an element is the length of an ideal code for the integers as
    they occur (``numeric.code_lengths``), linear between two integers, so that it has a slope towards the likelier
    neighbour, which nearly always is zero. What is zero keeps its gradient, and may come back.

    Attributes:
        log_step: The natural logarithms of the steps: as many as channels have steps of their own, else one; of the
            weight's rank, and trained with it.
        codes: The integers once they are frozen, int16, of the weight's shape; a buffer.
        mask: Which elements may differ from zero, bool, of the weight's shape; None if all may. A buffer.
        held: Whether the steps stay as they are while integers do not.
        frozen: Whether the integers stay as they are.
        values: The largest number of values besides zero in the end.
    """

    codes: Tensor
    mask: Tensor | None
    _lengths: Tensor
    _slopes: Tensor

    def __init__(self, steps: Tensor, codes: Tensor, values: int = MAX_CODES - 1, mask: Tensor | None = None) -> None:
        """Make the rule.

        Args:
            steps: The first steps, above 0, of the weight's rank: 1 long along each axis but one at most.
            codes: The integers that the weight has on this grid, of the weight's shape; zeros if it is on none yet.
            values: The largest number of values besides zero in the end.
            mask: Which elements may differ from zero; None if all may.
        """
        super().__init__()
        self.log_step = nn.Parameter(steps.log())
        self.register_buffer("codes", codes.to(torch.int16))
        self.register_buffer("mask", mask)
        self.held, self.frozen = False, False
        self.values = values
        self._largest = max(1, values // 2, int(codes.abs().max()) if codes.numel() else 0)
        table = torch.zeros(2 * self._largest + 1, dtype=steps.dtype)
        self.register_buffer("_lengths", table, persistent=False)
        self.register_buffer("_slopes", table[1:].clone(), persistent=False)

    def forward(self, latent: Tensor) -> Tensor:
        """Return the weight for what is trained, of its shape."""
        steps = self._steps()
        if self.frozen:
            return (self.codes.to(steps.dtype) * _four_bits(steps)).to(latent.dtype)
        return _rounded(self._masked(latent), steps, self._largest).to(latent.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight itself."""
        return weight

    def measure(self, latent: Tensor) -> float:
        """Make the table of code lengths anew, and return the entropy of all integers together, in bits.

        Raises:
            WeightError: A value is NaN or infinite.
        """
        codes = self.integers(latent)
        counts = torch.bincount((codes.reshape(-1).to(torch.int32) + self._largest), minlength=self._lengths.numel())
        self._lengths.copy_(torch.from_numpy(code_lengths(counts.numpy(force=True))))
        self._slopes.copy_(self._lengths[1:] - self._lengths[:-1])
        seen = counts[counts > 0].double()
        return float((seen * torch.log2(codes.numel() / seen)).sum())

    def rate(self, latent: Tensor) -> Tensor:
        """Return the bits of all integers by the table, a scalar that gradients flow from; 0 once they are frozen."""
        if self.frozen:
            return latent.new_zeros(())
        return _bits(self._masked(latent), self._steps(), self._lengths, self._slopes)

    @torch.no_grad()
    def make_finer(self, latent: Tensor, factor: float) -> None:
        """Multiply the steps by a factor below 1, or by one above that where the largest integers permit no more."""
        reach = latent.abs().amax().clamp_min(torch.finfo(latent.dtype).tiny) / self._largest
        steps = self.log_step.exp()
        self.log_step.copy_(torch.minimum(torch.maximum(steps * factor, reach), steps).log())

    @torch.no_grad()
    def hold(self) -> None:
        """Round the steps to four significant bits, as the file format has them, and train without them from here on.

        Steps that are rounded only when integers are fixed leave weights a few percent off that nothing makes up for.
        """
        self.log_step.copy_(_four_bits(self.log_step.exp()).log())
        self.held = True

    @torch.no_grad()
    def freeze(self, latent: Tensor, price: float = 0.0) -> None:
        """Fix the integers, on steps of four significant bits, as the file format has them.

        Args:
            latent: What is trained.
            price: What a bit costs, in squared steps; without one each element takes the nearest integer.

        Raises:
            WeightError: A value is NaN or infinite.
        """
        self.frozen = False
        self.hold()
        self.codes.copy_(_fewest(self.integers(latent, price), self.values))
        self.frozen = True

    @torch.no_grad()
    def integers(self, latent: Tensor, price: float = 0.0) -> Tensor:
        """Return the integers as they are, int16, of the weight's shape; arguments and errors are those of freeze."""
        if self.frozen:
            return self.codes
        scaled = self._masked(latent) / self.log_step.exp()
        if not bool(torch.isfinite(scaled.sum())):
            raise WeightError("NaN or infinite values")
        lower = scaled.floor().clamp_(-self._largest, self._largest - 1)
        if not price:
            return scaled.round_().clamp_(-self._largest, self._largest).to(torch.int16)
        # (x - k)^2 + price * length, of the integer above less that of the integer below
        difference = 1 - 2 * (scaled - lower)
        difference += price * self._slopes.index_select(0, (lower + self._largest).int().reshape(-1)).view_as(lower)
        return (lower + (difference < 0)).to(torch.int16)

    def _steps(self) -> Tensor:
        """Return the steps."""
        steps = self.log_step.exp()
        return steps.detach() if self.held and not self.frozen else steps

    def _masked(self, latent: Tensor) -> Tensor:
        """Return what is trained, zero where the mask is."""
        return latent if self.mask is None else latent * self.mask


class _Rounding(torch.autograd.Function):
    """Values rounded to multiples of steps, with their gradients written out: by autograd they take twice as long."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, steps: Tensor, largest: int) -> Tensor:
        scaled = latent / steps
        codes = scaled.round().clamp_(-largest, largest)
        values = codes * steps
        ctx.save_for_backward(codes.sub_(scaled))
        ctx.shape = steps.shape
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (errors,) = ctx.saved_tensors
        return gradient, _of_steps(gradient, errors, ctx.shape), None


class _Bits(torch.autograd.Function):
    """The bits of integers by a table of lengths, linear between two of them, with their gradients written out."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, steps: Tensor, lengths: Tensor, slopes: Tensor) -> Tensor:
        largest = slopes.numel() // 2
        scaled = latent / steps
        indices = scaled.floor().clamp_(-largest, largest - 1).add_(largest).to(torch.int32).reshape(-1)
        slope = slopes.index_select(0, indices).view_as(scaled)
        # length + (x - k) * slope, of which the part that is the same between two integers is a table of its own
        flat = lengths[:-1] - slopes * torch.arange(-largest, largest, device=slopes.device)
        by_steps = _of_steps(slope, scaled, steps.shape)
        bits = flat.index_select(0, indices).sum() + by_steps.sum()
        ctx.save_for_backward(slope.div_(steps))
        ctx.of_steps = -by_steps / steps
        return bits

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return gradient * slope, gradient * ctx.of_steps, None, None


_rounded: Final[Callable[..., Tensor]] = _Rounding.apply
_bits: Final[Callable[..., Tensor]] = _Bits.apply


def _of_steps(factors: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    """Return the sum of products over what shares a step, of the shape of the steps."""
    if shape.numel() == 1:
        return torch.dot(factors.reshape(-1), values.reshape(-1)).reshape(shape)
    return (factors * values).sum([axis for axis, length in enumerate(shape) if length == 1], keepdim=True)


def _four_bits(steps: Tensor) -> Tensor:
    """Round steps to four significant bits; the gradient counts as that of the steps (straight through)."""
    mantissas, exponents = torch.frexp(steps.detach())
    rounded = torch.ldexp(torch.round(mantissas * 16), exponents - 4)
    return steps + (rounded - steps.detach())


def _fewest(codes: Tensor, values: int) -> Tensor:
    """Return integers of at most so many values besides zero: the rarest go to the nearest of the others."""
    found, counts = torch.unique(codes, return_counts=True)
    others = found != 0
    if int(others.sum()) <= values:
        return codes
    frequent = (counts * others).argsort(descending=True, stable=True)[:values]
    kept = torch.cat([found[frequent], found.new_zeros(1)]).int()
    nearest = kept[(found[:, None].int() - kept).abs().argmin(1)]
    return nearest[torch.searchsorted(found, codes)].to(torch.int16)

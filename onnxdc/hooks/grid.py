"""The grid of a hooked weight: integers times a step, both of which training may change, and what their bits cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from onnxdc.numeric.code_lengths import code_lengths
from onnxdc.numeric.grid_rounding import rounded_steps
from onnxdc.numeric.grids import LARGEST, SMALLEST_MULTIPLE, element_grid
from onnxdc.numeric.weight import MAX_CODES

MOST_VALUES: Final = MAX_CODES - 1  # besides zero
FIRST_STEP: Final = 0.4  # in root mean squares of the nonzeros: from twice that training finds its way back late
_LOST: Final = 1e-5  # of a step, in its logarithm and back


@dataclass(frozen=True, eq=False)
class HookedGrid:
    """Integers and their step.

    Attributes:
        codes: The integers, int16 of the weight's shape.
        step: The step, float32 or float64 of the weight's rank, above 0: 1 long along each axis, but as long as the
            weight along one whose channels have steps of their own.
    """

    codes: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> HookedGrid:
        """Return the grid that a weight is on, or a new one with the nearest integers."""
        found = element_grid(values)
        if found is not None:
            return cls(*found)
        precise = np.float64 if values.dtype == np.float64 else np.float32
        kept = values[values != 0].astype(np.float64)
        length = FIRST_STEP * np.sqrt(np.mean(kept**2)) if kept.size else 1.0
        step = np.full([1] * values.ndim, length, precise)
        step = rounded_steps(step) if _needs_four_bits(step, values.dtype) else step
        empty = cls(np.zeros(values.shape, np.int16), step)
        return cls(empty.nearest(values), empty.step)

    @property
    def largest(self) -> int:
        """The largest integer that training may use, in magnitude."""
        return max(MOST_VALUES // 2, int(np.abs(self.codes).max(initial=0)))

    def nearest(self, values: np.ndarray, step: np.ndarray | None = None) -> np.ndarray:
        """Return the nearest integers, int16, of the step of this grid or of another one."""
        scaled = values.astype(np.float64) / (self.step if step is None else step)
        return np.asarray(np.clip(np.rint(scaled), -self.largest, self.largest).astype(np.int16))

    def values(self, dtype: np.dtype, codes: np.ndarray | None = None, step: np.ndarray | None = None) -> np.ndarray:
        """Return what integers and a step stand for, its own by default; zeros are 0.0, not -0.0."""
        codes, step = self.codes if codes is None else codes, self.step if step is None else step
        product = codes.astype(step.dtype) * step
        return np.asarray((product + np.zeros((), product.dtype)).astype(dtype))

    def lengths(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Return the bits of the codes of all integers by how often they occur, float32 ``[2 * largest + 1]``.

        The first is that of ``-largest``. See ``numeric.code_lengths``.

        Args:
            codes: The integers, from ``-largest`` to ``largest``; its own by default.
        """
        seen = (self.codes if codes is None else codes).reshape(-1).astype(np.int64) + self.largest
        return code_lengths(np.bincount(seen, minlength=2 * self.largest + 1)).astype(np.float32)


def off_grid(values: np.ndarray) -> str | None:
    """Say why values are not whole multiples of a step, few enough to be encoded so; None if they are."""
    if not values.any():
        return None
    found = element_grid(values)
    if found is None:
        steps = "one step, or of one with four significant bits for each channel"
        return f"expected whole multiples of {steps}, at most {MOST_VALUES} different ones besides zero, got others"
    return None


def step_fault(step: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """Say why an array is no step of a weight of this shape; None if it is one."""
    if step.dtype not in (np.float32, np.float64):
        return f"expected float32 or float64, got {step.dtype}"
    if step.ndim != len(shape) or any(a not in (1, b) for a, b in zip(step.shape, shape, strict=True)):
        return f"expected axes of 1, or as in {list(shape)}, got {list(step.shape)}"
    if not np.isfinite(step).all() or step.min(initial=1.0) <= 0:
        return "expected finite numbers above 0, got others"
    return None


def restored_step(step: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the steps of a weight of this type; those with four significant bits get back what a logarithm lost."""
    if not _needs_four_bits(step, dtype):
        return step
    nearest = rounded_steps(step)
    return np.where(np.abs(nearest - step) <= _LOST * step, nearest, step)


def hidden_fault(codes: np.ndarray, step: np.ndarray, dtype: np.dtype) -> str | None:
    """Say why the values of a weight of this type do not show their integers and their step; None if it is neither."""
    if _needs_four_bits(step, dtype):
        restored = restored_step(step, dtype)
        odd = restored[rounded_steps(restored) != restored]
        kind = "steps of channels" if step.size > 1 else f"a step of {dtype} values"
        return f"expected {kind} with four significant bits, got {odd[0]:.9g}" if odd.size else None
    smallest = np.abs(codes[codes != 0].astype(np.int64)).min(initial=LARGEST)
    if dtype == np.float32 and smallest > SMALLEST_MULTIPLE:
        return f"expected integers that begin at {SMALLEST_MULTIPLE} or less, got none below {smallest}"
    return None


def _needs_four_bits(step: np.ndarray, dtype: np.dtype) -> bool:
    """Tell whether encoding finds steps by their four significant bits alone: those of channels, and of float64."""
    return step.size > 1 or dtype == np.float64

"""Weights on grids while training goes on: what their bits cost, when tables are made anew, when integers are fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from onnxdc.errors import OptionName, TrainingError
from onnxdc.numeric.search import closest_below
from onnxdc.torch.grid import Grid
from onnxdc.training.rates import Rate
from onnxdc.training.schedule import GridSchedule

_CLOSE: Final = 0.997  # of the bytes asked for: a file this large is accepted
_MOST_FILES: Final = 10
_FINER, _LEAST_BITS, _MOST_BITS = 20, 1 / 64, 1 / 16  # how often new grids are made finer, by how much at a time
_SMALL: Final = 0.985  # of the bytes asked for: a file this small has room for finer grids
_PRICE: Final = 0.1  # squared steps a bit that the search moves by
_SLOPE: Final = -0.2  # of the bytes by which that changes them, a first guess


@dataclass(frozen=True)
class GridWeight:
    """A weight on a grid.

    Attributes:
        latent: What the optimizer moves: the values that are rounded.
        grid: The parametrization, with the step.
    """

    latent: torch.Tensor
    grid: Grid

    def told(self) -> str:
        """Return what the grid is, in words."""
        step = float(self.grid.log_step.detach().exp().mean())
        return f"of step {step:.4g} and {self.grid.values} values"

    def nonzeros(self) -> int:
        """Count the elements that are not zero."""
        return int(torch.count_nonzero(self.grid.integers(self.latent.detach())))


@dataclass
class Grids:
    """The weights on grids of a training.

    Integers are fixed, with ``settle`` of the training left for steps, biases and whatever else there is. With a size
    to reach they are chosen so that the file has it: by a price of bits that nearest integers do not heed.

    Attributes:
        weights: The weights, by name.
        schedule: When tables are made anew, and integers fixed.
        rate: What a bit costs.
        file_bytes: Returns the bytes of the file that encoding makes of the values as they are.
        extra: The bytes of that file, when it was made last, that the entropy of the integers does not explain.
    """

    weights: Mapping[str, GridWeight]
    schedule: GridSchedule
    rate: Rate
    file_bytes: Callable[[], int]
    extra: float = 0.0

    def begin(self, schedule: GridSchedule) -> None:
        """Begin a round: integers move again, by a schedule that counts from its first step."""
        self.schedule = schedule
        for weight in self.weights.values():
            weight.grid.held = weight.grid.frozen = False

    def before_step(self, step: int) -> None:
        """Make tables anew, steer the rate, and fix the integers, each if it is time to.

        Args:
            step: The number of the step, from 0, in its round.

        Raises:
            WeightError: A value is NaN or infinite.
            TrainingError: The integers cannot be chosen so that the file has the size asked for.
        """
        if not self.weights or step > self.schedule.frozen_from:
            return
        if step == self.schedule.held_from:
            for weight in self.weights.values():
                weight.grid.hold()
        if step == self.schedule.frozen_from or self.schedule.measures(step):
            entropy = self._measure()
            if step == 0 and self.rate.target is not None:
                entropy = self._begin_at_size(self.rate.target, entropy)
            self.rate.steer(self.schedule.progress(step), self.schedule.late(step), entropy, self.extra)
            if self.rate.target is not None and step < self.schedule.held_from:
                lacking = self.rate.target - entropy - self.extra
                if lacking > (1 - _SMALL) * self.rate.target:
                    self._make_finer(lacking, most=_MOST_BITS)
        if step == self.schedule.frozen_from:
            self._freeze()

    def price(self, step: int) -> torch.Tensor | float:
        """Return what the bits of all weights cost together at a step, a scalar of the loss."""
        rate = self.rate.at(self.schedule.progress(step))
        if not rate or self.settled(step):
            return 0.0
        return rate * torch.stack([weight.grid.rate(weight.latent) for weight in self.weights.values()]).sum()

    def settled(self, steps: int) -> bool:
        """Tell whether the integers stay as they are after so many steps."""
        return not self.weights or steps > self.schedule.frozen_from

    def measure_file(self) -> int | None:
        """Return the bytes of the file that encoding makes now; None without grids."""
        if not self.weights:
            return None
        nbytes = self.file_bytes()
        self.extra = nbytes - self._measure()
        return nbytes

    def state(self) -> dict[str, Any]:
        """Return what the next steps depend on, besides the parameters."""
        return {"extra": self.extra, "rate": self.rate.state()}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Go on from a state after so many steps."""
        self.extra = float(state["extra"])
        self.rate.resume(state["rate"])
        for weight in self.weights.values():
            weight.grid.held, weight.grid.frozen = steps > self.schedule.held_from, self.settled(steps)

    def _measure(self) -> float:
        """Make all tables anew, and return the entropy of the integers in bytes."""
        return sum(weight.grid.measure(weight.latent.detach()) for weight in self.weights.values()) / 8

    def _begin_at_size(self, target: int, entropy: float) -> float:
        """Make grids finer where the file is too small already, and return the entropy of the integers in bytes.

        Raises:
            TrainingError: The file would be larger without any weight.
        """
        least = self._least_bytes()
        if least > target:
            raise TrainingError(
                f"expected a file of at most {target:,} bytes, got {least:,} with nothing but zeros: set a larger ",
                OptionName("target_size"),
            )
        nbytes = self.file_bytes()
        if not any(weight.grid.codes.any() for weight in self.weights.values()):  # nothing is on a grid yet
            for _ in range(_FINER):
                if nbytes >= target:
                    break
                self._make_finer(target - nbytes, most=1.0)
                entropy, nbytes = self._measure(), self.file_bytes()
        self.extra = nbytes - entropy
        return entropy

    def _make_finer(self, nbytes: float, most: float) -> None:
        """Make the grids finer by about so many bytes, and by at most so many bits an element."""
        elements = sum(weight.latent.numel() for weight in self.weights.values())
        bits = min(max(8 * nbytes / elements, _LEAST_BITS), most)
        for weight in self.weights.values():
            weight.grid.make_finer(weight.latent.detach(), 2**-bits)

    def _least_bytes(self) -> int:
        """Return the bytes of the file if all integers were zero."""
        grids = [weight.grid for weight in self.weights.values()]
        kept = [(grid, grid.codes.clone(), grid.frozen) for grid in grids]
        for grid in grids:
            grid.codes.zero_()
            grid.frozen = True
        nbytes = self.file_bytes()
        for grid, codes, frozen in kept:
            grid.codes.copy_(codes)
            grid.frozen = frozen
        return nbytes

    def _freeze(self) -> None:
        nearest, _ = self._freeze_at(0.0)
        if self.rate.target is None or nearest <= self.rate.target:
            return  # a price below zero would fill the file, at a loss
        found = closest_below(
            self._freeze_at,
            self.rate.target,
            close=_CLOSE * self.rate.target,
            start=(nearest / self.rate.target - 1) / -_SLOPE,
            slope=_SLOPE * self.rate.target,
            most=_MOST_FILES,
        )
        if found.best is None:
            least = min(nbytes for _, nbytes in found.points)
            raise TrainingError(
                f"expected a file of at most {self.rate.target:,} bytes, got {least:,.0f} at least when integers were "
                "to be fixed: train for longer, or set a larger ",
                OptionName("target_size"),
            )
        self._freeze_at(found.best.x)

    def _freeze_at(self, strength: float) -> tuple[int, None]:
        """Fix the integers at a price, and return the bytes of the file."""
        for weight in self.weights.values():
            weight.grid.freeze(weight.latent, strength * _PRICE)
        return self.file_bytes(), None

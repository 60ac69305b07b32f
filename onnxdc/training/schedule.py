"""What changes while training goes on: the learning rate, and how dense the weights are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from onnxdc.training.options import TrainingOptions

_STEP_WAY: Final = 10.0  # that the logarithm of a step can go in a training, about
_LEAST_STEP_LR, _MOST_STEP_LR = 0.001, 0.01
_MOVED: Final = 0.3  # the paper's
_INTERVAL, _INTERVAL_BY_GRADIENTS = 16, 100  # steps from one choice of the masks to the next
_FEWEST_CHOICES: Final = 5  # of masks while the density falls, a choice: it falls by a factor of about two at each
_LONGEST_INTERVAL: Final = 16  # steps from one table of code lengths to the next
_FEWEST_INTERVALS: Final = 256  # of them in a training, a choice: the price of bits is steered at each


def learning_rate(options: TrainingOptions, step: int, steps: int) -> float:
    """Return the learning rate of a step.

    It rises along a line in the first ``warmup * steps`` steps, and then stays, or falls along half a cosine
    (Loshchilov and Hutter, ICLR 2017, section 3). Each round of the iterative schedule is a training of its own: what
    is pruned at its start has to be made up for.

    Args:
        options: The options, of which ``lr``, ``lr_schedule``, ``warmup``, ``schedule`` and ``rounds`` count.
        step: The number of the step, from 0.
        steps: The number of steps of the whole training.
    """
    if options.schedule == "iterative":
        first, end = _round_of(options, step, steps)
        step, steps = step - first, end - first
    rising = round(options.warmup_share * steps)
    if step < rising:
        return options.lr * (step + 1) / rising
    if options.lr_schedule == "constant":
        return options.lr
    return options.lr * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


def step_learning_rate(options: TrainingOptions, steps: int) -> float:
    """Return the learning rate of the logarithms of steps at its highest; ``steps`` is the number of training steps."""
    if options.step_lr is not None:
        return options.step_lr
    return min(max(_STEP_WAY / steps, _LEAST_STEP_LR), _MOST_STEP_LR)


@dataclass(frozen=True)
class DensitySchedule:
    """When masks are chosen, and for which density.

    * ``"one_shot"``: the target from the first step on.
    * ``"iterative"``: in ``rounds`` equal parts of the training, each of which starts by keeping the same share of
      what was left, so that the last one reaches the target (Han et al., NIPS 2015, section 3.1).
    * ``"gradual"``: ``target + (start - target) * (1 - progress)^3`` (Zhu and Gupta 2017, equation 1), where progress
      goes from 0 to 1 in the share ``ramp`` of the training.

    The masks are fixed for the share ``settle`` at the end, so that the values settle for good.

    Attributes:
        options: The options, of which ``schedule``, ``rounds``, ``ramp``, ``settle``, ``mask_interval`` and
            ``sparse_from_start`` count.
        steps: The number of steps of the whole training.
        epoch_steps: The number of steps of one epoch.
    """

    options: TrainingOptions
    steps: int
    epoch_steps: int

    def density(self, step: int, start: float, target: float) -> float:
        """Return the density of a weight at a step.

        Args:
            step: The number of the step, from 0.
            start: The density of the weight before training.
            target: Its density in the end, not above ``start``.
        """
        progress = step / max(1, self._reached_at) if step < self._reached_at else 1.0
        if progress >= 1 or self.options.schedule == "one_shot":
            return target
        if self.options.schedule == "gradual":
            return target + (start - target) * (1 - progress) ** 3
        done = sum(step >= first for first in self._starts)
        return start * (target / start) ** (done / self.options.round_count) if start else 0.0

    def moved_share(self, step: int) -> float:
        """Return the share of kept elements that change places with pruned ones by gradients, from 0.3 down to 0.

        It falls along half a cosine until the masks settle (Evci et al., ICML 2020, section 3).
        """
        return _MOVED * (1 + math.cos(math.pi * min(step / max(1, self.settled_from), 1.0))) / 2

    @property
    def settled_from(self) -> int:
        """The step at which the masks are chosen for the last time."""
        return max(self._reached_at, min(self.steps - 1, math.floor((1 - self.options.settled_share) * self.steps)))

    def chooses(self, step: int) -> bool:
        """Tell whether masks are chosen before this step.

        They are every ``mask_interval`` steps, by default more often in a short training, when an epoch or a round
        starts, and for the last time. By gradients, of which a step moves nothing else, the start of an epoch counts
        only where epochs are longer than that.
        """
        if step >= self.settled_from:
            return step == self.settled_from
        interval = self._interval
        epochs_count = not self.options.regrows_by_gradients or self.epoch_steps >= interval
        return (
            step % interval == 0
            or (epochs_count and step % self.epoch_steps == 0)
            or (self.options.schedule == "iterative" and step in self._starts)
        )

    @property
    def _interval(self) -> int:
        """The number of steps from one choice of the masks to the next."""
        if self.options.mask_interval is not None:
            return self.options.mask_interval
        usual = _INTERVAL_BY_GRADIENTS if self.options.regrows_by_gradients else _INTERVAL
        return min(usual, max(1, (self._reached_at or self.settled_from) // _FEWEST_CHOICES))

    @property
    def _starts(self) -> tuple[int, ...]:
        return _round_starts(self.options, self.steps)

    @property
    def _reached_at(self) -> int:
        """The step from which on the target holds."""
        if self.options.schedule == "one_shot" or self.options.sparse_from_start is not None:
            return 0
        if self.options.schedule == "iterative":
            return min(self.steps - 1, self._starts[-1])
        return min(self.steps - 1, round(self.options.ramp * self.steps))


@dataclass(frozen=True)
class GridSchedule:
    """How the price of bits rises, when it is looked at, and when the integers of grids are fixed.

    Attributes:
        options: The options, of which ``rate_ramp`` and ``settle`` count.
        steps: The number of steps of the whole training.
        epoch_steps: The number of steps of one epoch.
    """

    options: TrainingOptions
    steps: int
    epoch_steps: int

    def progress(self, step: int) -> float:
        """Return how far the price, or the size, has come at a step, from 0 to 1."""
        rising = self.options.rate_ramp * self.steps
        return step / rising if step < rising else 1.0

    def late(self, step: int) -> float:
        """Return how far a step is from there to the one at which the steps of grids are rounded, from 0 to 1."""
        risen = self.options.rate_ramp * self.steps
        return min(max(step - risen, 0.0) / max(self.held_from - risen, 1.0), 1.0)

    def measures(self, step: int) -> bool:
        """Tell whether tables are made anew before this step: seldom, but often enough in a short training."""
        interval = min(_LONGEST_INTERVAL, max(1, self.steps // _FEWEST_INTERVALS))
        return step % self.epoch_steps % interval == 0

    @property
    def held_from(self) -> int:
        """The step before which the steps of grids are rounded, halfway from the end of the rise to ``frozen_from``."""
        return min(self.frozen_from, round((self.options.rate_ramp * self.steps + self.frozen_from) / 2))

    @property
    def frozen_from(self) -> int:
        """The step before which the integers are fixed."""
        return min(self.steps - 1, math.floor((1 - self.options.settled_share) * self.steps))


def _round_starts(options: TrainingOptions, steps: int) -> tuple[int, ...]:
    """Return the first step of each round."""
    return tuple(math.ceil(done * steps / options.round_count) for done in range(options.round_count))


def _round_of(options: TrainingOptions, step: int, steps: int) -> tuple[int, int]:
    """Return the first step of the round of a step, and that of the next round."""
    bounds = (*_round_starts(options, steps), steps)
    number = sum(start <= step for start in bounds)
    return bounds[number - 1], bounds[number]

"""Choose the masks while training goes on: the largest magnitudes stay, by the density that the schedule says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from onnxdc.numeric.pruning import prune
from onnxdc.torch.parametrizations import Masked
from onnxdc.training.schedule import DensitySchedule
from onnxdc.training.targets import Ranking


@dataclass(frozen=True)
class MaskedWeight:
    """A weight under a mask.

    Attributes:
        original: What the optimizer moves: the values that are masked.
        masked: The parametrization, with the mask.
    """

    original: torch.Tensor
    masked: Masked

    def magnitudes(self, *, regrow: bool) -> np.ndarray:
        """Return what elements are ranked by, ``[numel]``: pruned ones are 0 unless they may come back."""
        values = self.original.detach()
        return (values if regrow else values * self.masked.mask).abs().cpu().numpy().reshape(-1)


@dataclass(frozen=True)
class Pruner:
    """Masks that follow a schedule.

    Without regrowth a pruned element stays pruned. With it the gradient reaches the values under the mask, too, so
    that a pruned one returns when it has grown larger than one that is kept (Guo et al., NIPS 2016, section 3).

    Attributes:
        weights: The weights that have a mask, by name.
        rankings: Which of them are ranked together, and the densities that they reach.
        schedule: When masks are chosen, and for which density.
        regrow: Whether pruned elements may come back, until the schedule has settled.
    """

    weights: Mapping[str, MaskedWeight]
    rankings: Sequence[Ranking]
    schedule: DensitySchedule
    regrow: bool

    def before_step(self, step: int) -> bool:
        """Choose the masks if it is time to.

        Args:
            step: The number of the step, from 0.

        Returns:
            Whether masks were chosen.

        Raises:
            WeightError: A value is NaN or infinite.
        """
        for weight in self.weights.values():
            weight.masked.regrow = self.regrow and step < self.schedule.settled_from
        if not self.rankings or not self.schedule.chooses(step):
            return False
        for ranking in self.rankings:
            self._choose(ranking, self.schedule.density(step, ranking.start, ranking.target))
        return True

    def settled(self, steps: int) -> bool:
        """Tell whether the masks stay as they are after so many steps."""
        return not self.rankings or steps > self.schedule.settled_from

    def _choose(self, ranking: Ranking, density: float) -> None:
        weights = [self.weights[name] for name in ranking.names]
        ranked = [weight.magnitudes(regrow=self.regrow) for weight in weights]
        kept = prune(np.concatenate(ranked), density=density) != 0
        ends = np.cumsum([magnitudes.size for magnitudes in ranked])[:-1]
        for weight, part in zip(weights, np.split(kept, ends), strict=True):
            mask = weight.masked.mask
            mask.copy_(torch.from_numpy(part).view_as(mask))

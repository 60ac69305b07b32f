"""Choose the masks while training goes on, by the density that the schedule says: who stays, and who comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from onnxdc.numeric.arrays import require_finite
from onnxdc.numeric.pruning import prune
from onnxdc.torch.parametrizations import Masked
from onnxdc.training.schedule import DensitySchedule
from onnxdc.training.targets import Ranking

_LAST: Final = 1e-20  # what a magnitude counts that says nothing: less than all others, but more than none


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

    def gradients(self) -> np.ndarray:
        """Return the magnitudes of the gradients, ``[numel]``; zeros if there are none."""
        gradient = self.original.grad
        if gradient is None:
            return np.zeros(self.original.numel(), np.float32)
        return gradient.detach().abs().cpu().numpy().reshape(-1)


@dataclass(frozen=True)
class Pruner:
    """Masks that follow a schedule.

    Without regrowth a pruned element stays pruned. With it the gradient reaches the values under the mask, too, so
    that a pruned one returns when it has grown larger than one that is kept (Guo et al., NIPS 2016, section 3). Or, at
    each choice, a share of the smallest goes, and as many come back from zero as have the largest gradients at the
    moment (Evci et al., ICML 2020, section 3).

    An element that no gradient has reached so far, such as a weight on an input that is always zero, goes first: its
    size says nothing.

    Attributes:
        weights: The weights that have a mask, by name.
        rankings: Which of them are ranked together, and the densities that they reach.
        schedule: When masks are chosen, and for which density.
        regrow: Whether pruned elements may come back, until the schedule has settled.
        by_gradients: Whether they come back by their gradients.
        seen: Which elements of the ranked weights a gradient has reached, bool, by name.
    """

    weights: Mapping[str, MaskedWeight]
    rankings: Sequence[Ranking]
    schedule: DensitySchedule
    regrow: bool
    by_gradients: bool = False
    seen: dict[str, torch.Tensor] = field(default_factory=dict)

    def before_step(self, step: int) -> bool:
        """Choose the masks by the values if it is time to.

        Args:
            step: The number of the step, from 0.

        Returns:
            Whether masks were chosen.

        Raises:
            WeightError: A value is NaN or infinite.
        """
        moves = self.moves(step)
        for weight in self.weights.values():
            trains_all = self.regrow and not self.by_gradients and step < self.schedule.settled_from
            weight.masked.regrow = moves or trains_all
        if moves or not self.rankings or not self.schedule.chooses(step):
            return False
        for ranking in self.rankings:
            density = self.schedule.density(step, ranking.start, ranking.target)
            ranked = [self._magnitudes(name, regrow=self.regrow and not self.by_gradients) for name in ranking.names]
            self._put(ranking, prune(np.concatenate(ranked), density=density) != 0)
        return True

    def moves(self, step: int) -> bool:
        """Tell whether masks are chosen by the gradients of a step, which all elements have then."""
        return self.by_gradients and bool(self.rankings) and self.schedule.chooses(step) and bool(self.seen)

    def move(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        """Choose the masks by the values and the gradients as they are; what changes its place begins anew, at zero.

        Args:
            step: The number of the step, from 0.
            optimizer: What it knows of elements that change their places is forgotten.

        Raises:
            WeightError: A value or a gradient is NaN or infinite.
        """
        for ranking in self.rankings:
            ranked = np.concatenate([self._magnitudes(name, regrow=False) for name in ranking.names])
            gradients = np.concatenate([self.weights[name].gradients() for name in ranking.names])
            before = {name: self.weights[name].masked.mask.clone() for name in ranking.names}
            active = np.concatenate([mask.cpu().numpy().reshape(-1) for mask in before.values()])
            for array in (ranked, gradients):
                require_finite(array)
            wanted = round(self.schedule.density(step, ranking.start, ranking.target) * ranked.size)
            grown = round(self.schedule.moved_share(step) * wanted)
            self._put(ranking, moved(ranked, gradients, active, wanted, grown))
            for name in ranking.names:
                self._begin_anew(name, before[name], optimizer)

    def look(self, step: int) -> None:
        """Remember which elements the gradients of a step reach, until the masks have settled."""
        if step >= self.schedule.settled_from:
            return
        for ranking in self.rankings:
            for name in ranking.names:
                gradient = self.weights[name].original.grad
                if gradient is not None:
                    reached = gradient != 0
                    self.seen[name] = self.seen[name].logical_or_(reached) if name in self.seen else reached

    def settled(self, steps: int) -> bool:
        """Tell whether the masks stay as they are after so many steps."""
        return not self.rankings or steps > self.schedule.settled_from

    def state(self) -> dict[str, Any]:
        """Return what the next steps depend on, besides values and masks."""
        return {"seen": dict(self.seen)}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name, seen in state["seen"].items():
            self.seen[name] = seen.to(self.weights[name].original.device).view_as(self.weights[name].original)

    def _magnitudes(self, name: str, *, regrow: bool) -> np.ndarray:
        magnitudes = self.weights[name].magnitudes(regrow=regrow)
        if name not in self.seen:
            return magnitudes
        seen = self.seen[name].cpu().numpy().reshape(-1)
        return np.where(seen, magnitudes, magnitudes * magnitudes.dtype.type(_LAST))

    def _put(self, ranking: Ranking, kept: np.ndarray) -> None:
        """Set the masks of the weights of a ranking, one after the other in ``kept``."""
        ends = np.cumsum([self.weights[name].masked.mask.numel() for name in ranking.names])[:-1]
        for name, part in zip(ranking.names, np.split(kept, ends), strict=True):
            mask = self.weights[name].masked.mask
            mask.copy_(torch.from_numpy(part).view_as(mask))

    @torch.no_grad()
    def _begin_anew(self, name: str, before: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        weight = self.weights[name]
        changed = weight.masked.mask != before
        weight.original.masked_fill_(changed, 0.0)
        for moment in optimizer.state[weight.original].values():
            if isinstance(moment, torch.Tensor) and moment.shape == changed.shape:
                moment.masked_fill_(changed, 0.0)


def moved(magnitudes: np.ndarray, gradients: np.ndarray, active: np.ndarray, wanted: int, grown: int) -> np.ndarray:
    """Return a mask of ``wanted`` elements: the largest of the active ones, and some others of large gradients.

    Args:
        magnitudes: Those of the values ``[n]``, 0 for what is not active.
        gradients: Those of the gradients ``[n]``.
        active: Which elements are active, bool ``[n]``.
        wanted: How many are to be.
        grown: How many of them come anew, if so many others have a gradient; what goes does not return at once.

    >>> moved(np.array([3.0, 1, 2, 0, 0]), np.array([9.0, 9, 9, 1, 2]), np.array([1, 1, 1, 0, 0], bool), 3, 1).tolist()
    [True, False, True, False, True]
    """
    free = np.where(active, 0, gradients)
    grown = min(grown, wanted, int(np.count_nonzero(free)))
    order = np.argsort(np.where(active, -magnitudes, np.inf), kind="stable")
    kept = order[: min(wanted - grown, int(np.count_nonzero(active)))]
    mask = np.zeros(magnitudes.shape, bool)
    mask[kept] = True
    mask[np.argsort(-free, kind="stable")[: min(wanted - kept.size, int(np.count_nonzero(free)))]] = True
    return mask

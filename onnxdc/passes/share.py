"""Share: give the nonzeros of each weight a few common values (Han et al. 2016, section 3)."""

from __future__ import annotations

from functools import partial

import numpy as np

from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Role
from onnxdc.graph.weights import WeightInfo
from onnxdc.numeric.arrays import bit_patterns, distinct_nonzero
from onnxdc.numeric.codebook import share as share_array
from onnxdc.numeric.energy import energy_lost
from onnxdc.passes.plan import Outcome, Plan, only, replace_values, work_on_each
from onnxdc.passes.result import Figures, Progress, Result, Shared
from onnxdc.recipe import Settings


def share(plan: Plan, *, progress: Progress | None = None) -> Result[Shared]:
    """Replace the nonzeros of weights and tables by at most ``2^bits - 1`` values, found by k-means; zeros stay zero.

    They stay dense tensors of the same name, type and shape. One that has few values already is left as it is.

    Args:
        plan: The weights; their model is changed in place.
        progress: Called after each weight.

    Raises:
        ModelError: The data of a weight cannot be read.
    """
    work = partial(share_weight, seed=plan.recipe.seed)
    return work_on_each(plan, work, replace_values, progress, only(Role.WEIGHT, Role.TABLE))


def share_weight(
    array: np.ndarray, settings: Settings, weight: WeightInfo, *, seed: int
) -> Outcome[Shared, np.ndarray] | Skip:
    """Share the values of one weight.

    Raises:
        WeightError: The values cannot be shared: one is NaN or infinite, or groups do not divide the channels.
    """
    if settings.groups > 1 and weight.channel_axis is None:
        reason = f"{settings.groups} groups, but which axis holds its output channels is not known"
        return Skip(weight.name, SkipCode.UNKNOWN_AXIS, reason)
    shared = share_array(
        array,
        bits=settings.bits,
        init=settings.init,
        seed=seed,
        groups=settings.groups,
        group_axis=weight.channel_axis or 0,
    )
    values = distinct_nonzero(bit_patterns(shared), settings.groups << settings.bits)
    assert values is not None, f"{weight.name} has more values than its codebooks"
    if np.array_equal(bit_patterns(shared), bit_patterns(array)):
        reason = f"shared already: {values.size} values besides zero fit {settings.bits} bits"
        return Skip(weight.name, SkipCode.NOTHING_TO_DO, reason)
    before, after = Figures.of(array), Figures.of(shared, distinct=values.size)
    lost = energy_lost(array, shared)
    return Outcome(Shared(weight, before, after, settings.bits, settings.init, settings.groups, lost), shared)

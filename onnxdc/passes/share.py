"""Share: give the elements of each weight a few common values (Han et al. 2016, section 3)."""

from __future__ import annotations

from functools import partial

import numpy as np

from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import Role
from onnxdc.graph.weights import WeightInfo
from onnxdc.numeric.arrays import bit_patterns, distinct_nonzero
from onnxdc.numeric.codebook import share as share_array
from onnxdc.numeric.energy import energy_lost
from onnxdc.numeric.grid_rounding import round_to_grid
from onnxdc.numeric.grids import find_grid
from onnxdc.passes.plan import Outcome, Plan, only, replace_values, work_on_each
from onnxdc.passes.result import Figures, Progress, Result, Shared
from onnxdc.passes.rounded_biases import round_biases
from onnxdc.recipe import Settings


def share(plan: Plan, *, progress: Progress | None = None) -> Result[Shared]:
    """Give weights and tables few values: those of a grid, or those that k-means finds for their nonzeros.

    They stay dense tensors of the same name, type and shape, and zeros stay zero; on a grid some nonzeros become zero.
    One that has few values already, or is on a grid for each channel, is left as it is. Biases are rounded to float16,
    unless the recipe says not to.

    Args:
        plan: The weights; their model is changed in place.
        progress: Called after each weight.

    Raises:
        ModelError: The data of a weight cannot be read.
    """
    work = partial(share_weight, seed=plan.recipe.seed)
    result = work_on_each(plan, work, replace_values, progress, only(Role.WEIGHT, Role.TABLE))
    if plan.recipe.biases != "keep":
        result.biases = round_biases(plan.model, plan.recipe.biases)
    return result


def share_weight(
    array: np.ndarray, settings: Settings, weight: WeightInfo, *, seed: int
) -> Outcome[Shared, np.ndarray] | Skip:
    """Share the values of one weight.

    Raises:
        WeightError: The values cannot be shared: one is NaN or infinite, or out of the range of grids, or groups do not
            divide the channels.
    """
    return (_on_grid if settings.sharing == "grid" else partial(_by_kmeans, seed=seed))(array, settings, weight)


def _on_grid(array: np.ndarray, settings: Settings, weight: WeightInfo) -> Outcome[Shared, np.ndarray] | Skip:
    most = (1 << settings.bits) - 1
    values = distinct_nonzero(bit_patterns(array), most)
    if values is not None:
        return _shared_already(weight, f"{values.size} values besides zero fit {settings.bits} bits")
    grid = find_grid(array, weight.channel_axis or 0)
    if grid is not None and grid.integers.size <= most + 1:
        return _shared_already(weight, f"{grid.integers.size} integers times the steps of {grid.steps.size} channels")
    assert settings.step is not None, f"no step for {weight.name}"
    rounded = round_to_grid(array, settings.step, most=most, axis=weight.channel_axis)
    return _outcome(array, rounded.values, weight, tuple(rounded.steps.tolist()))


def _by_kmeans(
    array: np.ndarray, settings: Settings, weight: WeightInfo, *, seed: int
) -> Outcome[Shared, np.ndarray] | Skip:
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
    if np.array_equal(bit_patterns(shared), bit_patterns(array)):
        values = distinct_nonzero(bit_patterns(shared), settings.groups << settings.bits)
        assert values is not None, f"{weight.name} has more values than its codebooks"
        return _shared_already(weight, f"{values.size} values besides zero fit {settings.bits} bits")
    return _outcome(array, shared, weight)


def _shared_already(weight: WeightInfo, why: str) -> Skip:
    return Skip(weight.name, SkipCode.NOTHING_TO_DO, f"shared already: {why}")


def _outcome(
    array: np.ndarray, shared: np.ndarray, weight: WeightInfo, steps: tuple[float, ...] | None = None
) -> Outcome[Shared, np.ndarray]:
    values = distinct_nonzero(bit_patterns(shared), shared.size)
    assert values is not None, "no weight has more values than elements"
    before, after = Figures.of(array), Figures.of(shared, values.size)
    return Outcome(Shared(weight, before, after, energy_lost(array, shared), steps), shared)

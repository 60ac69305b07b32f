"""Run a model on data, and learn the moments of what its layers read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.readings import Reading, Sample
from onnxdc.calibration.shelf import Shelf
from onnxdc.calibration.statistics import Statistics
from onnxdc.calibration.tapped import MODEL, Tapped
from onnxdc.errors import OptionError, OptionName
from onnxdc.evaluate.spread import items_of
from onnxdc.model_io.feeds import Feed, InputSpec, given_feeds, input_specs
from onnxdc.numeric.calibrated.moments import BLOCK, Moments
from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Progress

_MASK: Final = "attention_mask"  # what exporters of transformers call the input that says which tokens are padding
_SHARE: Final = 4  # memory is for four things alike: activations, moments in the making, moments, factors


def feeds_of(plan: Plan, arrays: Mapping[str, np.ndarray]) -> list[Feed]:
    """Return the feeds that arrays make, one array for each input of the model as for ``verify``; others are ignored.

    Raises:
        ModelError: An array is missing or does not fit.
    """
    return given_feeds(input_specs(plan.model, MODEL), arrays, MODEL)


def gather(
    plan: Plan,
    feeds: Iterable[Feed],
    *,
    memory: int | None = None,
    mask_input: str | None = None,
    seed: int = 0,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: Progress | None = None,
) -> Statistics:
    """Learn what the layers of a model read when it runs on data.

    The model runs as often as it takes for the moments that are learnt at once to fit the memory.

    Args:
        plan: The model and its weights, which are not changed.
        feeds: The data. What can be iterated only once is held in memory.
        memory: The bytes to get by with; without, a quarter of the machine's.
        mask_input: The input that is zero at padded positions ``[items, positions]``; without, ``attention_mask`` if
            there is one.
        seed: What the positions of convolutions are drawn by.
        custom_ops: Libraries of somebody's own operators that the model needs.
        progress: Called after each portion of data, with the run, the items done and those of all.

    Raises:
        ModelError: The model cannot be run on these feeds.
        OptionError: There is no such mask.
    """
    memory = _default_memory() if memory is None else memory
    feeds = list(feeds) if isinstance(feeds, Iterator) else feeds
    specs = input_specs(plan.model, MODEL)
    mask = _mask_name(specs, mask_input)
    found = layers_of(plan)
    readings = list(dict.fromkeys(reading for layer in found.layers.values() for reading in layer.readings))
    shelf: Shelf[Reading, Moments] = Shelf(memory // _SHARE, lambda moments: _bytes(*moments.mean.shape))
    runs = _runs(readings, memory // _SHARE)
    total, items = sum(map(items_of, feeds)), 0
    for number, run in enumerate(runs, start=1):
        moments = {reading: Moments(reading.groups, reading.columns) for reading in run}
        tapped = Tapped(plan.model, {name for reading in run for name in reading.tensors}, memory // _SHARE, custom_ops)
        items = 0
        for feed in feeds:
            for portion, tensors in tapped.run(feed):
                sample = Sample(tensors, _kept(portion, mask), seed, items)
                for reading, learnt in moments.items():
                    learnt.add(reading.rows(sample))
                items += items_of(portion)
                if progress is not None:
                    progress(f"run {number} of {len(runs)}", items, total)
        for reading, learnt in moments.items():
            shelf.put(reading, learnt)
    biased = frozenset(found.biases)
    return Statistics(found.layers, biased, shelf, found.skips, items or total, memory // _SHARE)


def _default_memory() -> int:
    """Return a quarter of the machine's memory, 2 GB where the system does not say how much there is."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 2 * 10**9


def _mask_name(specs: Sequence[InputSpec], asked: str | None) -> str | None:
    names = [spec.name for spec in specs]
    if asked is not None and asked not in names:
        raise OptionError(
            OptionName("mask_input"), f": expected an input of the model, {', '.join(names)}, got {asked}"
        )
    return asked or (_MASK if _MASK in names else None)


def _kept(feed: Feed, mask: str | None) -> NDArray[np.bool_] | None:
    return None if mask is None else feed[mask] != 0


def _bytes(groups: int, columns: int) -> int:
    """Return the bytes of moments: what was learnt, and a block of rows."""
    return 8 * groups * columns**2 + 8 * BLOCK * groups * columns


def _runs(readings: Sequence[Reading], memory: int) -> list[list[Reading]]:
    """Return which readings are made at once: as many as fit the memory, or one."""
    runs: list[list[Reading]] = []
    room = 0
    for reading in readings:
        needed = _bytes(reading.groups, reading.columns)
        if not runs or needed > room:
            runs.append([])
            room = memory
        runs[-1].append(reading)
        room -= needed
    return runs

"""The runs of a file and of its original: what they take, and what could not be run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Limit
from onnxdc.errors import ModelError
from onnxdc.evaluate.inputs import made_up_feeds
from onnxdc.evaluate.runner import runners
from onnxdc.evaluate.spread import items_of
from onnxdc.evaluate.timing import run_times
from onnxdc.graph.products import products_of_element
from onnxdc.graph.weights import Weight
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import Feed, given_feeds, input_specs
from onnxdc.overview.account import energy_of
from onnxdc.overview.profile import elements_of_weights, seconds_of_weights
from onnxdc.report.overview import Energy, SeenWeight, Speed
from onnxdc.runtime import why_not_native
from onnxdc.shown import shown

_Answer = TypeVar("_Answer")


class Runs:
    """Runs of a file, and of its original if there is one, on the same inputs.

    What cannot be run is no error: there is a note then, unless inputs were given.

    Args:
        small: The file.
        original: What it was made of; None if it is not known.
        decoded: The file, decoded.
        inputs: An array for each input; without, they are made up.
        custom_ops: Libraries of somebody's own operators that the models need.
        limit: The bytes that the weights of a model may take.

    Attributes:
        speed: How long a run takes; None without an original.
        notes: What could not be run, and why.
    """

    def __init__(
        self,
        small: Source,
        original: Source | None,
        decoded: ir.Model,
        inputs: Mapping[str, np.ndarray] | None,
        custom_ops: Sequence[str | os.PathLike[str]],
        limit: Limit | None,
    ) -> None:
        self.notes: list[str] = []
        self._are_given = inputs is not None
        self._paths = [os.fspath(path) for path in custom_ops]
        self._decoded = decoded
        self._native = is_compressed(model_io.load(small, upgrade=False)) and not why_not_native()
        feed = self.tried("not run", lambda: self._feed(small, inputs, limit))
        self._inputs = "" if feed is None else _words(feed, given=inputs is not None)
        self.speed: Speed | None = None
        self._before: Mapping[str, float] = {}
        self._after: Mapping[str, float] = {}
        self._elements: Mapping[str, int] = {}
        if feed is None:
            return
        elements = self.tried("energy", lambda: elements_of_weights(decoded, feed, self._paths)) or {}
        self._elements = {name: count // max(1, items_of(feed)) for name, count in elements.items()}
        self._after = self.tried("times", lambda: self._seconds(small, feed, native=self._native)) or {}
        if original is not None:
            self._before = self.tried("times", lambda: self._seconds(original, feed, native=False)) or {}
            times = self.tried("speed", lambda: run_times(original, small, feed, custom_ops))
            ran = ("native" if self._native else "portable") if is_compressed(model_io.load(small)) else ""
            self.speed = None if times is None else Speed(*times, ran)

    def tried(self, what: str, measured: Callable[[], _Answer]) -> _Answer | None:
        """Return what was measured; None with a note where the models cannot be run.

        Raises:
            ModelError: They cannot be run on inputs that were given.
        """
        try:
            return measured()
        except ModelError as error:
            if self._are_given:
                raise
            self.notes.append(f"{what}: {error}")
            return None

    def timed(self, seen: SeenWeight) -> SeenWeight:
        """Return a weight with the times of its nodes, where they were measured."""
        name = seen.row.name
        return replace(seen, seconds_before=self._before.get(name), seconds_after=self._after.get(name))

    def energy(self, seen: Sequence[SeenWeight], weights: Mapping[str, Weight]) -> Energy | None:
        """Return the account of the paper; None if the model could not be run."""
        products = {name: products_of_element(weight) for name, weight in weights.items()}
        return energy_of(seen, self._elements, products, self._inputs)

    def _feed(self, small: Source, inputs: Mapping[str, np.ndarray] | None, limit: Limit | None) -> Feed:
        runner = next(runners(small, self._paths, limit))
        specs = input_specs(self._decoded, runner.name)
        feeds = made_up_feeds(specs, runner, 0) if inputs is None else given_feeds(specs, inputs, runner.name)
        return feeds[0]

    def _seconds(self, model: Source, feed: Feed, *, native: bool) -> dict[str, float]:
        return seconds_of_weights(model, feed, self._paths, native=native)


def _words(feed: Feed, *, given: bool) -> str:
    """Return what inputs a run has, in words."""
    shapes = ", ".join(f"{shown(name)} {'x'.join(map(str, array.shape)) or 'scalar'}" for name, array in feed.items())
    return f"one item of {'given' if given else 'made-up'} inputs, {shapes}" if shapes else "no inputs"

"""One output of two runs, compared over all inputs."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from onnxdc.evaluate.endings import BOUNDS, DISTRIBUTIONS
from onnxdc.evaluate.first_classes import FirstClasses
from onnxdc.evaluate.limits import ENOUGH, LEAST_AGREEMENT, limit_of
from onnxdc.evaluate.spread import Spread
from onnxdc.numeric.divergence import Divergence, Measure, divergence, is_class_scores, measure_of
from onnxdc.report.output_difference import OutputDifference

Largest: TypeAlias = float | Literal["usual"] | None
"""The largest divergence to accept: a number, the one of ``limit_of``, or any."""


class OutputPair:
    """One output of A and of B so far.

    Args:
        name: The name of the output.
        ending: The operator that it comes from; None if that is not known.
        labelled: Whether there are labels for it, so that it holds the scores of classes.
    """

    def __init__(self, name: str, ending: str | None, *, labelled: bool) -> None:
        self._name, self._labelled = name, labelled
        self._is_distribution = labelled or ending in DISTRIBUTIONS
        bounds = BOUNDS.get(ending or "")
        self._a, self._b = Spread(bounds), Spread(bounds)
        self._absolute = self._scale = 0.0  # the largest |a - b|, and the largest finite |a|
        self._measure: Measure | None = None
        self._axis: int | None = None
        self._divergence = Divergence()
        self._flat = Divergence()  # of an answer that gives every class the same probability
        self._new = 0  # elements of B that are no finite number where A has one
        self._classes: FirstClasses | None = None  # where there are classes
        self._other_shapes = 0

    def add(self, a: np.ndarray, b: np.ndarray, items: int) -> None:
        """Compare what both gave for the same ``items`` items."""
        self._a.add(a, items)
        self._b.add(b, items)
        absolute, scale = _difference(a, b)
        self._absolute, self._scale = max(self._absolute, absolute), max(self._scale, scale)
        if self._measure is None and a.size:
            self._choose(a)
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            self._other_shapes += 1
            self._divergence += Divergence(1.0, 1.0) if self._measure is not Measure.SQUARES else _lost(a)
        elif self._measure is not None:
            self._divergence += divergence(a, b, self._measure, axis=self._axis)
            if self._measure is Measure.KL:
                self._flat += divergence(a, np.ones_like(a), Measure.KL, axis=self._axis)
            self._new += _new_faults(a, b)
            if self._classes is not None:
                self._classes.add(a, b, self._axis)

    def difference(self, largest: Largest, *, alike: bool) -> OutputDifference:
        """Return what was found.

        Args:
            largest: The largest divergence to accept.
            alike: Whether the inputs were all the same.
        """
        measure = self._measure or Measure.SQUARES
        classes = self._classes or FirstClasses()
        rare = classes.rare()
        judged = classes.items >= ENOUGH and measure is Measure.KL and largest == "usual"
        return OutputDifference(
            name=self._name,
            absolute=self._absolute,
            relative=self._absolute / self._scale if self._scale else self._absolute,
            measure=measure,
            divergence=self._divergence.value,
            limit=limit_of(measure, self._flat.value) if largest == "usual" else largest,
            top1_agreement=classes.agreement,
            rare=rare if rare is not None and rare.items >= ENOUGH else None,
            least_agreement=LEAST_AGREEMENT if judged else None,
            other_shapes=self._other_shapes,
            new_faults=self._new,
            a=self._a.state(alike=alike),
            b=self._b.state(alike=alike),
        )

    def _choose(self, a: np.ndarray) -> None:
        """Choose how to compare by the first outputs of A."""
        self._measure, self._axis = measure_of(a, is_distribution=self._is_distribution)
        if self._labelled and self._measure is Measure.KL:
            self._axis = None  # as labels are counted: the first axis counts items
        if self._measure is Measure.KL or (self._measure is Measure.SQUARES and is_class_scores(a)):
            self._classes = FirstClasses()


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the largest |a - b|, and the largest finite |a|."""
    if a.shape != b.shape or a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
        return (0.0 if np.array_equal(a, b) else np.inf), 1.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.asarray(np.abs(a - b))
    distance[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    distance[np.isnan(distance)] = np.inf
    finite = np.abs(a[np.isfinite(a)])
    return float(distance.max(initial=0.0)), float(finite.max(initial=0.0))


def _lost(a: np.ndarray) -> Divergence:
    """Return the divergence of what cannot be compared to A: that of zeros."""
    squares = float(np.square(np.nan_to_num(a.astype(np.float64), posinf=0.0, neginf=0.0)).sum())
    return Divergence(squares, squares)


def _new_faults(a: np.ndarray, b: np.ndarray) -> int:
    """Return how many elements of B are NaN or infinite where A has a finite number."""
    if a.dtype.kind in "OSUbiu" or b.dtype.kind in "OSUbiu":
        return 0
    return int(np.count_nonzero(np.isfinite(a.astype(np.float64)) & ~np.isfinite(b.astype(np.float64))))

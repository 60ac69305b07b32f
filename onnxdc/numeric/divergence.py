"""The divergence f: by how much outputs B have moved away from outputs A, as one number, 0 if not at all.

For one output it is one of these, with a mean over all items that are compared:

* distributions (probabilities, or scores of classes ``s`` with ``p = softmax(s)``):
  ``f = mean_i sum_c p_a[i, c] * (ln p_a[i, c] - ln p_b[i, c])``, KL(A || B) in nats;
* vectors of unit length: ``f = mean_i (1 - a_i . b_i / (|a_i| |b_i|))``;
* choices, such as indices and texts: ``f`` is the share of elements that differ;
* other numbers: ``f = mean (a - b)^2 / mean a^2``, the relative mean squared error, where 1 is what zeros would have.

The divergence of a model is the sum of those of its outputs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float64]  # [items, classes or dimensions]

_LEAST: Final = 1e-10  # a probability below this counts as this: no class counts for more than 23 nats
_UNIT: Final = 1e-3  # how far sums and lengths of 1 may be off: float16 and sums of thousands of terms are


class Measure(enum.StrEnum):
    """Which of the divergences an output has."""

    KL = "kl"
    COSINE = "1 - cosine"
    CHOICES = "share that differs"
    SQUARES = "relative mse"


@dataclass(frozen=True)
class Divergence:
    """A mean in parts, so that parts of the data can be added up.

    Attributes:
        total: The sum over all items.
        weight: What the sum is divided by: the number of items, or for ``SQUARES`` the sum of a^2.
    """

    total: float = 0.0
    weight: float = 0.0

    def __add__(self, other: Divergence) -> Divergence:
        return Divergence(self.total + other.total, self.weight + other.weight)

    @property
    def value(self) -> float:
        """The divergence f; 0 of nothing, infinite where all of A is zero and B is not."""
        if not self.total:
            return 0.0
        return self.total / self.weight if self.weight else np.inf


def divergence(a: np.ndarray, b: np.ndarray, measure: Measure, *, axis: int | None = -1) -> Divergence:
    """Return how far B is from A.

    Items of A with a NaN or an infinity are left out; where only B has them it is infinitely far.

    Args:
        a: The outputs to hold against.
        b: The outputs in question, of the same shape.
        measure: How to compare, see ``measure_of``.
        axis: The axis of the classes, or of the vectors; None for all axes but the first.

    Example:
        >>> divergence(np.array([[2.0, 0.0]]), np.array([[1.0, 1.0]]), Measure.SQUARES).value
        0.5
        >>> divergence(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), Measure.KL).value.__round__(4)
        0.1438
        >>> divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), Measure.COSINE).value
        1.0
    """
    if not a.size:
        return Divergence()
    if measure is Measure.CHOICES:
        return Divergence(float(np.count_nonzero(a != b)), float(a.size))
    if measure is Measure.SQUARES:
        return _squares(a.astype(np.float64).reshape(-1), b.astype(np.float64).reshape(-1))
    rows_a, rows_b = _rows(a, axis), _rows(b, axis)
    apart = _kl(rows_a, rows_b) if measure is Measure.KL else _one_minus_cosine(rows_a, rows_b)
    usable = _usable(rows_a, measure)
    apart = np.where(_usable(rows_b, measure), apart, np.inf)[usable]
    return Divergence(float(apart.sum()), float(len(apart)))


def measure_of(a: np.ndarray, *, is_distribution: bool) -> tuple[Measure, int | None]:
    """Return how to compare an output, and along which axis.

    Args:
        a: The output of the model to hold against.
        is_distribution: Whether it is known to be the probabilities or the scores of classes.
    """
    if a.dtype.kind in "bOSU" or (a.dtype.kind in "iu" and a.dtype.itemsize > 1):  # bytes are pixels and samples
        return Measure.CHOICES, None
    if is_distribution:
        axis = class_axis(a)
        if _rows(a, axis).shape[1] > 1:
            return Measure.KL, axis
    if a.ndim > 1 and a.shape[-1] > 1 and a.size and np.allclose(_lengths(_rows(a, -1)), 1, atol=_UNIT):
        return Measure.COSINE, -1
    return Measure.SQUARES, None


def class_axis(a: np.ndarray) -> int | None:
    """Return the axis along which probabilities add up to 1; None (all but the first) where none of several does."""
    wide = [axis for axis in range(a.ndim) if a.shape[axis] > 1]
    inner = [axis for axis in wide if axis] or wide
    for axis in reversed(inner):
        if is_probabilities(_rows(a, axis)):
            return axis
    return 1 if a.ndim > 2 and len(inner) > 1 and not is_probabilities(_rows(a, None)) else None


def is_class_scores(a: np.ndarray) -> bool:
    """Tell whether an output looks like scores: floats ``[items, classes]``, maybe with more axes of size 1."""
    return a.dtype.kind == "f" and a.ndim > 1 and a.shape[1] > 1 and a.size == a.shape[0] * a.shape[1]


def is_probabilities(rows: Rows) -> bool:
    """Tell whether each row is of nonnegative numbers that add up to 1."""
    finite = rows[np.isfinite(rows).all(axis=1)]
    return bool(finite.size and (finite >= 0).all() and np.allclose(finite.sum(axis=1), 1, atol=_UNIT))


def _rows(array: np.ndarray, axis: int | None) -> Rows:
    """Return an array as float64 ``[items, classes]``; an array of one axis is one item."""
    array = array.astype(np.float64)
    if array.ndim < 2:
        return array.reshape(1, -1)
    if axis is None:
        return array.reshape(len(array), -1)
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _usable(rows: Rows, measure: Measure) -> NDArray[np.bool_]:
    """Return which rows can be compared; a class that is impossible has the score -inf."""
    finite = np.isfinite(rows)
    if measure is Measure.KL:
        finite_or_impossible = (finite | np.isneginf(rows)).all(axis=1)
        return np.asarray(finite_or_impossible & finite.any(axis=1))
    return np.asarray(finite.all(axis=1))


def _kl(a: Rows, b: Rows) -> Rows:
    """Return KL(A || B) of each row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        log_a, log_b = (_log_probabilities(np.log(rows) if is_probabilities(a) else rows) for rows in (a, b))
    return np.asarray(np.maximum((np.exp(log_a) * (log_a - log_b)).sum(axis=1), 0.0))


def _log_probabilities(scores: Rows) -> Rows:
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(log_p, np.log(_LEAST)))


def _one_minus_cosine(a: Rows, b: Rows) -> Rows:
    """Return 1 - cosine of each pair of rows; 1 where one is zero."""
    with np.errstate(invalid="ignore"):
        lengths = _lengths(a) * _lengths(b)
        products = np.einsum("ij,ij->i", a, b)
    return np.asarray(1 - np.clip(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), -1, 1))


def _lengths(rows: Rows) -> Rows:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))


def _squares(a: Rows, b: Rows) -> Divergence:
    finite = np.isfinite(a)
    a, b = a[finite], b[finite]
    if not np.isfinite(b).all():
        return Divergence(np.inf, 1.0)
    return Divergence(float(np.square(a - b).sum()), float(np.square(a).sum()))

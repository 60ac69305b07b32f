"""Moments: against float64, in whatever batches, merged and pickled."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from onnxdc.numeric.calibrated.moments import BLOCK, Moments
from tests.helpers.second_moments import inputs, moments_of

X = inputs(2 * BLOCK + 700, 3, 7)


def of(*batches: np.ndarray) -> Moments:
    moments = Moments(3, 7)
    for batch in batches:
        moments.add(batch)
    return moments


def test_they_are_those_of_float64() -> None:
    mean, second = moments_of(X)
    moments = of(X)

    assert moments.rows == len(X)
    assert moments.mean == pytest.approx(mean, rel=1e-6, abs=1e-6)
    assert moments.second(centred=True) == pytest.approx(second, rel=1e-5, abs=1e-5)
    raw = np.einsum("rgn,rgm->gnm", X.astype(np.float64), X.astype(np.float64)) / len(X)
    assert moments.second(centred=False) == pytest.approx(raw, rel=1e-5, abs=1e-5)


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    far = (X + np.float32(1000)).astype(np.float32)
    second = moments_of(far)[1]
    error = np.abs(of(far).second(centred=True) - second).max()
    naive = np.abs((far.transpose(1, 2, 0) @ far.transpose(1, 0, 2)) / len(far) - 1e6 - second).max()

    assert error < 1e-4 * np.abs(second).max()
    assert naive > 100 * error


def test_batches_do_not_matter() -> None:
    whole = of(X)
    parts = of(*np.array_split(X, 37), X[:0])

    assert np.array_equal(parts.mean, whole.mean)
    assert np.array_equal(parts.second(centred=True), whole.second(centred=True))


def test_merged_ones_are_those_of_all_rows() -> None:
    first, second, nothing = of(X[:3000]), of(X[3000:]), of()
    first.merge(pickle.loads(pickle.dumps(second)))
    first.merge(nothing)
    whole = of(X)

    assert first.rows == whole.rows
    assert first.mean == pytest.approx(whole.mean, rel=1e-6)
    assert first.second(centred=True) == pytest.approx(whole.second(centred=True), rel=1e-5, abs=1e-6)


def test_rows_that_are_no_numbers_are_left_out_and_counted() -> None:
    broken = np.concatenate([X[:100], np.full((2, 3, 7), np.nan, np.float32), np.full((1, 3, 7), np.inf, np.float32)])
    moments = of(broken)

    assert (moments.rows, moments.left_out) == (100, 3)
    assert moments.mean == pytest.approx(of(X[:100]).mean)


def test_the_caller_may_use_its_array_again() -> None:
    batch = X[:50].copy()
    moments = of(batch)
    batch[:] = 0

    assert moments.mean == pytest.approx(of(X[:50]).mean)


def test_without_rows_all_is_zero() -> None:
    moments = of()
    assert moments.rows == 0
    assert not moments.second(centred=True).any()
    assert not moments.mean.any()

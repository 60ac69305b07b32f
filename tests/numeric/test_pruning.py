"""Pruning against sorting, numpy's standard deviation and float64 comparisons."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric import arrays
from onnxdc.numeric.pruning import global_threshold, prune, standard_deviation

TYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def weights(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_pruned(pruned: np.ndarray, array: np.ndarray, kept: np.ndarray) -> None:
    """Kept elements have their bits, the others the bits of +0.0."""
    assert pruned.dtype == array.dtype
    assert pruned.tobytes() == np.where(kept, array, np.zeros_like(array)).tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("density", [0.0, 1e-9, 0.01, 0.07, 0.5, 0.999, 1.0])
def test_density_keeps_the_largest(dtype: type, density: float) -> None:
    array = weights((10, 10, 10), dtype)
    kept = np.zeros(array.size, dtype=bool)
    count = max(round(density * array.size), 1 if density else 0)
    order = np.argsort(-np.abs(array.astype(np.float64)).reshape(-1), kind="stable")  # equal ones in row-major order
    kept[order[:count]] = True
    assert_pruned(prune(array, density=density), array, kept.reshape(array.shape))


@pytest.mark.parametrize("dtype", TYPES)
def test_threshold(dtype: type) -> None:
    array = weights((50, 40), dtype)
    assert_pruned(prune(array, threshold=0.75), array, np.abs(array.astype(np.float64)) >= 0.75)


def test_a_magnitude_equal_to_the_threshold_stays() -> None:
    assert prune(np.array([0.5, -0.5, 0.25], dtype=np.float32), threshold=0.5).tolist() == [0.5, -0.5, 0.0]


@pytest.mark.parametrize("dtype", TYPES)
def test_quality_times_the_standard_deviation(dtype: type) -> None:
    array = weights((50, 40), dtype) * np.array(3, dtype) + np.array(1, dtype)
    exact = array.astype(np.float64)
    assert standard_deviation(array) == pytest.approx(exact.std(), rel=1e-12)
    assert_pruned(prune(array, quality=0.7), array, np.abs(exact) >= 0.7 * exact.std())


@pytest.mark.parametrize("criterion", [{"density": 1.0}, {"threshold": 0.0}, {"quality": 0.0}])
def test_negative_zeros_go(criterion: dict[str, float]) -> None:
    pruned = prune(np.array([-0.0, 1.0, 0.0, -2.0]), **criterion)
    assert pruned.tobytes() == np.array([0.0, 1.0, 0.0, -2.0]).tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,)])
@pytest.mark.parametrize("criterion", [{"density": 0.5}, {"threshold": 0.1}, {"quality": 0.1}])
def test_small_shapes(shape: tuple[int, ...], criterion: dict[str, float]) -> None:
    array = np.ones(shape, dtype=np.float32)
    np.testing.assert_array_equal(prune(array, **criterion), array)


def test_equal_magnitudes_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 8)
    array = np.array([1.0, -1.0, 1.0, 2.0] * 10)
    kept = np.abs(array) == 2
    kept[np.flatnonzero(np.abs(array) == 1)[:13]] = True
    assert_pruned(prune(array, density=23 / 40), array, kept)


def test_the_input_is_not_changed_and_need_not_be_contiguous() -> None:
    array = weights((6, 8), np.float32)
    before = array.copy()
    np.testing.assert_array_equal(prune(array.T, density=0.5), prune(array, density=0.5).T)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("density", [0.001, 0.3, 0.9, 1.0])
def test_global_ranking(dtype: type, density: float) -> None:
    layers = [weights((30, 30), dtype, 1), weights((500,), dtype, 2) * np.array(0.125, dtype), weights((7,), dtype, 3)]
    threshold = global_threshold(layers, density)
    ranked = np.sort(np.concatenate([np.abs(layer.astype(np.float64)).reshape(-1) for layer in layers]))[::-1]
    assert threshold == ranked[round(density * ranked.size) - 1]
    kept = sum(np.count_nonzero(prune(layer, threshold=threshold)) for layer in layers)
    assert kept == np.count_nonzero(ranked >= threshold)


def test_global_ranking_of_mixed_types_is_exact() -> None:
    layers = [weights((100,), dtype, seed) for seed, dtype in enumerate(TYPES)]
    ranked = np.sort(np.concatenate([np.abs(layer.astype(np.float64)) for layer in layers]))[::-1]
    for count in (1, 77, 200, 399, 400):
        assert global_threshold(layers, count / 400) == ranked[count - 1]


def test_global_density_0_leaves_nothing() -> None:
    layers = [weights((9,), np.float32), weights((9,), np.float16)]
    threshold = global_threshold(layers, 0.0)
    assert not any(prune(layer, threshold=threshold).any() for layer in layers)
    assert global_threshold([], 0.0) > 0


@pytest.mark.parametrize(
    ("array", "criterion", "message"),
    [
        (np.ones(2), {}, "one of threshold, quality and density"),
        (np.ones(2), {"density": 0.5, "threshold": 1.0}, "one of threshold, quality and density"),
        (np.ones(2), {"density": 1.5}, "density must be 0..1, got 1.5"),
        (np.ones(2), {"density": float("nan")}, "density must be 0..1, got nan"),
        (np.ones(2), {"threshold": -1.0}, "0 or more and finite, got -1"),
        (np.ones(2), {"quality": float("inf")}, "0 or more and finite"),
        (np.arange(2.0), {"quality": -1.0}, "0 or more and finite, got -1"),
    ],
)
def test_criteria_out_of_range(array: np.ndarray, criterion: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        prune(array, **criterion)


@pytest.mark.parametrize(
    ("array", "criterion", "message"),
    [
        (np.array([0.0, 1e300]), {"quality": 1e10}, "the threshold of quality 1e\\+10 is not finite"),
        (np.arange(2), {"density": 0.5}, "float16, bfloat16, float32 or float64, got int64"),
        (np.array([1.0, np.nan, -np.inf]), {"density": 0.5}, "finite, got 2 NaN or infinite of 3"),
        (np.array([np.inf], dtype=ml_dtypes.bfloat16), {"density": 0.5}, "finite, got 1 NaN or infinite of 1"),
    ],
)
def test_refusals(array: np.ndarray, criterion: dict[str, float], message: str) -> None:
    with pytest.raises(WeightError, match=message):
        prune(array, **criterion)

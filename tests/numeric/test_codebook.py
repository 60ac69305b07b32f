"""Weight sharing against naive Lloyd iterations, scipy's k-means and the optimum by dynamic programming."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from scipy.cluster import vq

from onnxdc.errors import OptionError, WeightError
from onnxdc.numeric import arrays
from onnxdc.numeric.codebook import share
from onnxdc.numeric.kmeans import INITS, Init, initial_centroids, kmeans
from onnxdc.numeric.pruning import prune

TYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def pruned_layer(size: int, seed: int = 0, dtype: type = np.float32, density: float = 0.3) -> np.ndarray:
    return prune(np.random.default_rng(seed).standard_normal(size).astype(dtype), density=density)


def sorted_nonzeros(size: int, seed: int = 0) -> np.ndarray:
    layer = pruned_layer(size, seed)
    return np.sort(layer[layer != 0])


def squared_error(values: np.ndarray, centroids: np.ndarray) -> float:
    """Of every value against the centroid nearest to it."""
    distance = np.abs(values.astype(np.float64)[:, None] - centroids)
    return float(np.square(distance.min(axis=1)).sum())


def naive_lloyd(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """By a table over values and centroids, until nothing changes; no cluster may run empty."""
    values, previous = values.astype(np.float64), None
    while previous is None or not np.array_equal(centroids, previous):
        nearest = np.abs(values[:, None] - centroids).argmin(axis=1)  # the lower centroid of two equally near
        previous, centroids = centroids, np.array([values[nearest == k].mean() for k in range(centroids.size)])
    return centroids


def optimal_error(values: np.ndarray, clusters: int) -> float:
    """The least squared error of any clustering, by dynamic programming over sorted values in O(clusters n^2)."""
    values = values.astype(np.float64)
    ones = np.append(0, np.cumsum(values))
    twos = np.append(0, np.cumsum(values**2))
    start, stop = np.arange(values.size)[:, None], np.arange(1, values.size + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = twos[stop] - twos[start] - (ones[stop] - ones[start]) ** 2 / (stop - start)
    cost = np.where(stop > start, cost, np.inf)  # cost[i, j]: values i..j as one cluster
    best = cost[0]
    for _ in range(clusters - 1):
        best = np.min(np.append(np.inf, best[:-1])[:, None] + cost, axis=0)
    return float(best[-1])


@pytest.mark.parametrize("clusters", [1, 2, 7, 15])
@pytest.mark.parametrize("init", INITS)
def test_kmeans_is_lloyd(clusters: int, init: Init) -> None:
    rng = np.random.default_rng(clusters)
    values = np.sort(np.append(rng.uniform(-2, -1, 1000), rng.uniform(1, 4, 900))).astype(np.float32)
    start = initial_centroids(values, clusters, init, seed=3)
    centroids, splits = kmeans(values, clusters, init=init, seed=3)
    np.testing.assert_allclose(centroids, naive_lloyd(values, start), rtol=1e-12)
    for centroid, first, stop in zip(centroids, splits[:-1], splits[1:], strict=True):
        assert centroid == pytest.approx(values[first:stop].astype(np.float64).mean(), rel=1e-12)


@pytest.mark.parametrize("init", INITS)
def test_iterations_are_those_of_scipy(init: Init) -> None:
    values = sorted_nonzeros(5000, seed=1)
    start = initial_centroids(values, 12, init, seed=0)
    expected, _ = vq.kmeans2(values.astype(np.float64), start, iter=6, minit="matrix")
    centroids, _ = kmeans(values, 12, init=init, max_iterations=5)  # the means of the last assignment are the sixth
    np.testing.assert_allclose(centroids, expected, rtol=1e-12)


@pytest.mark.parametrize("clusters", [1, 2, 3, 5, 9])
def test_kmeans_comes_near_the_optimum_and_never_below(clusters: int) -> None:
    values = sorted_nonzeros(1000, seed=2)
    best = optimal_error(values, clusters)
    tries = [squared_error(values, kmeans(values, clusters, init="random", seed=seed)[0]) for seed in range(100)]
    default = squared_error(values, kmeans(values, clusters)[0])
    assert min(*tries, default) >= best * (1 - 1e-9)
    assert min(tries) <= best * 1.01
    assert default <= best * 1.1


def test_separate_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    middles = np.array([-5.0, -3.0, -1.0, 2.0, 4.0, 7.0])
    values = np.sort((middles[:, None] + 0.01 * rng.standard_normal((6, 50))).reshape(-1))
    centroids, splits = kmeans(values, 6)
    np.testing.assert_allclose(centroids, middles, atol=0.01)
    assert np.diff(splits).tolist() == [50] * 6


def test_linear_centroids_start_in_both_tails() -> None:
    values = np.concatenate([np.linspace(-4, -1, 1000), np.linspace(1, 2, 20)]).astype(np.float32)
    start = initial_centroids(values, 8, "linear", seed=0)
    np.testing.assert_allclose(start, [-4, -3.4, -2.8, -2.2, -1.6, -1, 1, 2])
    assert initial_centroids(values, 2, "linear", seed=0).tolist() == [-2.5, 1.5]
    assert initial_centroids(-values[::-1], 2, "linear", seed=0).tolist() == [-1.5, 2.5]


def test_linear_centroids_of_one_sign_span_all() -> None:
    assert initial_centroids(np.array([1.0, 2.0, 9.0]), 5, "linear", seed=0).tolist() == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_tail_of_one_value_has_a_centroid(sign: int) -> None:
    values = np.sort(np.append(np.linspace(1, 2, 100), -5) * sign)
    centroids, _ = kmeans(values, 4)
    assert np.sort(centroids * sign)[0] == -5


def test_density_centroids_are_quantiles() -> None:
    values = np.sort(np.random.default_rng(0).standard_cauchy(4000))
    start = initial_centroids(values, 10, "density", seed=0)
    np.testing.assert_allclose(np.searchsorted(values, start), np.arange(200, 4000, 400), atol=1)


def test_random_centroids_are_values_drawn_by_seed() -> None:
    values = sorted_nonzeros(3000)
    draws = [initial_centroids(values, 16, "random", seed) for seed in (0, 0, 1)]
    assert np.isin(draws[0], values).all()
    assert np.unique(draws[0]).size == 16
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("clusters", [3, 31, 255])
def test_no_cluster_stays_empty(init: Init, clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    heavy_tails = np.sort(rng.standard_cauchy(3000))
    few_distinct = np.sort(np.append(np.repeat(1.0, 5000), np.linspace(1.5, 1e6, clusters)))
    for values in (heavy_tails, few_distinct):
        centroids, splits = kmeans(values, clusters, init=init)
        assert centroids.size == clusters
        assert (np.diff(splits) > 0).all()
        assert (np.diff(centroids) > 0).all()


def test_a_value_halfway_goes_to_the_lower_centroid() -> None:
    below, above = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    values = np.array([below, below, above, above], dtype=np.float32)  # the boundary is no float32
    assert kmeans(values, 2, max_iterations=0)[1].tolist() == [0, 2, 4]
    assert kmeans(np.array([1.0, 2.0, 3.0]), 2, max_iterations=0)[1].tolist() == [0, 2, 3]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("bits", range(1, 9))
def test_share_keeps_shape_type_and_mask(dtype: type, init: Init, bits: int) -> None:
    layer = pruned_layer(4000, dtype=dtype).reshape(20, 200)
    before = layer.copy()
    shared = share(layer, bits=bits, init=init)
    assert (shared.shape, shared.dtype) == (layer.shape, layer.dtype)
    assert layer.tobytes() == before.tobytes()
    np.testing.assert_array_equal(shared != 0, layer != 0)
    assert not np.signbit(shared[layer == 0].astype(np.float64)).any()
    assert np.unique(shared.astype(np.float64)).size <= 2**bits
    np.testing.assert_array_equal(share(layer, bits=bits, init=init), shared)


@pytest.mark.parametrize("dtype", TYPES)
def test_values_move_to_the_mean_of_those_that_share_it(dtype: type) -> None:
    layer = pruned_layer(4000, dtype=dtype)
    shared = share(layer, bits=5)
    exact = layer.astype(np.float64)
    for value in np.unique(shared[shared != 0]):
        members = exact[shared == value]
        assert float(value) == pytest.approx(float(np.array(members.mean()).astype(dtype)), rel=1e-12)
    wide = shared.astype(np.float64)
    nearest = np.abs(exact[:, None] - np.unique(wide[wide != 0])).min(axis=1)
    rounding = 2 * ml_dtypes.finfo(dtype).eps * np.abs(wide)
    kept = layer != 0
    assert (np.abs(exact - wide) <= nearest + rounding)[kept].all()


@pytest.mark.parametrize(("centroids", "bits"), [(2, 1), (4, 2), (256, 8)])
def test_centroids_count_the_zero(centroids: int, bits: int) -> None:
    layer = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    shared = share(layer, centroids=centroids)
    np.testing.assert_array_equal(shared, share(layer, bits=bits))
    assert np.unique(shared).size == centroids - 1  # the layer has no zero, but its codebook does


def test_each_group_has_its_own_codebook() -> None:
    layer = pruned_layer(6 * 8 * 50).reshape(6, 8, 50)
    shared = share(layer, bits=3, groups=4, group_axis=-2)
    for group in range(4):
        part = np.s_[:, 2 * group : 2 * group + 2]
        np.testing.assert_array_equal(shared[part], share(layer[part], bits=3))


@pytest.mark.parametrize("shape", [(100, 96), (9600, 1), (1, 9600)])
def test_blocks_do_not_show(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    layer = pruned_layer(9600).reshape(shape)
    expected = [share(layer, bits=4), share(layer, bits=4, groups=shape[0] // 100 or 1)]
    monkeypatch.setattr(arrays, "BLOCK", 500)
    monkeypatch.setattr(arrays, "CACHED", 64)
    np.testing.assert_array_equal(share(layer, bits=4), expected[0])
    np.testing.assert_array_equal(share(layer, bits=4, groups=shape[0] // 100 or 1), expected[1])


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (5,)])
def test_few_values_stay_as_they_are(shape: tuple[int, ...]) -> None:
    array = np.full(shape, -0.0, dtype=np.float32)
    assert share(array, bits=1).tobytes() == array.tobytes()
    assert share(array, bits=1).shape == shape


def test_as_many_values_as_the_codebook_holds_stay() -> None:
    array = np.array([0.0, 1.0, -2.0, 3.0] * 5)
    np.testing.assert_array_equal(share(array, bits=2), array)
    assert np.unique(share(np.append(array, 3.5), bits=2)).tolist() == [-2, 0, 1, 3 + 0.5 / 6]


def test_negative_zero_becomes_zero_where_values_are_shared() -> None:
    shared = share(np.array([-0.0, 1.0, 2.0, 3.0, 4.0]), bits=2)
    assert shared[:1].tobytes() == np.zeros(1).tobytes()


@pytest.mark.parametrize("dtype", TYPES)
def test_a_mean_of_zero_is_no_zero(dtype: type) -> None:
    smallest = ml_dtypes.finfo(dtype).smallest_subnormal
    array = np.array([-3, 0, 2, 4, -4], dtype=dtype) * np.array(smallest, dtype)
    shared = share(np.append(array, -array), bits=1)
    np.testing.assert_array_equal(shared != 0, np.append(array, -array) != 0)


@pytest.mark.parametrize(
    ("array", "arguments", "message"),
    [
        (np.ones(3), {}, "one of bits and centroids is needed"),
        (np.ones(3), {"bits": 2, "centroids": 4}, "one of bits and centroids is needed"),
        (np.ones(3), {"bits": 0}, "bits must be 1..8, got 0"),
        (np.ones(3), {"bits": 9}, "bits must be 1..8, got 9"),
        (np.ones(3), {"centroids": 1}, "centroids must be 2..256, got 1"),
        (np.ones(3), {"centroids": 257}, "centroids must be 2..256, got 257"),
        (np.ones(3), {"bits": 2, "init": "best"}, "init must be one of linear, density, random, got 'best'"),
        (np.ones((4, 6)), {"bits": 2, "groups": 0}, "groups must be 1 or more, got 0"),
        (np.ones((4, 6)), {"bits": 2, "group_axis": 2}, r"group_axis must be in -2..1, got 2"),
    ],
)
def test_arguments_out_of_range(array: np.ndarray, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        share(array, **arguments)


@pytest.mark.parametrize(
    ("array", "arguments", "message"),
    [
        (
            np.ones((4, 6)),
            {"bits": 2, "groups": 4, "group_axis": 1},
            r"must divide dimension 1 of shape \[4, 6\], got 4",
        ),
        (np.ones(()), {"bits": 2, "groups": 2}, "must divide dimension 0"),
        (np.ones(3, dtype=np.int8), {"bits": 2}, "got int8"),
        (np.array([np.nan, 1]), {"bits": 2}, "finite, got 1 NaN or infinite of 2"),
        (np.array([1e200, 1.0, 2.0, 3.0]), {"bits": 2}, "beyond 1e\\+150"),
    ],
)
def test_refusals(array: np.ndarray, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(WeightError, match=message):
        share(array, **arguments)

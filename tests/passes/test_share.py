"""The share pass: how many values each weight keeps, and what stays as it was."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from onnxdc.errors import ModelError
from onnxdc.graph.weights import find_weights
from onnxdc.passes.result import Figures
from onnxdc.recipe import Recipe, Rule
from tests.helpers.passes import prune, share
from tests.helpers.text_models import build, normal, run

W = normal(40, 30)
SPARSE = np.where(np.abs(W) > 1, W, np.float32(0))


def one_layer(weight: np.ndarray, node: str = "MatMul (x, w)") -> ir.Model:
    return build(f"g (float[N, 40] x) => (float[] y) {{ y = {node} }}", w=weight)


def shared(model: ir.Model) -> np.ndarray:
    return find_weights(model, 0)[0][0].array()


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
@pytest.mark.parametrize("init", ["linear", "density", "random"])
def test_a_weight_keeps_its_zeros_and_as_many_values_as_the_bits_allow(bits: int, init: str) -> None:
    model = one_layer(SPARSE)
    result = share(model, Recipe().with_options(sharing="kmeans", bits=bits, init=init, seed=3))
    array = shared(model)

    assert np.array_equal(array == 0, SPARSE == 0)
    assert np.unique(array[array != 0]).size == 2**bits - 1
    change = result.changes[0]
    assert (change.name, change.weight.kind, change.weight.shape) == ("w", "fc", (40, 30))
    assert change.steps is None
    assert change.before == Figures(size=1200, nnz=np.count_nonzero(SPARSE), nbytes=4800)
    assert change.after == Figures(size=1200, nnz=np.count_nonzero(SPARSE), nbytes=4800, distinct=2**bits - 1)


def test_each_element_gets_the_mean_of_its_neighbours() -> None:
    model = one_layer(SPARSE)
    share(model, Recipe().with_options(sharing="kmeans", bits=4))
    array = shared(model)

    for value in np.unique(array[array != 0]):
        members = SPARSE[array == value].astype(np.float64)
        assert value == pytest.approx(members.mean(), rel=1e-6)


@pytest.mark.parametrize("sharing", ["grid", "kmeans"])
def test_the_defaults_hardly_change_the_output(sharing: str) -> None:
    model, x = one_layer(W), normal(7, 40, seed=5)
    before = run(model, {"x": x})[0]
    share(model, Recipe().with_options(sharing=sharing))

    assert np.square(run(model, {"x": x})[0] - before).mean() < 1e-4 * np.square(before).mean()


def test_the_seed_decides_random_initialisation() -> None:
    arrays = []
    for seed in (1, 1, 2):
        model = one_layer(W)
        share(model, Recipe().with_options(sharing="kmeans", bits=4, init="random", seed=seed))
        arrays.append(shared(model))

    assert np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_a_step_of_few_bits_times_integers(dtype: type) -> None:
    model = one_layer(W.astype(dtype))
    change = share(model, Recipe((Rule("w", step=0.1),))).changes[0]
    array = shared(model)

    assert change.steps is not None
    (step,) = change.steps
    assert abs(step / (0.1 * W.std()) - 1) < 0.08
    assert (step * 2.0**10).is_integer()
    integers = np.rint(W.astype(np.float64) / step)
    np.testing.assert_array_equal(array, integers * step)
    assert not np.signbit(array[array == 0]).any()
    assert change.after.nnz == np.count_nonzero(integers) < change.before.nnz
    assert change.after.distinct == np.unique(integers).size - 1


def test_a_larger_layer_has_a_coarser_grid() -> None:
    weights = {"small": normal(40, 10), "large": normal(10, 4000)}
    model = build("g (float[N, 40] x) => (y) { a = MatMul (x, small)  y = MatMul (a, large) }", **weights)
    steps = {change.name: change.steps for change in share(model).changes}

    assert steps["small"] is not None
    assert steps["large"] is not None
    assert steps["small"][0] < steps["large"][0] / 4


def test_channels_of_very_different_size_have_steps_of_their_own() -> None:
    scales = np.array([100, *[1] * 29], dtype=np.float32)
    model = one_layer(W * scales)
    change = share(model).changes[0]

    assert change.steps is not None
    np.testing.assert_allclose(change.steps / scales, change.steps[-1], rtol=0.3)
    lost = np.square(shared(model) - W * scales).sum(0) / np.square(W * scales).sum(0)
    assert lost.max() < 0.001
    assert "integers times the steps of" in share(model).skips[0].reason


def test_sharing_twice_changes_nothing_more() -> None:
    model = one_layer(SPARSE)
    share(model, Recipe().with_options(bits=4))
    once = shared(model)
    result = share(model, Recipe().with_options(bits=4))

    assert result.changes == []
    assert [(skip.name, skip.reason) for skip in result.skips] == [
        ("w", "shared already: 15 values besides zero fit 4 bits")
    ]
    assert np.array_equal(shared(model), once)


@pytest.mark.parametrize(
    ("node", "shape", "axis"),
    [
        ("MatMul (x, w)", (40, 30), 1),
        ("Gemm <transB = 1> (x, w)", (30, 40), 0),
        ("Conv (x, w)", (30, 40, 1), 0),
        ("ConvTranspose (x, w)", (40, 30, 2), 1),
    ],
)
def test_groups_divide_the_output_channels(node: str, shape: tuple[int, ...], axis: int) -> None:
    model = one_layer(normal(*shape), node)
    result = share(model, Recipe().with_options(sharing="kmeans", bits=3, groups=3))
    groups = np.split(shared(model), 3, axis=axis)

    assert [np.unique(group).size for group in groups] == [7, 7, 7]
    assert result.changes[0].after is not None
    assert result.changes[0].after.distinct == np.unique(shared(model)).size > 7


def test_groups_that_do_not_fit_are_a_reason_to_skip() -> None:
    model = one_layer(W)
    result = share(model, Recipe().with_options(sharing="kmeans", groups=7))

    assert result.changes == []
    assert "groups must divide dimension 1" in result.skips[0].reason


def test_groups_of_unknown_channels_are_a_reason_to_skip() -> None:
    model = build("g (float[N, 40] x, int64[2] s) => (y) { v = Reshape (w, s)  y = MatMul (x, v) }", w=W)
    result = share(model, Recipe().with_options(sharing="kmeans", groups=2))

    assert result.skips[0].reason == "2 groups, but which axis holds its output channels is not known"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_skipped(bad: float) -> None:
    weight = W.copy()
    weight[0, 0] = bad
    model = one_layer(weight)
    result = share(model)

    assert np.array_equal(shared(model), weight, equal_nan=True)
    assert [skip.name for skip in result.skips] == ["w"]
    assert "finite" in result.skips[0].reason


@pytest.mark.parametrize("sharing", ["grid", "kmeans"])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_types_stay(dtype: type, sharing: str) -> None:
    model = one_layer(W.astype(dtype))
    share(model, Recipe().with_options(sharing=sharing, bits=4))

    assert shared(model).dtype == dtype
    assert 8 < np.unique(shared(model)).size <= 16


def test_pruned_layers_get_the_bits_of_the_paper_and_the_others_8() -> None:
    model = build(
        "g (float[N, 3, 9, 9] x) => (y) { a = Conv (x, c)  b = Flatten (a)  d = Gemm (b, w)  y = MatMul (d, u) }",
        c=normal(32, 3, 3, 3),
        w=normal(1568, 20),
        u=normal(20, 20),
    )
    recipe = Recipe((Rule("u"), Rule("*", density=0.5))).with_options(sharing="kmeans")
    prune(model, recipe)
    result = share(model, recipe)

    assert {change.name: change.after.distinct for change in result.changes} == {"c": 255, "w": 31, "u": 255}


def test_a_weight_of_zeros_alone_is_left_as_it_is() -> None:
    model = one_layer(np.zeros((40, 30), np.float32))

    assert share(model).skips[0].reason == "shared already: 0 values besides zero fit 8 bits"


def test_an_empty_weight_is_left_as_it_is() -> None:
    model = build("g (float[N, 0] x) => (y) { y = MatMul (x, w) }", w=np.zeros((0, 4), np.float32))

    assert share(model, Recipe(min_elements=0)).changes == []


def test_progress_counts_every_weight() -> None:
    calls: list[tuple[str, int, int]] = []
    share(one_layer(W), progress=lambda *call: calls.append(call))

    assert calls == [("w", 1, 1)]


def test_a_weight_that_the_recipe_skips_stays() -> None:
    model = one_layer(W)
    result = share(model, Recipe((Rule(kind="fc", skip=True),)))

    assert np.array_equal(shared(model), W)
    assert result.skips[0].reason == "left alone by the recipe"


def test_a_compressed_model_is_refused() -> None:
    with pytest.raises(ModelError, match="already compressed"):
        share(build("g (float[N] x) => (y) { y = onnxdc.DecodeWeight (x) }"))

"""The prune pass: which weights lose which elements, and what stays as it was."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.errors import ModelError, RecipeError
from onnxdc.graph.weights import find_weights
from onnxdc.passes.result import Figures
from onnxdc.recipe import Recipe, Rule
from tests.helpers.passes import prune
from tests.helpers.text_models import build, normal, run, tensor

W1, W2 = normal(20, 30, seed=1), 10 * normal(30, 20, seed=2)


def two_layers(w1: np.ndarray = W1, w2: np.ndarray = W2) -> ir.Model:
    return build("g (float[N, 20] x) => (float[N, 20] y) { h = MatMul (x, w1)  y = MatMul (h, w2) }", w1=w1, w2=w2)


def arrays(model: ir.Model) -> dict[str, np.ndarray]:
    return {weight.name: weight.array() for weight in find_weights(model, 0)[0]}


def largest(array: np.ndarray, count: int) -> np.ndarray:
    """Only the elements of largest magnitude, by sorting."""
    limit = np.sort(np.abs(array), axis=None)[-count]
    return np.where(np.abs(array) >= limit, array, 0)


def test_a_density_keeps_the_largest_elements_of_each_weight() -> None:
    model = two_layers()
    result = prune(model, Recipe().with_options(density=0.25))

    assert np.array_equal(arrays(model)["w1"], largest(W1, 150))
    assert np.array_equal(arrays(model)["w2"], largest(W2, 150))
    assert [(change.name, change.weight.kind, change.weight.shape) for change in result.changes] == [
        ("w1", "fc", (20, 30)),
        ("w2", "fc", (30, 20)),
    ]
    assert {(change.criterion, change.value) for change in result.changes} == {("density", 0.25)}
    assert result.changes[0].before == Figures(size=600, nnz=600, nbytes=2400)
    assert result.changes[0].after == Figures(size=600, nnz=150, nbytes=2400)
    assert result.changes[0].after.density == 0.25


def test_a_threshold_keeps_what_is_not_below_it() -> None:
    model = two_layers()
    prune(model, Recipe().with_options(threshold=1.0))

    assert np.array_equal(arrays(model)["w1"], np.where(np.abs(W1) >= 1, W1, 0))


def test_a_quality_is_a_factor_of_the_standard_deviation_of_each_weight() -> None:
    model = two_layers()
    prune(model, Recipe().with_options(quality=1.5))

    assert np.array_equal(arrays(model)["w1"], np.where(np.abs(W1) >= 1.5 * W1.std(dtype=np.float64), W1, 0))
    assert np.array_equal(arrays(model)["w2"], np.where(np.abs(W2) >= 1.5 * W2.std(dtype=np.float64), W2, 0))


def test_a_global_density_ranks_all_weights_together() -> None:
    model = two_layers()
    prune(model, Recipe(global_density=0.5))
    both = np.concatenate([W1.ravel(), W2.ravel()])

    assert np.array_equal(np.concatenate([array.ravel() for array in arrays(model).values()]), largest(both, 600))


def test_a_global_density_leaves_out_weights_with_a_number_of_their_own() -> None:
    model = two_layers()
    result = prune(model, Recipe((Rule("w2", threshold=0),), global_density=0.5))

    assert np.array_equal(arrays(model)["w1"], largest(W1, 300))
    assert np.array_equal(arrays(model)["w2"], W2)
    assert result.skips[0].reason == "threshold 0 removes nothing, density is 1 already"


def test_a_global_density_without_a_weight_to_rank_changes_nothing() -> None:
    model = two_layers()
    result = prune(model, Recipe((Rule("*", skip=True),), global_density=0.5))

    assert [skip.reason for skip in result.skips] == ["left alone by the recipe"] * 2
    assert result.changes == []


def test_nothing_is_pruned_without_a_recipe() -> None:
    model = two_layers()
    result = prune(model)

    assert np.array_equal(arrays(model)["w1"], W1)
    assert [(skip.name, skip.reason) for skip in result.skips] == [
        ("w1", "nothing says how to prune it"),
        ("w2", "nothing says how to prune it"),
    ]


def test_pruning_twice_changes_nothing_more() -> None:
    model, recipe = two_layers(), Recipe().with_options(density=0.25)
    prune(model, recipe)
    result = prune(model, recipe)

    assert result.changes == []
    assert result.skips[0].reason == "density 0.25 removes nothing, density is 0.25 already"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("recipe", [Recipe().with_options(density=0.5), Recipe(global_density=0.5)])
def test_a_weight_that_is_not_finite_is_skipped(bad: float, recipe: Recipe) -> None:
    w1 = W1.copy()
    w1[3, 4] = bad
    model = two_layers(w1)
    result = prune(model, recipe)

    assert np.array_equal(arrays(model)["w1"], w1, equal_nan=True)
    assert [change.name for change in result.changes] == ["w2"]
    assert result.changes[0].after.density == 0.5
    assert [skip.name for skip in result.skips] == ["w1"]
    assert "finite" in result.skips[0].reason


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_types_stay(dtype: type) -> None:
    weight = normal(20, 30, dtype=dtype)
    model = build("g (float16[N, 20] x) => (y) { y = MatMul (x, w) }", w=weight)
    result = prune(model, Recipe().with_options(threshold=0.5))

    assert arrays(model)["w"].dtype == dtype
    assert np.array_equal(arrays(model)["w"], np.where(np.abs(weight) >= 0.5, weight, dtype(0)))
    assert result.changes[0].after.nbytes == weight.nbytes


def test_names_texts_and_everything_else_stay() -> None:
    proto = ir.to_proto(two_layers())
    proto.graph.initializer[0].doc_string = "words"
    proto.graph.initializer[0].metadata_props.add(key="key", value="value")
    proto.metadata_props.add(key="author", value="me")
    model = ir.from_proto(proto)
    prune(model, Recipe().with_options(density=0.25))
    after = ir.to_proto(model)

    assert after.graph.initializer[0].raw_data != proto.graph.initializer[0].raw_data
    for old, new in zip(proto.graph.initializer, after.graph.initializer, strict=True):
        new.raw_data = old.raw_data
    assert after == proto


def test_the_pruned_model_runs() -> None:
    model = two_layers()
    prune(model, Recipe().with_options(density=0.25))
    x = normal(7, 20)

    expected = x.astype(np.float64) @ largest(W1, 150) @ largest(W2, 150)
    np.testing.assert_allclose(run(model, {"x": x})[0], expected, rtol=1e-4, atol=1e-4)


def test_constant_nodes_stay_constant_nodes() -> None:
    proto = ir.to_proto(build("g (float[N, 20] x) => (float[N, 30] y) { y = MatMul (x, w) }"))
    proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["w"], value=tensor("inside", W1)))
    model = ir.from_proto(proto)
    prune(model, Recipe().with_options(density=0.25))
    value = ir.to_proto(model).graph.node[0].attribute[0].t

    assert value.name == "inside"
    assert np.array_equal(onnx.numpy_helper.to_array(value), largest(W1, 150))


def test_a_weight_of_two_nodes_is_pruned_once() -> None:
    model = build("g (float[20, 20] x) => (y) { h = MatMul (x, w)  y = MatMul (h, w) }", w=normal(20, 20))
    result = prune(model, Recipe().with_options(density=0.5))

    assert [(change.name, change.after.nnz) for change in result.changes] == [("w", 200)]


def test_small_tensors_stay_as_they_are() -> None:
    model = two_layers(w1=normal(20, 10), w2=normal(10, 20))
    result = prune(model, Recipe().with_options(density=0.5))

    assert [skip.reason for skip in result.skips] == ["200 elements, fewer than 256"] * 2
    assert prune(model, Recipe().with_options(density=0.5, min_elements=200)).skips == []


def test_an_empty_weight_is_left_as_it_is() -> None:
    model = build("g (float[N, 0] x) => (y) { y = MatMul (x, w) }", w=np.zeros((0, 4), np.float32))
    result = prune(model, Recipe(min_elements=0).with_options(density=0.5))

    assert [skip.name for skip in result.skips] == ["w"]


def test_progress_counts_every_weight() -> None:
    calls: list[tuple[str, int, int]] = []
    recipe = Recipe((Rule("w1", skip=True),)).with_options(density=0.5)
    prune(two_layers(), recipe, progress=lambda *call: calls.append(call))

    assert calls == [("w1", 1, 2), ("w2", 2, 2)]


def test_a_recipe_that_does_not_fit_changes_nothing() -> None:
    model = two_layers()
    with pytest.raises(RecipeError, match="matches no weight"):
        prune(model, Recipe((Rule("w1", density=0.1), Rule("w3", density=0.1))))
    assert np.array_equal(arrays(model)["w1"], W1)


def test_a_compressed_model_is_refused() -> None:
    with pytest.raises(ModelError, match="already compressed"):
        prune(build("g (float[N] x) => (y) { y = onnxdc.DecodeWeight (x) }"))

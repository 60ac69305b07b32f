"""Training hooks: what they say of a model, and what they do within a training loop."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
import torch

from onnxdc import api, hooks
from onnxdc.errors import HookError, OptionError
from onnxdc.hooks import TrainingHook
from tests.helpers.hook_models import moved, pruned, shared
from tests.helpers.small_models import constants, dense
from tests.helpers.text_models import build, normal, run

# What a hook says of a model.


@pytest.mark.parametrize(("make", "stage"), [(dense, "dense"), (pruned, "pruned"), (shared, "shared")])
def test_the_values_of_a_weight_say_what_it_has_been_through(make, stage):
    hook = hooks.export(make())
    assert [(weight.name, weight.stage) for weight in hook.weights.values()] == [
        ("fc1", stage),
        ("b1", "dense"),
        ("fc2", stage),
    ]
    for name, weight in hook.weights.items():
        array = constants(make())[name]
        np.testing.assert_array_equal(weight.values, array)
        np.testing.assert_array_equal(weight.mask, array != 0 if weight.stage != "dense" else np.ones_like(array))


def test_codes_and_codebook_are_the_weight_again():
    for weight in hooks.export(shared()).weights.values():
        if weight.codes is None:
            continue
        np.testing.assert_array_equal(weight.codebook[weight.codes], weight.values)
        np.testing.assert_array_equal(np.unique(weight.values), np.unique(weight.codebook))
        assert weight.codebook[0] == 0
        assert weight.codebook.size == weight.clusters == 8


def test_codebooks_of_groups_become_one():
    model = build(
        "m (float[N, 64] x) => (float[N, 512] y) { y = Gemm<transB: int = 1>(x, w) }",
        w=np.random.default_rng(0).standard_normal((512, 64)).astype(np.float32),
    )
    weight = hooks.export(api.share(model, bits=8, groups=4).model).weights["w"]
    assert weight.codes.dtype == np.uint16
    assert weight.clusters == 1 + 4 * 255
    np.testing.assert_array_equal(weight.codebook[weight.codes], weight.values)
    by_group = weight.codes.reshape(4, -1)
    assert all(not np.intersect1d(by_group[0], by_group[other]).size for other in (1, 2, 3))


def test_few_nonzeros_of_a_pruned_weight_are_no_codebook():
    model = api.prune(dense(), density=0.05).model  # 168 and 42 nonzeros, fewer than a codebook holds
    assert {weight.stage for name, weight in hooks.export(model).weights.items() if name != "b1"} == {"pruned"}


def test_groups_of_few_nonzeros_are_no_codebooks():
    array = np.random.default_rng(0).standard_normal((64, 4096)).astype(np.float32)
    array[np.abs(array) < 2.2] = 0
    array[0, :9], array[5, :9] = 0.5, 0.5  # equal by chance
    model = build("m (float[N, 4096] x) => (float[N, 64] y) { y = Gemm<transB: int = 1>(x, w) }", w=array)
    assert hooks.export(model).weights["w"].stage == "pruned"


def test_a_stage_can_be_asked_for():
    assert hooks.export(shared(), stage="pruned").weights["fc1"].stage == "pruned"
    with pytest.raises(HookError, match="fc1: expected a shared weight, got too many distinct values"):
        hooks.export(dense(), stage="shared")


@pytest.mark.parametrize("stage", ["statistic", "frozen"])
def test_a_stage_that_a_weight_cannot_have_is_refused(stage):
    with pytest.raises(OptionError, match=f"^stage: expected one of dense, pruned, shared, got '{stage}'"):
        hooks.export(shared(), stage=stage)


def test_a_negative_zero_is_a_zero():
    array = np.where(normal(20, 20) > 0.5, np.float32(0.5), np.float32(-0.0))
    model = build("m (float[N, 20] x) => (float[N, 20] y) { y = MatMul(x, w) }", w=array)
    weight = hooks.export(model).weights["w"]
    assert weight.stage == "shared"
    assert weight.clusters == 2
    assert not np.signbit(weight.values).any()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_every_type_of_weight_goes_out_and_comes_back(dtype, tmp_path):
    array = np.random.default_rng(0).choice([0, 0, 0.5, -0.25, 3], (40, 40)).astype(dtype)
    model = build("m (float[N, 40] x) => (float[N, 40] y) { w2 = Cast<to: int = 1>(w) y = MatMul(x, w2) }", w=array)
    hooks.export(model, tmp_path / "hook")
    found = TrainingHook.load(tmp_path / "hook")
    assert found.weights["w"].dtype == dtype
    back = hooks.import_(model, found, moved(found)).model
    np.testing.assert_array_equal(constants(back)["w"], moved(found)["w"])


def test_biases_scales_and_shifts_are_trained_and_other_constants_are_not():
    model = build(
        """
        m (float[N, 8, 4, 4] x) => (float[N, 8, 4, 4] y) {
            centred = Add(x, mean)
            c = Conv<kernel_shape: ints = [1, 1]>(centred, w, b)
            n = BatchNormalization(c, scale, shift, running_mean, running_var)
            scaled = Mul(n, per_channel)
            half = Mul(scaled, scalar)
            y = Add(half, map)
        }
        """,
        mean=normal(8, 1, 1),
        w=normal(8, 8, 1, 1),
        b=normal(8),
        scale=normal(8),
        shift=normal(8),
        running_mean=normal(8),
        running_var=np.abs(normal(8)),
        per_channel=normal(8, 1, 1),
        scalar=np.float32(0.5).reshape(()),
        map=normal(8, 4, 4),
    )
    hook = hooks.export(model)
    trained = {"w", "b", "scale", "shift", "per_channel"}
    assert set(hook.values()) == trained
    assert set(hook.weights) == trained | {"running_mean", "running_var"}


def normalized() -> ir.Model:
    """Build a product between two normalizations: the first's variance is also the second's mean and variance."""
    return build(
        """
        m (float[N, 8] x) => (float[N, 8] y) {
            a = BatchNormalization(x, scale, shift, mean, variance)
            h = MatMul(a, w)
            y = BatchNormalization(h, scale, shift, variance, variance)
        }
        """,
        w=normal(8, 8),
        scale=normal(8, seed=1),
        shift=normal(8, seed=2),
        mean=normal(8, seed=3),
        variance=np.abs(normal(8, seed=4)),
    )


def test_running_statistics_are_no_weights_for_gradients():
    hook = hooks.export(normalized())
    statistics = {name: weight.statistic for name, weight in hook.weights.items() if weight.stage == "statistic"}
    assert statistics == {"mean": "mean", "variance": "variance"}
    drawn = {name: normal(8, seed=5) for name in statistics}
    assert not any(gradient.any() for gradient in hook.mask_gradients(drawn).values())
    np.testing.assert_array_equal(hook.project(drawn)["mean"], drawn["mean"])
    np.testing.assert_array_equal(hook.project(drawn)["variance"], drawn["variance"].clip(0))


def test_statistics_of_the_batch_are_none_of_the_model():
    model = build(
        """
        m (float[N, 8] x) => (float[N, 8] y, float[8] m, float[8] v) {
            y, m, v = BatchNormalization<training_mode=1>(x, scale, shift, mean, variance)
        }
        """,
        **{name: np.ones(8, np.float32) for name in ("scale", "shift", "mean", "variance")},
    )
    assert list(hooks.export(model).weights) == ["scale", "shift"]


def test_statistics_alone_are_nothing_to_train():
    model = build(
        "m (float[N, 8] x, float[8] s) => (float[N, 8] y) { y = BatchNormalization(x, s, s, mean, variance) }",
        mean=normal(8),
        variance=np.abs(normal(8)),
    )
    with pytest.raises(HookError, match="nothing to train"):
        hooks.export(model)


# Statistics are taken back where they are given.


def test_statistics_that_are_missing_stay_and_those_that_are_given_come_back(tmp_path):
    model = normalized()
    hook = hooks.export(model, tmp_path / "hook")
    weights = {name: array + 1 for name, array in hook.values().items()}
    mean = normal(8, seed=6)
    for found in (hook, TrainingHook.load(tmp_path / "hook")):
        without = constants(hooks.import_(model, found, weights).model)
        given = constants(hooks.import_(model, found, weights | {"mean": mean}).model)
        for name, array in weights.items():
            np.testing.assert_array_equal(without[name], array)
        np.testing.assert_array_equal(without["mean"], hook.weights["mean"].values)
        np.testing.assert_array_equal(given["mean"], mean)
        np.testing.assert_array_equal(given["variance"], hook.weights["variance"].values)


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ({"mean": np.full(8, np.nan, np.float32)}, "trained: mean: .*NaN"),
        ({"mean": normal(7)}, r"trained: mean: expected shape \[8\], got \[7\]"),
        ({"variance": np.float32([1, 1, 1, 1, 1, 1, -2, -3])}, "variance: 2 of 8 variances are negative, down to -3"),
    ],
)
def test_statistics_that_cannot_be_are_refused(statistics, message, tmp_path):
    model = normalized()
    hooks.export(model, tmp_path / "hook")
    hook = TrainingHook.load(tmp_path / "hook")
    with pytest.raises(HookError, match=message):
        hooks.import_(model, hook, hook.values() | statistics)


def test_statistics_in_a_trained_graph_come_back(tmp_path):
    model = normalized()
    hooks.export(model, tmp_path / "hook")
    graph = ir.load(tmp_path / "hook" / "training.onnx")
    graph.graph.initializers["mean"].const_value = ir.Tensor(normal(8, seed=6))
    ir.save(graph, tmp_path / "trained.onnx")
    tuned = hooks.import_(model, tmp_path / "hook", tmp_path / "trained.onnx").model
    np.testing.assert_array_equal(constants(tuned)["mean"], normal(8, seed=6))


@pytest.mark.parametrize(
    ("node", "shape", "layout"),
    [
        ("Gemm(x, w)", (6, 5), {"torch": (1, 0), "keras": (0, 1), "flax": (0, 1)}),
        ("Gemm<transB: int = 1>(x, w)", (5, 6), {"torch": (0, 1), "keras": (1, 0), "flax": (1, 0)}),
        ("MatMul(x, w)", (6, 5), {"torch": (1, 0), "keras": (0, 1), "flax": (0, 1)}),
        ("MatMul(w, x)", (5, 6), {}),
    ],
)
def test_the_layout_says_how_frameworks_hold_a_weight(node, shape, layout):
    model = build(f"m (float[6, 6] x) => (float[a, b] y) {{ y = {node} }}", w=normal(*shape))
    assert hooks.export(model).weights["w"].layout == layout


def test_the_layout_of_a_convolution_is_that_of_torch():
    model = build("m (float[2, 3, 9, 9] x) => (float[a, b, c, d] y) { y = Conv(x, w) }", w=normal(4, 3, 3, 3))
    weight, x = hooks.export(model).weights["w"], normal(2, 3, 9, 9, seed=1)
    assert weight.layout["keras"] == (2, 3, 1, 0)
    layer = torch.nn.Conv2d(3, 4, 3, bias=False)
    layer.weight.data = torch.tensor(np.transpose(weight.values, weight.layout["torch"]))
    np.testing.assert_allclose(layer(torch.tensor(x)).detach().numpy(), run(model, {"x": x})[0], rtol=1e-4, atol=1e-4)


# The rules within a training loop.


def test_projecting_gives_the_nearest_weights_that_keep_the_rules():
    hook = hooks.export(shared())
    drawn = {name: normal(*weight.shape, seed=5) for name, weight in hook.weights.items()}
    projected = hook.project(drawn)
    np.testing.assert_array_equal(projected["b1"], drawn["b1"])
    for name in ("fc1", "fc2"):
        weight, distance = hook.weights[name], drawn[name].astype(np.float64) - projected[name]
        assert not projected[name][~weight.mask].any()
        for code in range(1, weight.clusters):
            assert np.ptp(projected[name][weight.codes == code]) == 0
            assert abs(distance[weight.codes == code].sum()) < 1e-4  # the derivative of the squares is zero at the mean
        np.testing.assert_array_equal(hook.project(projected)[name], projected[name])


def test_projecting_a_pruned_weight_masks_it():
    hook = hooks.export(pruned())
    drawn = normal(40, 84, seed=5)
    np.testing.assert_array_equal(hook.project({"fc1": drawn})["fc1"], drawn * (constants(pruned())["fc1"] != 0))


def loss(values: dict[str, np.ndarray], x: np.ndarray) -> float:
    """Return half the squares of the outputs of ``dense``, in float64."""
    hidden = np.maximum(x @ values["fc1"] + values["b1"], 0)
    return 0.5 * float(np.square(hidden @ values["fc2"]).sum())


def gradients(values: dict[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
    """Differentiate ``loss`` by hand."""
    before = x @ values["fc1"] + values["b1"]
    hidden = np.maximum(before, 0)
    output = hidden @ values["fc2"]
    inner = (output @ values["fc2"].T) * (before > 0)
    return {"fc1": x.T @ inner, "b1": inner.sum(0), "fc2": hidden.T @ output}


def test_centroid_gradients_are_finite_differences():
    hook, x = hooks.export(shared()), normal(7, 40, seed=2).astype(np.float64)
    values = {name: array.astype(np.float64) for name, array in hook.values().items()}
    found = hook.centroid_gradients(gradients(values, x))
    assert set(found) == {"fc1", "fc2"}
    for name, gradient in found.items():
        weight, codebook = hook.weights[name], hook.codebooks()[name].astype(np.float64)
        assert gradient[0] == 0
        for entry in range(1, weight.clusters):
            sides = []
            for step in (1e-6, -1e-6):
                stepped = codebook.copy()
                stepped[entry] += step
                sides.append(loss(values | hook.expand({name: stepped}), x))
            assert gradient[entry] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5)


def test_centroid_and_masked_gradients_are_those_of_torch():
    hook, x = hooks.export(shared()), normal(7, 40, seed=2).astype(np.float64)
    values = {name: array.astype(np.float64) for name, array in hook.values().items()}
    codebooks = {
        name: torch.tensor(book.astype(np.float64), requires_grad=True) for name, book in hook.codebooks().items()
    }
    weights = {name: book[torch.tensor(hook.weights[name].codes.astype(np.int64))] for name, book in codebooks.items()}
    hidden = torch.relu(torch.tensor(x) @ weights["fc1"] + torch.tensor(values["b1"]))
    (0.5 * (hidden @ weights["fc2"]).square().sum()).backward()
    dense_gradients = gradients(values, x)
    for name, gradient in hook.centroid_gradients(dense_gradients).items():
        np.testing.assert_allclose(gradient[1:], codebooks[name].grad.numpy()[1:], rtol=1e-10)
    for name, gradient in hook.mask_gradients(dense_gradients).items():
        np.testing.assert_array_equal(gradient, dense_gradients[name] * hook.weights[name].mask)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda hook: hook.project({"fc3": normal(2)}),
            "fc3: no such weight in the hook, expected one of fc1, b1, fc2",
        ),
        (lambda hook: hook.project({"fc1": normal(84, 40)}), r"fc1: expected shape \[40, 84\], got \[84, 40\]"),
        (lambda hook: hook.centroid_gradients({"fc1": normal(3)}), r"fc1: expected shape \[40, 84\], got \[3\]"),
        (lambda hook: hook.expand({"b1": normal(84)}), "b1: got a codebook, but the weight is dense"),
        (lambda hook: hook.expand({"fc1": np.zeros(9)}), r"fc1: expected a codebook of shape \[8\], got \[9\]"),
        (lambda hook: hook.expand({"fc1": np.ones(8)}), "fc1: expected 0.0 as entry 0 of the codebook.*got 1"),
    ],
)
def test_a_wrong_call_is_told_by_name(call, message):
    with pytest.raises(HookError, match=message):
        call(hooks.export(shared()))


def test_what_is_told_of_a_hook_has_a_short_repr_and_plain_values():
    hook = hooks.export(shared())
    imported = hooks.import_(shared(), hook, hook.values())
    assert repr(hooks.summary(hook)) == "<HookSummary: 2 shared, 1 dense>"
    assert repr(imported) == "<Imported: 2 shared, 1 dense>"
    assert [line["moved"] for line in imported.report.to_dict()["weights"]] == [0, 0, 0]
    assert imported.to_proto().graph.name == "dense"

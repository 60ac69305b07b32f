"""Training hooks: what they say of a model."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch

from onnxdc import api, hooks
from onnxdc.errors import HookError, OptionError
from onnxdc.hooks import TrainingHook
from tests.helpers.hook_models import moved, pruned, shared
from tests.helpers.small_models import constants, dense
from tests.helpers.text_models import build, normal, run


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
    weight = hooks.export(api.share(model, sharing="kmeans", bits=8, groups=4).model).weights["w"]
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
    with pytest.raises(OptionError, match=f"^stage: expected one of dense, pruned, shared, grid, got '{stage}'"):
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


def test_what_is_told_of_a_hook_has_a_short_repr_and_plain_values():
    hook = hooks.export(shared())
    imported = hooks.import_(shared(), hook, hook.values())
    assert repr(hooks.summary(hook)) == "<HookSummary: 2 shared, 1 dense>"
    assert repr(imported) == "<Imported: 2 shared, 1 dense>"
    assert [line["moved"] for line in imported.report.to_dict()["weights"]] == [0, 0, 0]
    assert imported.to_proto().graph.name == "dense"


def test_a_few_zeros_do_not_make_a_weight_pruned():
    w = normal(40, 40)
    for zeros, stage in ((1, "dense"), (15, "dense"), (16, "pruned")):
        w.reshape(-1)[:zeros] = 0
        model = build("m (float[N, 40] x) => (float[N, 40] y) { y = MatMul(x, w) }", w=w.copy())
        assert hooks.export(model).weights["w"].stage == stage
        assert hooks.export(model, stage="pruned").weights["w"].stage == "pruned"

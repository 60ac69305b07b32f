"""One plan for all stages, and work on a weight that can be done anywhere."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.errors import WeightError
from onnxdc.graph import weights as weights_module
from onnxdc.graph.skips import SkipCode
from onnxdc.graph.weights import WeightInfo
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes import plan as plan_module
from onnxdc.passes.encode import code_weight
from onnxdc.passes.plan import Outcome, plan_weights
from onnxdc.passes.prune import prune_weight
from onnxdc.passes.share import share_weight
from onnxdc.recipe import Recipe, Settings
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.small_models import LENET, dense
from tests.helpers.text_models import build, normal

INFO = WeightInfo("W", "fc", (40, 30), 1)
WORK = [
    (prune_weight, normal(40, 30), Settings(density=0.25)),
    (partial(share_weight, seed=3), normal(40, 30), Settings(sharing="kmeans", bits=4, init="random", groups=3)),
    (partial(share_weight, seed=0), normal(40, 30), Settings(step=0.1)),
    (code_weight, weight(40, 30), Settings()),
]


def arrays(value: np.ndarray | CompressedWeight) -> tuple[np.ndarray, ...]:
    return value.tensors if isinstance(value, CompressedWeight) else (value,)


def assert_same_bits(a: np.ndarray, b: np.ndarray) -> None:
    assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize(("work", "array", "settings"), WORK, ids=["prune", "k-means", "grid", "code"])
def test_work_in_another_process_gives_the_same(work, array: np.ndarray, settings: Settings) -> None:
    here = work(array, settings, INFO)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(work, array, settings, INFO).result()
    assert isinstance(here, Outcome)
    assert there.record == here.record
    for ours, theirs in zip(arrays(here.value), arrays(there.value), strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize(("work", "array", "settings"), WORK, ids=["prune", "k-means", "grid", "code"])
def test_work_leaves_its_arguments_as_they_are(work, array: np.ndarray, settings: Settings) -> None:
    given = array.copy()
    given.setflags(write=False)
    work(given, settings, INFO)
    np.testing.assert_array_equal(given, array)


def test_work_refuses_values_by_an_error_that_becomes_a_skip() -> None:
    array = np.full((40, 30), np.nan, np.float32)
    with pytest.raises(WeightError, match="NaN"):
        prune_weight(array, Settings(density=0.25), INFO)


def test_compress_finds_the_weights_and_resolves_the_recipe_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    resolved: list[Recipe] = []
    find, resolve = weights_module.find_weights, Recipe.resolve

    def counted_find(model: ir.Model, min_elements: int, *arguments):
        found.append(min_elements)
        return find(model, min_elements, *arguments)

    def counted_resolve(self: Recipe, *arguments):
        resolved.append(self)
        return resolve(self, *arguments)

    monkeypatch.setattr(plan_module, "find_weights", counted_find)
    monkeypatch.setattr(Recipe, "resolve", counted_resolve)
    onnxdc.compress(LENET, density=0.1)
    assert (found, len(resolved)) == ([256], 1)


def test_a_plan_says_what_is_to_be_done_to_which_weight() -> None:
    plan = plan_weights(dense(), Recipe((onnxdc.Rule("fc1", bits=3),)))
    assert [(planned.weight.name, planned.settings.bits) for planned in plan.weights] == [("fc1", 3), ("fc2", 8)]
    assert [skip.name for skip in plan.skips] == ["b1"]


@pytest.mark.parametrize("rows", range(130, 150))
def test_a_model_never_grows(rows: int) -> None:
    """Around the size where the bodies of fused operators weigh more than encoding saves."""
    text = f"g (float[N, {rows}] x) => (float[N, 12] y) {{ h = MatMul(x, W)  c = Add(h, b)  y = Clip(c, lo, hi) }}"
    bounds = {"lo": np.array(-1, np.float32), "hi": np.array(1, np.float32)}
    model = build(text, W=weight(rows, 12), b=normal(12), **bounds)
    before = ir.to_proto(model).ByteSize()
    result = encode(model, Recipe().with_options(execution="sparse"))
    assert ir.to_proto(result.model).ByteSize() <= before
    assert bool(result.changes) == (ir.to_proto(result.model).ByteSize() < before)
    assert bool(result.changes) or {skip.code for skip in result.skips} >= {SkipCode.NO_GAIN}

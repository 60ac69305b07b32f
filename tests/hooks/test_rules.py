"""The rules of a hook within a training loop: projections, masked gradients, and the gradients of codebooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxdc import hooks
from onnxdc.errors import HookError
from tests.helpers.hook_models import pruned, shared
from tests.helpers.small_models import constants
from tests.helpers.text_models import normal


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

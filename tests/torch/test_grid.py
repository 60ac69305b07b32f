"""A weight on a grid: its values, its price, the gradients of both, and what is left when its integers are fixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from onnxdc.errors import WeightError
from onnxdc.hooks import HookedWeight
from onnxdc.numeric.grids import grid_of_values
from onnxdc.torch.grid import Grid, GridStart
from onnxdc.torch.parametrizations import parametrization

torch.set_num_threads(1)

SHAPES = [((1, 1), (0, 1)), ((6, 1), (1,)), ((1, 50), (0,))]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def grid_of(steps: np.ndarray, shape: tuple[int, ...], **options: object) -> Grid:
    return Grid(torch.from_numpy(steps), torch.zeros(shape), **options)


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_values_are_rounded_and_gradients_go_straight_through(shape, axes):
    latent, factors, steps = drawn(6, 50), drawn(6, 50, seed=1), np.abs(drawn(*shape, seed=2)) + 0.1
    grid, trained = grid_of(steps, latent.shape), torch.from_numpy(latent).requires_grad_()
    values = grid(trained)
    (values * torch.from_numpy(factors)).sum().backward()
    np.testing.assert_allclose(values.detach().numpy(), np.rint(latent / steps) * steps, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(trained.grad.numpy(), factors, rtol=1e-12)
    errors = np.rint(latent / steps) - latent / steps
    expected = (factors * errors).sum(axes, keepdims=True) * steps
    np.testing.assert_allclose(grid.log_step.grad.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_the_price_is_that_of_an_ideal_code_and_linear_between_integers(shape, axes):
    latent, steps = drawn(6, 50), np.full(shape, 0.4)
    grid, trained = grid_of(steps, latent.shape, values=20), torch.from_numpy(latent).requires_grad_()
    entropy = grid.measure(trained.detach())
    integers = np.clip(np.rint(latent / steps), -10, 10)
    _, counts = np.unique(integers, return_counts=True)
    assert entropy == pytest.approx(latent.size * stats.entropy(counts, base=2))

    counts = np.array([np.count_nonzero(integers == k) for k in range(-10, 11)]) + 0.5
    lengths = -np.log2(counts / counts.sum())
    # Those are on a line that are rarer than an integer farther from the likeliest one.
    likeliest = int(counts.argmax())
    beyond = [counts[: i + 1] if i < likeliest else counts[i:] for i in range(21)]
    usual = [i for i in range(21) if counts[i] == beyond[i].max() or i == likeliest]
    lengths = np.interp(range(21), usual, lengths[usual])
    rate = grid.rate(trained)
    rate.backward()
    assert rate.item() == pytest.approx(np.interp(latent / steps, np.arange(-10, 11), lengths).sum())
    slopes = np.diff(lengths)[np.floor(latent / steps).astype(int) + 10]
    np.testing.assert_allclose(trained.grad.numpy(), slopes / steps, rtol=1e-9)
    by_step = -(slopes * latent / steps).sum(axes, keepdims=True)
    np.testing.assert_allclose(grid.log_step.grad.numpy(), by_step, rtol=1e-9)


def test_frozen_values_are_exact_products_with_a_step_of_four_bits():
    latent = torch.from_numpy(drawn(40, 50).astype(np.float32))
    grid = Grid(torch.full((1, 1), 0.3217), torch.zeros(40, 50))
    grid.freeze(latent)
    values = grid(latent).detach().numpy()
    step, integers = grid_of_values(np.unique(values))
    np.testing.assert_array_equal(np.rint(values / 0.3217).astype(int), np.rint(values / step).astype(int))
    assert float(step[0, 0]) == 0.3125
    np.testing.assert_array_equal(np.unique(values), integers * step[0, 0])
    grid(latent).sum().backward()
    assert grid.log_step.grad.item() == pytest.approx(0.3125 * grid.codes.sum().item(), rel=1e-5)
    assert grid.rate(latent).item() == 0


@pytest.mark.parametrize("price", [0.0, 0.02, 0.1, -0.02])
def test_with_a_price_each_element_takes_the_cheaper_neighbour(price):
    latent = drawn(8, 500)
    grid = grid_of(np.full((1, 1), 0.5), latent.shape, values=30)
    grid.measure(torch.from_numpy(latent))
    _, counts = np.unique(np.rint(latent / 0.5), return_counts=True)
    grid.freeze(torch.from_numpy(latent), price)
    scaled, lengths = latent / 0.5, dict(zip(range(-15, 16), grid._lengths.numpy(), strict=True))
    lower = np.floor(scaled)
    costs = [(scaled - k) ** 2 + price * np.vectorize(lengths.get)(k) for k in (lower, lower + 1)]
    np.testing.assert_array_equal(grid.codes.numpy(), lower + (costs[1] < costs[0]))
    _, after = np.unique(grid.codes.numpy(), return_counts=True)
    assert np.sign(stats.entropy(counts) - stats.entropy(after)) == np.sign(price)


def test_the_rarest_values_go_to_the_nearest_of_those_that_may_be():
    codes = np.repeat([0, 1, -1, 4, 9, -7], [50, 20, 15, 10, 2, 3]).astype(np.float64)
    grid = Grid(torch.ones(1), torch.from_numpy(codes), values=3)
    grid.freeze(torch.from_numpy(codes))
    expected = np.where(codes == 9, 4, np.where(codes == -7, -1, codes))
    np.testing.assert_array_equal(grid.codes.numpy(), expected)


def test_a_mask_stays_a_mask():
    values = np.where(drawn(30, 20, seed=3) > 0, drawn(30, 20), 0).astype(np.float32)
    grid = parametrization(HookedWeight("w", values, "pruned"), grid=GridStart(0.01))
    trained = torch.from_numpy(values + 0.5).requires_grad_()
    (grid(trained).sum() + grid.rate(trained)).backward()
    assert not trained.grad[values == 0].any()
    grid.freeze(trained)
    assert not grid(trained)[values == 0].any()
    assert grid(trained)[values > 0].all()


def test_a_weight_on_a_grid_begins_there_and_its_zeros_may_come_back():
    codes = np.random.default_rng(0).integers(-3, 4, (30, 20))
    weight = HookedWeight("w", (codes * 0.375).astype(np.float32), "shared", codes, np.zeros(7, np.float32))
    grid = parametrization(weight, grid=GridStart(0.5))
    trained = torch.from_numpy(weight.values).requires_grad_()
    grid(trained).sum().backward()
    torch.testing.assert_close(grid(trained), trained, rtol=1e-6, atol=0)
    assert trained.grad.all()


def test_values_that_are_no_numbers_are_refused():
    grid = grid_of(np.ones((1, 1)), (2, 2))
    for bad in (np.nan, np.inf):
        with pytest.raises(WeightError, match="NaN or infinite"):
            grid.measure(torch.tensor([[bad, 1.0], [0.0, 0.0]]))

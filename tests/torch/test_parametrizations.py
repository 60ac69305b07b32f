"""The rules of training as parametrizations: what they make of what is trained, and the gradients that reach it."""

from __future__ import annotations

import numpy as np
import torch

from onnxdc.torch.parametrizations import FromCodebook, Masked

torch.set_num_threads(1)


def test_gradient_of_shared_is_the_sum_over_the_members() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, (7, 5))
    rule = FromCodebook(torch.from_numpy(codes), 6)  # entry 6 has no member
    codebook = torch.from_numpy(rng.standard_normal(6)).requires_grad_()
    factors = rng.standard_normal((7, 5))
    (rule(codebook) * torch.from_numpy(factors)).sum().backward()
    by_hand = np.zeros(7)
    np.add.at(by_hand, codes, factors)
    np.testing.assert_allclose(codebook.grad.numpy(), by_hand[1:], rtol=1e-12)
    assert torch.autograd.gradcheck(lambda c: (rule(c) ** 2).sum(), codebook)


def test_shared_values_are_the_means_of_their_clusters() -> None:
    codes = torch.tensor([[0, 1, 1], [2, 2, 2]])
    rule = FromCodebook(codes, 3)
    means = rule.right_inverse(torch.tensor([[9.0, 1.0, 2.0], [4.0, 5.0, 9.0]]))
    assert means.tolist() == [1.5, 6.0, 0.0]
    assert rule(means).tolist() == [[0.0, 1.5, 1.5], [6.0, 6.0, 6.0]]


def test_regrowth_moves_pruned_elements_that_count_as_zero() -> None:
    mask = torch.tensor([True, False, True])
    for regrow, expected in ((False, [1.0, 0.0, 1.0]), (True, [1.0, 1.0, 1.0])):
        values = torch.tensor([3.0, 4.0, 5.0], requires_grad=True)
        masked = Masked(mask, regrow=regrow)(values)
        masked.sum().backward()
        assert masked.tolist() == [3.0, 0.0, 5.0]
        assert values.grad.tolist() == expected

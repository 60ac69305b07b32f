"""Begin a training with few weights: masks at random, and weights that are drawn anew or kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx_ir as ir
import torch

from onnxdc.graph.products import products_of_element
from onnxdc.graph.weights import find_weights
from onnxdc.training.densities import erdos_renyi_kernel
from onnxdc.training.network import Network
from onnxdc.training.targets import Ranking

_BIASED = ("Add", "Conv", "ConvTranspose", "Gemm")  # operators whose vectors are biases


def sparse_rankings(rankings: Sequence[Ranking], shapes: Mapping[str, tuple[int, ...]]) -> list[Ranking]:
    """Return rankings of single weights, each at its density from the start.

    Weights that were to be ranked together get densities of their own that make the same together.
    """
    found = []
    for ranking in rankings:
        densities = [ranking.target]
        if len(ranking.names) > 1:
            densities = erdos_renyi_kernel([shapes[name] for name in ranking.names], ranking.target)
        found += [
            replace(ranking, names=(name,), start=density, target=density)
            for name, density in zip(ranking.names, densities, strict=True)
        ]
    return found


def start_sparse(network: Network, model: ir.Model, rankings: Sequence[Ranking], *, drawn: bool) -> None:
    """Choose masks at random, and make up for what they take away.

    Weights are drawn from a normal distribution of variance ``2 / (fan_in * density)`` (He et al., ICCV 2015, section
    2.2), and biases become zero; or all are kept, weights over the square root of the density.

    Args:
        network: The network, whose ranked weights have masks.
        model: The model, which says how many inputs a weight has.
        rankings: The density of each weight.
        drawn: Whether weights are drawn.
    """
    fan_in = {weight.name: products_of_element(weight) for weight in find_weights(model, 1)[0]}
    with torch.no_grad():
        for ranking in rankings:
            for name in ranking.names:
                weight = network.masked[name]
                mask, values = weight.masked.mask, weight.original
                kept = torch.randperm(mask.numel())[: max(1, round(ranking.target * mask.numel()))]
                chosen = torch.zeros(mask.numel(), dtype=torch.bool)
                chosen[kept] = True
                mask.copy_(chosen.view_as(mask))
                if drawn:
                    spread = math.sqrt(2 / fan_in[name]) if fan_in[name] else float(values.square().mean().sqrt())
                    values.copy_(torch.randn(values.shape) * spread)
                values.div_(math.sqrt(max(ranking.target, 1 / mask.numel())))
        if not drawn:
            return
        for name, attribute in network.module.names.items():
            hooked = network.hook.weights[name]
            if hooked.op_type in _BIASED and name not in network.masked and len(hooked.shape) == 1:
                network.original(attribute).zero_()

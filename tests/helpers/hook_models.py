"""Pruned and shared models, and other weights for them that keep the rules, for the tests of training hooks."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from onnxdc import api
from onnxdc.hooks import TrainingHook
from tests.helpers.small_models import dense


def pruned() -> ir.Model:
    """Make ``dense`` with a fifth of its weights."""
    return api.prune(dense(), density=0.2).model


def shared() -> ir.Model:
    """Make ``pruned`` with seven values a weight."""
    return api.share(pruned(), bits=3).model


def moved(hook: TrainingHook, seed: int = 3) -> dict[str, np.ndarray]:
    """Draw other weights that keep the rules, with numpy alone: masks for pruned ones, codebooks for shared ones."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, weight in hook.weights.items():
        draw = rng.standard_normal(weight.shape).astype(weight.dtype)
        if weight.codebook is not None:
            draw = np.append(0, rng.standard_normal(weight.codebook.size - 1)).astype(weight.dtype)[weight.codes]
        values[name] = draw * weight.mask
    return values

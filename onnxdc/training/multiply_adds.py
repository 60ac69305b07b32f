"""How many multiply-adds a training takes: those that a machine that skips zeros would do, and those of a dense one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
import torch

from onnxdc import model_io
from onnxdc.graph.products import products_of_element
from onnxdc.graph.weights import find_weights
from onnxdc.torch import OnnxModule
from onnxdc.training.data import Batch

_PASSES = 3  # forward, and backward for inputs and for weights (Evci et al., ICML 2020, appendix H)


def multiply_adds_of(model: ir.Model, min_elements: int, items: Batch) -> dict[str, int]:
    """Return the multiply-adds of each weight in one forward pass of one item, by what its nodes put out for some.

    Args:
        model: The model, not compressed; it is left as it is.
        min_elements: Weights with fewer elements do not count.
        items: Some items, on the CPU.
    """
    copy = model_io.load(model)
    weights = [weight for weight in find_weights(copy, min_elements)[0] if products_of_element(weight)]
    made = [
        (weight.name, products_of_element(weight), use.node.outputs[0])
        for weight in weights
        for use in weight.uses
        if use.node.graph is copy.graph
    ]
    own = len(copy.graph.outputs)
    copy.graph.outputs.extend(output for _, _, output in made)
    with torch.no_grad():
        outputs = OnnxModule(copy, {}).eval()(*items.inputs)
    found: dict[str, int] = {}
    for (name, products, _), output in zip(made, outputs[own:], strict=True):
        found[name] = found.get(name, 0) + products * output.numel() // len(items)
    return found


@dataclass
class MultiplyAdds:
    """Counts the multiply-adds of a training.

    Attributes:
        of_item: Those of each weight in one forward pass of one item, dense, by name.
        sparse: Those so far, of elements that are not pruned.
        dense: Those that a dense training would have taken so far.
    """

    of_item: Mapping[str, int]
    sparse: float = 0.0
    dense: float = 0.0

    def add(self, items: int, densities: Mapping[str, float], *, dense_gradients: bool) -> None:
        """Count a step.

        Args:
            items: The number of its items.
            densities: The density of each weight.
            dense_gradients: Whether the gradients of pruned elements were computed, too.
        """
        for name, products in self.of_item.items():
            density = densities.get(name, 1.0)
            self.sparse += items * products * (_PASSES * density + (1 - density) * dense_gradients)
            self.dense += items * products * _PASSES

    def state(self) -> list[float]:
        """Return the counts."""
        return [self.sparse, self.dense]

    def resume(self, state: Sequence[float]) -> None:
        """Go on from counts."""
        self.sparse, self.dense = map(float, state)

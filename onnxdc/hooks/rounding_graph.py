"""Rounding to a grid in standard operators, so that gradients pass it straight through, and the price of its bits.

A Cast to integers and back has no gradient in any tool. So with ``x = w / step`` and ``k`` the nearest integer, ``x +
fixed(k - x)`` is ``k`` and has the gradient of ``x``, where ``fixed`` takes numbers through integers of a 2^20th.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.errors import HookError
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.names import Names
from onnxdc.hooks.grid import HookedGrid, step_fault
from onnxdc.hooks.weight import HookedWeight

FIRST_OPSET: Final = 13  # of Clip and ReduceSum as they are here
_BITS: Final = "onnxdc.bits"
_FIXED: Final = 2.0**20


@dataclass(frozen=True)
class Rounding:
    """Builds the rule of one weight on a grid.

    Attributes:
        constant: Adds a constant for a part of the rule.
        node: Adds a node for a part of the rule.
        grid: Where the weight begins.
        dtype: The type of the weight.
    """

    constant: Callable[[str, np.ndarray], ir.Value]
    node: Callable[..., ir.Value]
    grid: HookedGrid
    dtype: ir.DataType

    def build(self, latent: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Return the weight that is computed from the latent one, and the bits of its integers, float ``[]``."""
        precise = ir.DataType.from_numpy(self.grid.step.dtype)
        if self.dtype is not precise:
            latent = self.node("Cast", [latent], "precise", to=precise)
        step = self.node("Exp", [self.constant("log_step", np.log(self.grid.step))], "step")
        scaled = self.node("Div", [latent, step], "scaled")
        nearest = self._clipped(self.node("Round", [scaled], "round"), -self.grid.largest, self.grid.largest, "nearest")
        error = self._fixed(self.node("Sub", [nearest, scaled], "error"))
        straight = self.node("Add", [scaled, error], "straight")
        rounded = self.node("Mul", [straight, step], "rounded")
        if self.dtype is not precise:
            rounded = self.node("Cast", [rounded], "rounded.cast", to=self.dtype)
        return rounded, self._bits(scaled)

    def _bits(self, scaled: ir.Value) -> ir.Value:
        """Return the sum of the lengths of the codes, linear between integers."""
        largest = self.grid.largest
        floor = self._clipped(self.node("Floor", [scaled], "floor"), -largest, largest - 1, "lower.float")
        lower = self.node("Cast", [floor], "lower", to=ir.DataType.INT64)
        index = self.node("Add", [lower, self.constant("largest", np.array(largest))], "index")
        above = self.node("Add", [index, self.constant("one", np.array(1))], "index.above")
        lengths = self.constant("lengths", self.grid.lengths().astype(self.grid.step.dtype))
        first, second = (self.node("Gather", [lengths, at], f"bits.{end}") for end, at in enumerate((index, above)))
        share = self.node("Sub", [scaled, self._float(lower, "lower.back")], "share")
        part = self.node("Mul", [share, self.node("Sub", [second, first], "slope")], "bits.part")
        total = self.node("ReduceSum", [self.node("Add", [first, part], "bits.each")], "bits", keepdims=0)
        return self.node("Cast", [total], "bits.float", to=ir.DataType.FLOAT)

    def _fixed(self, value: ir.Value) -> ir.Value:
        factor = self.constant("fixed", self.grid.step.dtype.type(_FIXED))
        scaled = self.node("Mul", [value, factor], "error.scaled")
        integers = self.node("Cast", [scaled], "error.int", to=ir.DataType.INT64)
        return self.node("Div", [self._float(integers, "error.back"), factor], "error.fixed")

    def _clipped(self, value: ir.Value, low: int, high: int, part: str) -> ir.Value:
        kind = self.grid.step.dtype.type
        bounds = [self.constant(f"{part}.{end}", kind(number)) for end, number in (("low", low), ("high", high))]
        return self.node("Clip", [value, *bounds], part)

    def _float(self, integers: ir.Value, part: str) -> ir.Value:
        return self.node("Cast", [integers], part, to=ir.DataType.from_numpy(self.grid.step.dtype))


def add_bits(model: ir.Model, bits: Sequence[ir.Value], names: Names) -> None:
    """Give a model one more output, the sum of the bits of all its weights on grids, float ``[]``."""
    total = ir.node("Sum", list(bits), name=names.take(_BITS), metadata_props={_BITS: "1"})
    output = total.outputs[0]
    output.name, output.type, output.shape = total.name, ir.TensorType(ir.DataType.FLOAT), ir.Shape([])
    model.graph.append(total)
    model.graph.outputs.append(output)


def drop_bits(model: ir.Model) -> None:
    """Take that output away again, if there is one."""
    for output in list(model.graph.outputs):
        producer = output.producer()
        if producer is not None and _BITS in producer.metadata_props:
            model.graph.outputs.remove(output)


def check_operator_set(model: ir.Model) -> None:
    """Refuse a model whose operators cannot round.

    Raises:
        HookError: Its operator set is too old.
    """
    version = model.opset_imports.get("", 1)
    if version < FIRST_OPSET:
        raise HookError(f"training graph: expected operator set {FIRST_OPSET} or later to round in, got {version}")


def log_step_of(rounded: ir.Node, weight: HookedWeight) -> ir.Value:
    """Return the constant with the logarithms of the steps of a weight; ``rounded`` is the last node of its rule.

    Raises:
        HookError: The node is none of a rule.
    """
    product = rounded.inputs[0].producer() if rounded.op_type == "Cast" and rounded.inputs[0] is not None else rounded
    exponential = product.inputs[1] if product is not None and len(product.inputs) == 2 else None
    step = exponential.producer() if exponential is not None else None
    log_step = step.inputs[0] if step is not None and step.op_type == "Exp" else None
    if log_step is None or constant_tensor(log_step) is None:
        raise HookError(f"{weight.name}: expected its step in the training graph, got other nodes")
    return log_step


def trained_grid(weight: HookedWeight, grid: HookedGrid, latent: np.ndarray, log_step: np.ndarray) -> HookedGrid:
    """Return the integers and the step of a weight by what is trained of it.

    Args:
        weight: The weight.
        grid: The grid that it has in the hook.
        latent: Its latent values.
        log_step: The logarithms of its steps.

    Raises:
        HookError: They have other shapes than in the hook, or NaN or infinity.
    """
    if latent.shape != weight.shape:
        raise HookError(f"{weight.name}: expected shape {list(weight.shape)}, got {list(latent.shape)}")
    step = np.exp(log_step)
    fault = step_fault(step, weight.shape) or ("NaN or infinite values" if not np.isfinite(latent).all() else None)
    if fault is not None:
        raise HookError(f"{weight.name}: {fault}")
    return HookedGrid(grid.nearest(latent, step), step)

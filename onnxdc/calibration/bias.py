"""The constant that is added to the outputs of a layer, into which the constant part of their error can go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import add_constant, constant_tensor, must_be_node, read_constant, replace_constant
from onnxdc.graph.names import Names


@dataclass(frozen=True)
class Bias:
    """An input of a node that takes the constant.

    Attributes:
        node: The node.
        index: The number of its input.
        scale: What the constant part of the error is multiplied with, to be put there.
    """

    node: ir.Node
    index: int
    scale: float = 1.0

    @property
    def value(self) -> ir.Value:
        """The constant."""
        value = self.node.inputs[self.index]
        assert value is not None, f"{self.node.name} has no input {self.index}"
        return value

    def array(self) -> np.ndarray:
        """Return the constant.

        Raises:
            ModelError: Its data cannot be read.
        """
        return read_constant(self.value)

    def put(self, array: np.ndarray, model: ir.Model) -> None:
        """Put other values in place of it, for this node alone."""
        value = self.value
        if len(value.uses()) == 1 and not value.is_graph_output():
            replace_constant(value, array)
            return
        name = Names(model).take(f"{value.name}_corrected")
        constant = add_constant(name, array, self.node, as_node=must_be_node(model, None))
        self.node.replace_input_with(self.index, constant)


def bias_of(node: ir.Node, index: int, rows: int) -> Bias | None:
    """Return the bias of a layer; None if it has none that takes a number for each of its outputs.

    Args:
        node: The layer, in the main graph.
        index: The number of the input that takes the weight.
        rows: The number of its outputs.
    """
    if node.op_type == "Conv":
        return _checked(Bias(node, 2), (rows,))
    if node.op_type == "Gemm":
        beta = node.attributes.get_float("beta", 1.0)
        scale = node.attributes.get_float("alpha", 1.0) / beta if beta else 0.0
        return _checked(Bias(node, 2, scale), (rows,) if index == 1 else (rows, 1)) if scale else None
    users = node.outputs[0].uses()
    if node.op_type != "MatMul" or len(users) != 1 or node.outputs[0].is_graph_output():
        return None
    add, place = next(iter(users))
    if add.op_type != "Add" or add.domain != "":
        return None
    return _checked(Bias(add, 1 - place), (rows,) if index == 1 else (rows, 1))


def _checked(bias: Bias, ending: Sequence[int]) -> Bias | None:
    """Return a bias if it is a constant whose shape ends so, with ones before."""
    value = bias.node.inputs[bias.index] if bias.index < len(bias.node.inputs) else None
    tensor = constant_tensor(value) if value is not None else None
    if value is None or tensor is None or value.is_graph_input():
        return None
    shape = tuple(tensor.shape.numpy())
    is_number_each = shape[-len(ending) :] == tuple(ending) and tensor.size == ending[0]
    return bias if is_number_each else None

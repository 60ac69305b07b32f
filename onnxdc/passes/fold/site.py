"""What a fold works on: a node, what is constant around it, and the edits that folds have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import (
    add_constant,
    constant_tensor,
    drop_if_unused,
    must_be_node,
    read_constant,
    replace_constant,
)
from onnxdc.graph.names import Names
from onnxdc.graph.slots import WEIGHT_TYPES
from onnxdc.graph.walk import node_name


@dataclass(frozen=True)
class FoldSite:
    """A node that a fold is tried on.

    Attributes:
        node: The node that a fold is tried on.
        model: The model of the node.
        function: The model-local function that it is in, None outside of functions.
        names: The names of all values of the model.
    """

    node: ir.Node
    model: ir.Model
    function: ir.Function | None
    names: Names

    @property
    def graph(self) -> ir.Graph:
        """The graph of the node."""
        assert self.node.graph is not None, f"node {self.node.name} is in no graph"
        return self.node.graph

    @property
    def opset(self) -> int:
        """The version of the default domain that the node is written for."""
        imports = self.model.opset_imports if self.function is None else self.function.opset_imports
        return imports.get("", 1)

    def constant(self, value: ir.Value | None) -> np.ndarray | None:
        """Return the values of a floating-point constant; None for anything else.

        An initializer that is a graph input too counts as one: old exporters list every initializer there.
        """
        tensor = None if value is None else constant_tensor(value)
        if value is None or tensor is None or tensor.dtype not in WEIGHT_TYPES:
            return None
        return read_constant(value)

    def why_not_absorb(self, earlier: ir.Node) -> str | None:
        """Say why the node cannot take the place of ``earlier`` too, which makes its input; None if it can."""
        output = earlier.outputs[0]
        if output.is_graph_output():
            return f"the output of {node_name(earlier)} is an output of the graph"
        if len(output.uses()) != 1:
            return f"the output of {node_name(earlier)} has {len(output.uses())} consumers"
        if earlier.graph is not self.node.graph:
            return f"{node_name(earlier)} is in another graph"
        return None

    def take_over(self, earlier: ir.Node, op_type: str, inputs: Sequence[ir.Value], **attributes: ir.Attr) -> None:
        """Make the node an ``op_type`` that computes its own outputs from ``inputs``, and remove ``earlier``."""
        orphans = [*self.node.inputs, *earlier.inputs]
        name = earlier.name
        self.node.op_type = op_type
        self.node.version = None
        self.node.attributes.clear()
        self.node.attributes.update(attributes)
        self.node.resize_inputs(len(inputs))
        for index, value in enumerate(inputs):
            self.node.replace_input_with(index, value)
        self.node.resize_outputs(1)
        self.graph.remove(earlier, safe=True)
        self.node.name = name
        for orphan in orphans:
            drop_if_unused(orphan)

    def put(self, value: ir.Value | None, array: np.ndarray, name: str) -> ir.Value:
        """Put a constant of this array in the place of ``value`` if nobody else uses that one, else add a new one."""
        if value is not None and len(value.uses()) == 1 and not value.is_graph_output():
            old = constant_tensor(value)
            if old is not None and (old.shape.numpy(), old.dtype.numpy()) == (array.shape, array.dtype):
                replace_constant(value, array)
                return value
        as_node = must_be_node(self.model, self.function)
        return add_constant(self.names.take(name), array, before=self.node, as_node=as_node)

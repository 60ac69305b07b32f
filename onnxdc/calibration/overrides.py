"""A session of a model that can be run with other values in place of a weight and its bias, one layer at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.calibration.layers import layers_of
from onnxdc.calibration.tapped import MODEL
from onnxdc.calibration.tasks import calibrated_weights
from onnxdc.evaluate.runner import Runner, session_options
from onnxdc.graph.constants import drop_if_unused
from onnxdc.graph.names import Names
from onnxdc.graph.weights import named_constants
from onnxdc.model_io.feeds import Feed
from onnxdc.numeric.arrays import BFLOAT16
from onnxdc.passes.plan import Plan
from onnxdc.runtime import session

_DEFAULTS: Final = 4  # the IR version from which on an initializer that is an input, too, is only its default


class Overrides:
    """A model whose weights are inputs, with their values for defaults: one session serves for every change of one.

    Args:
        plan: The model and its weights, which are not changed.
        custom_ops: Libraries of somebody's own operators that the model needs.

    Raises:
        ModelError: onnxruntime refuses the model.
    """

    def __init__(self, plan: Plan, custom_ops: Sequence[str | os.PathLike[str]] = ()) -> None:
        copy = plan.model.clone()
        names = Names(copy)
        if copy.ir_version < _DEFAULTS:
            copy.ir_version = _DEFAULTS
            for value in [value for value in copy.graph.inputs if value.is_initializer()]:
                copy.graph.inputs.remove(value)
        self._biases = _open_biases(plan, copy, names)
        self._weights = _open_weights(plan, copy, names)
        options = session_options(custom_ops)
        self._outputs = [output.name or "" for output in copy.graph.outputs]
        self._runner = Runner(MODEL, session(copy, native=False, sess_options=options))

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        return self._outputs

    def can_change(self, name: str) -> bool:
        """Tell whether a weight can have other values: not in a function, and not of a type that cannot be fed."""
        return name in self._weights

    def run(
        self, feed: Feed, name: str = "", values: np.ndarray | None = None, bias: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Return the outputs, with the weight ``name`` and its bias changed if there are values for them.

        Raises:
            ModelError: onnxruntime cannot run the model on these inputs.
        """
        changed = {} if values is None else {self._weights[name]: values}
        if bias is not None:
            changed[self._biases[name]] = bias
        return self._runner.run({**feed, **changed})


def _open_biases(plan: Plan, copy: ir.Model, names: Names) -> dict[str, str]:
    """Give each layer's bias an input of its own in a copy of the model; returns their names by those of weights."""
    places = {node: place for place, node in enumerate(plan.model.graph)}
    nodes = list(copy.graph)
    opened = {}
    for name, bias in layers_of(plan).biases.items():
        tensor = ir.Tensor(bias.array(), dtype=bias.value.dtype)
        value = _default(copy.graph, names.take("bias"), tensor)
        nodes[places[bias.node]].replace_input_with(bias.index, value)
        opened[name] = value.name or ""
    return opened


def _open_weights(plan: Plan, copy: ir.Model, names: Names) -> dict[str, str]:
    """Make the weights inputs in a copy of the model, those of subgraphs too; returns the inputs' names by theirs."""
    constants = {constant.name: constant for constant in named_constants(copy)}
    opened = {}
    for planned in calibrated_weights(plan):
        constant, tensor = constants[planned.weight.name], planned.weight.tensor
        if constant.function is not None or tensor.dtype.numpy() == BFLOAT16 or constant.value.is_graph_output():
            continue
        own = ir.Tensor(tensor.numpy(), dtype=tensor.dtype)  # what is written gives its name to a tensor
        value = _default(copy.graph, names.take("weight"), own)
        ir.convenience.replace_all_uses_with(constant.value, value)
        drop_if_unused(constant.value)
        opened[planned.weight.name] = value.name or ""
    return opened


def _default(graph: ir.Graph, name: str, tensor: ir.TensorProtocol) -> ir.Value:
    value = ir.Value(
        name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(tensor.shape.numpy()), const_value=tensor
    )
    graph.initializers.add(value)
    graph.inputs.append(value)
    return value

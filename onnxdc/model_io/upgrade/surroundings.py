"""What a rule can ask about the model around a node, and how it makes constants."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import cached_property
from typing import Final

import numpy as np
import onnx
import onnx.shape_inference

from onnxdc.model_io.scopes import graphs_in

_DEFAULTS: Final = 4  # the IR version from which on an initializer that is an input is a default
_SMALL: Final = 64  # elements of a constant that may be a shape


class UnconvertibleError(Exception):
    """A node cannot be converted; the message is the reason, without the name of the node."""


class Surroundings:
    """A model of an old operator set, as the rules see it.

    Attributes:
        opset: The operator set of the model.
    """

    def __init__(self, model: onnx.ModelProto, opset: int) -> None:
        self.opset = opset
        self._model = model
        self._graphs = list(graphs_in(model.graph))
        nodes = [node for graph in self._graphs for node in graph.node]
        self._used = {name for node in nodes for name in node.input}
        self._used |= {output.name for graph in self._graphs for output in graph.output}
        self._names = self._used | {name for node in nodes for name in node.output}
        self._names |= {each.name for graph in self._graphs for each in (*graph.input, *graph.initializer)}

    def uses(self, name: str) -> bool:
        """Tell whether anything takes a value, or it is an output."""
        return bool(name) and name in self._used

    def new_name(self, node: onnx.NodeProto, what: str) -> str:
        """Return a name for a new value that belongs to a node."""
        name = f"{node.output[0]}.{what}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def constant(self, node: onnx.NodeProto, what: str, values: np.ndarray | Iterable[int]) -> onnx.NodeProto:
        """Return a new Constant node for a node; lists hold int64.

        A node and no initializer: those must be inputs of the graph, in IR version 3.
        """
        array = values if isinstance(values, np.ndarray) else np.array(list(values), np.int64)
        name = self.new_name(node, what)
        return onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(array, name))

    def values(self, name: str) -> np.ndarray | None:
        """Return the values of a small constant, which no caller of the model can replace; None for anything else."""
        tensor = self._constants.get(name)
        return None if tensor is None or tensor.external_data else onnx.numpy_helper.to_array(tensor)

    def dtype(self, name: str) -> np.dtype:
        """Return the numpy type of a value, float32 where it is not known."""
        elem_type = self._types[name].elem_type if name in self._types else onnx.TensorProto.UNDEFINED
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type) if elem_type else np.float32)

    def shape(self, name: str) -> list[int] | None:
        """Return the shape of a value, 0 for a dimension that is not known; None if its rank is not."""
        known = name in self._types and self._types[name].HasField("shape")
        return [dim.dim_value for dim in self._types[name].shape.dim] if known else None

    @cached_property
    def _constants(self) -> dict[str, onnx.TensorProto]:
        constants: dict[str, onnx.TensorProto] = {}
        can_be_inputs = self._model.ir_version >= _DEFAULTS
        for graph in self._graphs:
            inputs = {each.name for each in graph.input} if can_be_inputs else set()
            constants |= {tensor.name: tensor for tensor in graph.initializer if tensor.name not in inputs}
            for node in graph.node:
                if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name == "value":
                    constants[node.output[0]] = node.attribute[0].t
        return constants

    @cached_property
    def _types(self) -> dict[str, onnx.TypeProto.Tensor]:
        """The types by name, as far as inference knows them; it sees the values of small constants only."""
        bare = onnx.ModelProto(ir_version=self._model.ir_version, opset_import=self._model.opset_import)
        graph, own = bare.graph, self._model.graph
        graph.name = "types"
        for field in ("node", "input", "output", "value_info"):
            getattr(graph, field).extend(getattr(own, field))
        inputs = {each.name for each in own.input}
        for tensor in own.initializer:
            if len(tensor.dims) < 2 and all(size <= _SMALL for size in tensor.dims):
                graph.initializer.append(tensor)
            if tensor.name not in inputs:
                info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
                graph.value_info.append(info)
        with contextlib.suppress(Exception):  # the C++ side throws what it likes; what is declared still holds
            bare = onnx.shape_inference.infer_shapes(bare)
        return {
            each.name: each.type.tensor_type
            for inner in graphs_in(bare.graph)
            for each in (*inner.input, *inner.value_info, *inner.output)
        }

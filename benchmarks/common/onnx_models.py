"""How the benchmarks write the ONNX models that they make up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import onnx
from onnx import TensorProto, helper

Shape: TypeAlias = tuple[int, ...]

_OPSET, _IR_VERSION = 17, 8  # old enough for any onnxruntime


class Tensor(NamedTuple):
    """A float32 tensor of a graph; dimensions that are names are open, and None is for a shape that is not known."""

    name: str
    shape: Sequence[int | str] | None


def make_model(
    name: str, nodes: Iterable[onnx.NodeProto], x: Tensor, y: Tensor, constants: Iterable[onnx.TensorProto] = ()
) -> onnx.ModelProto:
    """Make a model of one input and one output.

    Args:
        name: The name of the graph.
        nodes: What computes ``y``, in the order of the graph.
        x: The input.
        y: The output.
        constants: The initializers.
    """
    graph = helper.make_graph(
        list(nodes),
        name,
        [helper.make_tensor_value_info(x.name, TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(y.name, TensorProto.FLOAT, y.shape)],
        list(constants),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)

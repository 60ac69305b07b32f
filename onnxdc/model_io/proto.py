"""A model as the ``onnx`` package has it."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from onnxdc.graph.infos import has_no_info
from onnxdc.model_io.scopes import graphs_in


def to_proto(model: ir.Model) -> onnx.ModelProto:
    """Return the model as protobuf, with the value_info that it was read with; see ``graph.infos``.

    Raises:
        ValueError: The model exceeds what protobuf can hold, or a tensor cannot be read.
    """
    proto = ir.to_proto(model)
    left_out = {value.name for graph in model.graphs() for value in graph.initializers.values() if has_no_info(value)}
    if left_out:
        for graph in graphs_in(proto.graph):
            kept = [info for info in graph.value_info if info.name not in left_out]
            del graph.value_info[:]
            graph.value_info.extend(kept)
    return proto

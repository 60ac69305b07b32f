"""What onnxruntime runs of a model once it has optimised it: how often each operator is there."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import onnx

from onnxdc.domain.limits import Limit
from onnxdc.evaluate.runner import session_options
from onnxdc.model_io import Source
from onnxdc.runtime import session

_STANDARD: Final = ("", "ai.onnx")


def optimised_operators(
    model: Source, custom_ops: Sequence[str | os.PathLike[str]] = (), limit: Limit | None = None
) -> Counter[str]:
    """Return how often each operator is in the graph, and in those inside it, that onnxruntime makes of a model.

    The native library takes no part. Constants do not count: where they lie is no matter of speed.

    Args:
        model: The model.
        custom_ops: Libraries of somebody's own operators that it needs.
        limit: The bytes that its weights may take.

    Raises:
        ModelError: The model cannot be read, or onnxruntime refuses it.
    """
    options = session_options(custom_ops)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "optimised.onnx")
        options.optimized_model_filepath = str(path)
        # Weights are not looked at, and would not fit in a file of 2 GB.
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimised.data")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
        session(model, native=False, sess_options=options, limit=limit)
        optimised = onnx.load(path, load_external_data=False)
    counted = Counter(map(_name, _nodes(optimised.graph)))
    del counted["Constant"]
    return counted


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of those inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(inner)


def _name(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in _STANDARD else f"{node.domain}.{node.op_type}"

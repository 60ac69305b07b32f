"""Whether a model is compressed already."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN, OPERATORS
from onnxdc.errors import ModelError
from onnxdc.graph.walk import graphs, node_name


def is_compressed(model: ir.Model) -> bool:
    """Tell whether any node of the model is of our domain, in whatever graph or function."""
    return any(_own_nodes(model))


def computes_with_integers(model: ir.Model) -> bool:
    """Tell whether a compressed model has operators of ours that compute with integers."""
    return any(map(is_dynamic, _own_nodes(model)))


def is_dynamic(node: ir.Node) -> bool:
    """Tell whether a node of our domain computes with integers."""
    return node.op_type in OPERATORS and OPERATORS[node.op_type].dynamic


def refuse_compressed(model: ir.Model) -> None:
    """Raise an error if the model is compressed.

    Raises:
        ModelError: It is compressed; the error names the first node of our domain.
    """
    for node in _own_nodes(model):
        raise ModelError(f"already compressed: node {node_name(node)!r} is {DOMAIN}.{node.op_type}")


def _own_nodes(model: ir.Model) -> Iterator[ir.Node]:
    return (node for _, graph in graphs(model) for node in graph if node.domain == DOMAIN)

"""Shorten the names of values that only the graph itself refers to."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator
from typing import Final

import onnx_ir as ir

from onnxdc.domain.group import group_of
from onnxdc.domain.operators import DOMAIN, OPERATORS, QUANTIZE_BIAS, is_symbols
from onnxdc.domain.origin import Fused
from onnxdc.graph.names import short_names
from onnxdc.graph.walk import graphs
from onnxdc.passes.strip.sizes import info_bytes

_ANNOTATION: Final = "quant_parameter_tensor_names"  # where onnx_ir keeps what an annotation refers to


def shorten_names(model: ir.Model, kept: Container[ir.Value], recorded: Iterable[str] = ()) -> int:
    """Give inner values the shortest names that no value of the model has yet; one that is as short stays.

    The inputs and outputs of the model and of its functions keep their names. Inputs and outputs of subgraphs are inner
    values: nodes know them by their position.

    Args:
        model: The model, which is changed in place.
        kept: Further values that keep their names.
        recorded: Names that values of the model had, and get again.

    Returns:
        The bytes that the model is smaller by.
    """
    taken, annotated = _names(model).union(recorded), _annotated(model)
    shorts = {function: short_names(taken) for function, _ in graphs(model)}
    following = {function: next(names) for function, names in shorts.items()}
    dropped = 0
    for function, value in _inner_values(model):
        name, short = value.name or "", following[function]
        if len(short) < len(name.encode()) and name not in annotated and value not in kept:
            dropped += _rename(value, short)
            following[function] = next(shorts[function])
    return dropped


def shorten_encoded_names(model: ir.Model, fused: Fused) -> int:
    """Give the values that encoding made short names, but for codebooks that say the names of weights.

    Args:
        model: The model, which is changed in place.
        fused: What is recorded of the nodes that were fused.

    Returns:
        The bytes that the model is smaller by.
    """
    made: set[ir.Value] = set()
    told: set[ir.Value] = set()
    for node in (node for graph in model.graphs() for node in graph if node.domain == DOMAIN):
        if is_symbols(node.op_type):
            made.update(node.outputs)
        elif node.op_type == QUANTIZE_BIAS:
            made.update(value for value in (*node.inputs[:1], *node.outputs) if value is not None)
        else:
            made.update(group_of(node))
            told.update(group_of(node)[:1] if node.op_type in OPERATORS else ())
    others = {value for _, value in _inner_values(model) if value not in made - told}
    return shorten_names(model, others, _recorded_names(fused))


def _recorded_names(fused: Fused) -> list[str]:
    graph = fused.unpack(operators=len(fused.nodes) + len(fused.initializers))
    return [
        *(name for node in graph.node for name in (*node.input, *node.output)),
        *(tensor.name for tensor in graph.initializer),
    ]


def _names(model: ir.Model) -> set[str]:
    """Return the names of all values, in whatever graph."""
    return {
        value.name or ""
        for _, graph in graphs(model)
        for values in (graph.inputs, graph.outputs, graph.initializers.values(), *(node.outputs for node in graph))
        for value in values
    }


def _annotated(model: ir.Model) -> set[str]:
    """Return the names that quantization annotations refer to."""
    return {
        name
        for _, graph in graphs(model)
        for values in (graph.inputs, graph.initializers.values(), *(node.outputs for node in graph))
        for value in values
        for name in value.meta.get(_ANNOTATION, {}).values()
    }


def _inner_values(model: ir.Model) -> Iterator[tuple[ir.Function | None, ir.Value]]:
    """Yield the values that nothing outside refers to by name, with the function that they are in."""
    outer = {*model.graph.inputs, *model.graph.outputs}
    for function in model.functions.values():
        outer.update([*function.inputs, *function.outputs])
    for owner, graph in graphs(model):
        if owner is None or owner.domain != DOMAIN:
            made = (value for node in graph for value in node.outputs)
            values = dict.fromkeys(itertools.chain(graph.inputs, list(graph.initializers.values()), made))
            yield from ((owner, value) for value in values if value.name and value not in outer)


def _rename(value: ir.Value, name: str) -> int:
    """Rename a value, and return by how many bytes that makes the model smaller."""
    listed = value.is_graph_input() or value.is_graph_output() or info_bytes(value) > 0
    made = value.producer() is not None or value.is_initializer()
    occurrences = len(value.uses()) + made + listed
    saved = len((value.name or "").encode()) - len(name)
    value.name = name
    return saved * occurrences

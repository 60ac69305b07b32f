"""Shorten the names of values that only the graph itself refers to."""

from __future__ import annotations

import itertools
import string
from collections.abc import Container, Iterator
from typing import Final

import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.graph.walk import graphs
from onnxdc.passes.strip.sizes import info_bytes

_FIRST: Final = string.ascii_letters
_FURTHER: Final = string.ascii_letters + string.digits
_ANNOTATION: Final = "quant_parameter_tensor_names"  # where onnx_ir keeps what an annotation refers to


def shorten_names(model: ir.Model, kept: Container[ir.Value]) -> int:
    """Give inner values the shortest names that no value of the model has yet; one that is as short stays.

    The inputs and outputs of the model and of its functions keep their names, and so do initializers. Inputs and
    outputs of subgraphs are inner values: nodes know them by their position.

    Args:
        model: The model, which is changed in place.
        kept: Further values that keep their names.

    Returns:
        The bytes that the model is smaller by.
    """
    taken, annotated = _names(model), _annotated(model)
    shorts = {function: _short_names(taken) for function, _ in graphs(model)}
    following = {function: next(names) for function, names in shorts.items()}
    dropped = 0
    for function, value in _inner_values(model):
        name, short = value.name or "", following[function]
        if len(short) < len(name.encode()) and name not in annotated and value not in kept:
            dropped += _rename(value, short)
            following[function] = next(shorts[function])
    return dropped


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


def _short_names(taken: Container[str]) -> Iterator[str]:
    """Yield names that are identifiers in C, as ONNX asks for, the shortest first."""
    for further in itertools.count():
        for letters in itertools.product(_FIRST, *[_FURTHER] * further):
            name = "".join(letters)
            if name not in taken:
                yield name


def _inner_values(model: ir.Model) -> Iterator[tuple[ir.Function | None, ir.Value]]:
    """Yield the values that nothing outside refers to by name, with the function that they are in."""
    outer = {*model.graph.inputs, *model.graph.outputs}
    for function in model.functions.values():
        outer.update([*function.inputs, *function.outputs])
    for owner, graph in graphs(model):
        if owner is None or owner.domain != DOMAIN:
            made = (value for node in graph for value in node.outputs)
            yield from (
                (owner, value)
                for value in itertools.chain(graph.inputs, made)
                if value.name and value not in outer and not value.is_initializer()
            )


def _rename(value: ir.Value, name: str) -> int:
    """Rename a value, and return by how many bytes that makes the model smaller."""
    listed = value.is_graph_input() or value.is_graph_output() or info_bytes(value) > 0
    made = value.producer() is not None
    occurrences = len(value.uses()) + made + listed
    saved = len((value.name or "").encode()) - len(name)
    value.name = name
    return saved * occurrences

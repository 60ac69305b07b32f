"""Drop the value_info that shape inference, as every runtime does it, gives back."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.graph.shapes import Dimension, known_shapes, known_size
from onnxdc.passes.strip.sizes import info_bytes


def drop_shapes_of_constants(values: Iterable[ir.Value]) -> int:
    """Drop the value_info of constants, whose tensors say the same.

    Returns:
        The bytes that the model is smaller by.
    """
    return sum(_forget(value) for value in values if not (value.is_graph_input() or value.is_graph_output()))


def drop_implied_shapes(model: ir.Model) -> int:
    """Drop the value_info of what standard nodes of the main graph yield, where inference finds as much.

    What nodes of other domains yield keeps its value_info: a runtime takes the shapes after them from there. Names of
    sizes that are not fixed count for nothing.

    Returns:
        The bytes that the model is smaller by.
    """
    said = {value: (value.type, value.shape) for value in _inferable(model.graph)}
    sizes = {value: _forget(value) for value in said}
    shapes = _shapes_without_our_functions(model) if said else {}
    for value, (said_type, said_shape) in said.items():
        if value.name not in shapes or not _says_as_much(shapes[value.name], said_shape):
            value.type, value.shape = said_type, said_shape
            del sizes[value]
    return sum(sizes.values())


def _inferable(graph: ir.Graph) -> list[ir.Value]:
    """Return the inner values of a graph that standard nodes yield, and that have a value_info of a tensor."""
    made = (value for node in graph if node.domain in ("", "ai.onnx") for value in node.outputs)
    return [value for value in made if isinstance(value.type, ir.TensorType) and not value.is_graph_output()]


def _forget(value: ir.Value) -> int:
    """Take type and shape from a value, and return the bytes of its value_info."""
    dropped = info_bytes(value)
    value.type = value.shape = None
    return dropped


def _shapes_without_our_functions(model: ir.Model) -> dict[str, tuple[Dimension, ...]]:
    """Infer shapes without a look into the portable bodies: the nodes that call them have their value_info."""
    ours = {key: function for key, function in model.functions.items() if function.domain == DOMAIN}
    for key in ours:
        del model.functions[key]
    try:
        return known_shapes(model)
    finally:
        model.functions.update(ours)


def _says_as_much(inferred: tuple[Dimension, ...], said: ir.Shape | None) -> bool:
    """Tell whether an inferred shape has the rank and every fixed size that was said."""
    if said is None:
        return True
    if len(inferred) != len(said):
        return False
    fixed = [known_size(size) if isinstance(size, int) else None for size in said]
    return all(size is None or size == found for size, found in zip(fixed, inferred, strict=True))

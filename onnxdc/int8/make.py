"""Make an int8 model of a float one, the integers of its weights and the ranges of its tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from onnxdc.calibration.weight import Integers
from onnxdc.graph.names import Names
from onnxdc.int8.chosen import chosen_nodes
from onnxdc.int8.dynamic import make_dynamic
from onnxdc.int8.integers import put_integers
from onnxdc.int8.ranges import Ranges, common_ranges
from onnxdc.int8.static import place, tensors_of
from onnxdc.int8.tables import make_tables
from onnxdc.int8.targets import Target, Way
from onnxdc.int8.tidy import free_outputs, keep_floats, pad_integers, share_numbers


@dataclass(frozen=True)
class Made:
    """A model whose layers run on integers.

    Attributes:
        model: The model.
        too_large: The names of the nodes that stay float, as int32 cannot hold their biases.
    """

    model: ir.Model
    too_large: Collection[str]


def static_tensors(model: ir.Model, targets: Sequence[Target], small: Sequence[str] = ()) -> list[str]:
    """Return the names of the tensors whose ranges ``int8_model`` asks for."""
    return tensors_of(chosen_nodes(model.graph, _static_layers(model, targets, small)))


def int8_model(
    floats: ir.Model,
    targets: Sequence[Target],
    weights: Mapping[str, Integers],
    ranges: Ranges,
    small: Sequence[str] = (),
) -> Made:
    """Return a model whose layers run on integers.

    Args:
        floats: The model, which is not changed. Biases are what they are to be.
        targets: The weights that become int8.
        weights: The integers of each, by name.
        ranges: The ranges of the tensors that ``static_tensors`` names.
        small: The names of nodes that become static, too, with the integers that onnxruntime's quantizer finds.

    Raises:
        ModelError: The model is too large for onnxruntime's quantizer, or refused by it.
    """
    static, too_large = _static(floats, targets, weights, ranges, small)
    model = floats.clone() if static is None else static
    names = Names(model)
    make_dynamic(model, [target for target in targets if target.way is Way.DYNAMIC], weights, names)
    make_tables(model, [target for target in targets if target.way is Way.TABLE], weights, names)
    _say_no_more(model, floats)
    return Made(model, frozenset(too_large))


def _static(
    floats: ir.Model,
    targets: Sequence[Target],
    weights: Mapping[str, Integers],
    ranges: Ranges,
    small: Sequence[str],
) -> tuple[ir.Model | None, set[str]]:
    """Return the model with its static layers, None if it has none; and which stay float, as their biases are large."""
    stay: set[str] = set()
    while layers := _static_layers(floats, targets, small, stay):
        chosen = chosen_nodes(floats.graph, layers)
        model = place(floats, chosen, common_ranges(chosen, ranges))
        share_numbers(model, floats.graph.initializers)
        found = put_integers(model, floats, {node.name or "" for node in layers}, weights, Names(model))
        if not found:
            names = {node.name or "" for node in chosen}
            free_outputs(model, names)
            keep_floats(model, names)
            pad_integers(model)
            return model, stay
        stay |= found
    return None, stay


def _static_layers(
    model: ir.Model, targets: Sequence[Target], small: Sequence[str], stay: Collection[str] = ()
) -> list[ir.Node]:
    """Return the static layers, in their order; weights of which one layer stays float are none of any."""
    static = [target.nodes for target in targets if target.way is Way.STATIC and not {*target.nodes} & {*stay}]
    layers = {name for nodes in static for name in nodes}
    others = {*small} - {*stay} if layers else set()
    return [node for node in model.graph if node.name in layers | others]


def _say_no_more(model: ir.Model, before: ir.Model) -> None:
    """Have a model say no more of its values, and of itself, than the one that it was made of."""
    told = {value.name for node in before.graph for value in node.outputs if value.type is not None}
    for node in model.graph:
        for value in node.outputs:
            if value.name not in told and not value.is_graph_output():
                value.type, value.shape = None, None
    model.producer_name, model.producer_version = before.producer_name, before.producer_version
    model.metadata_props.clear()
    model.metadata_props.update(before.metadata_props)
    model.graph.name = before.graph.name

"""Make an int8 model of a float one, the integers of its weights and the ranges of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from onnxdc.int8.tidy import free_outputs, pad_integers, share_numbers


def static_tensors(model: ir.Model, targets: Sequence[Target], small: Sequence[str] = ()) -> list[str]:
    """Return the names of the tensors whose ranges ``int8_model`` asks for."""
    return tensors_of(chosen_nodes(model.graph, _static_layers(model, targets, small)))


def int8_model(
    floats: ir.Model,
    targets: Sequence[Target],
    weights: Mapping[str, Integers],
    ranges: Ranges,
    small: Sequence[str] = (),
) -> ir.Model:
    """Return a model whose layers run on integers.

    Args:
        floats: The model, which is not changed. Biases are what they are to be.
        targets: The weights that become int8.
        weights: The integers of each, by name.
        ranges: The ranges of the tensors that ``static_tensors`` names.
        small: The names of nodes that become static, too, with the integers that onnxruntime's quantizer finds.

    Raises:
        ModelError: The model is too large, of an old operator set, or a bias is out of the range of int32.
    """
    layers = _static_layers(floats, targets, small)
    if layers:
        chosen = chosen_nodes(floats.graph, layers)
        model = place(floats, chosen, common_ranges(chosen, ranges))
        share_numbers(model, floats.graph.initializers)
        names = Names(model)
        put_integers(model, floats, weights, names)
        free_outputs(model, {node.name or "" for node in chosen})
        pad_integers(model)
    else:
        model = floats.clone()
        names = Names(model)
    make_dynamic(model, [target for target in targets if target.way is Way.DYNAMIC], weights, names)
    make_tables(model, [target for target in targets if target.way is Way.TABLE], weights, names)
    _say_no_more(model, floats)
    return model


def _static_layers(model: ir.Model, targets: Sequence[Target], small: Sequence[str]) -> list[ir.Node]:
    layers = {name for target in targets if target.way is Way.STATIC for name in target.nodes}
    return [node for node in model.graph if node.name in layers or (layers and node.name in small)]


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

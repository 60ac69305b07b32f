"""Put the dense weights back: the inverse of ``encode``, bit for bit, names, texts and order of the model included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.operators import DECODE_WEIGHT, DOMAIN, OPERATORS
from onnxdc.domain.origin import Origin, Origins
from onnxdc.domain.weight_origin import restored_constant, restored_tensor, restored_value
from onnxdc.errors import FormatError, ModelError
from onnxdc.graph.walk import insert_at
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.fusion.unfuse import unfuse
from onnxdc.passes.result import Decoded, Figures, GroupFigures, Progress, Result

Decoder: TypeAlias = Callable[[CompressedWeight], np.ndarray]
"""From a weight group to the dense weight; raises FormatError."""

_LAZY: Final = 2**26  # bytes, a choice: larger weights are decoded to be checked, and again when they are written


@dataclass
class _StoredGroup:
    """A weight group in a graph.

    Attributes:
        graph: The graph that holds it.
        group: Its seven values.
        nodes: The nodes that it feeds.
        fused: What is fused into them, in words.
    """

    graph: ir.Graph
    group: tuple[ir.Value, ...]
    nodes: list[ir.Node] = field(default_factory=list)
    fused: str = ""

    @property
    def name(self) -> str:
        """What to call the weight in messages."""
        return group.stem_of(self.group)

    @property
    def decoder_node(self) -> ir.Node | None:
        """The DecodeWeight node that the group feeds, None if it feeds sparse operators."""
        return self.nodes[0] if self.nodes[0].op_type == DECODE_WEIGHT else None


@dataclass
class _DenseWeight:
    """A dense weight that is to replace a group.

    Attributes:
        stored: The group.
        value: The value that the weight is to be.
        tensor: The tensor of that value.
        origin: What the weight was.
    """

    stored: _StoredGroup
    value: ir.Value
    tensor: ir.TensorProtocol
    origin: Origin


def decode(model: ir.Model, *, decoder: Decoder = decode_weight, progress: Progress | None = None) -> Result[Decoded]:
    """Decode every weight and give the model back its original form.

    Args:
        model: The model, which is changed in place and of no more use after an error.
        decoder: The function that decodes one weight.
        progress: Called after each weight.

    Raises:
        ModelError: The model has no compressed weight, or its metadata entry ``onnxdc.origin`` is damaged.
        FormatError: A weight breaks a rule of the format; the error names the weight.
    """
    stored_groups = _find_groups(model)
    if not stored_groups:
        raise ModelError("nothing to decode: the model has no compressed weight")
    origins = Origins.take(model)
    unfuse(model, origins.fused)
    changes = _decode_groups(stored_groups, origins, decoder, progress)
    for identifier in [key for key in model.functions if key[0] == DOMAIN]:
        del model.functions[identifier]
    del model.opset_imports[DOMAIN]
    model.ir_version = origins.ir_version or model.ir_version
    return Result(model, changes)


def decode_dense_nodes(
    model: ir.Model, *, decoder: Decoder = decode_weight, progress: Progress | None = None
) -> Result[Decoded]:
    """Decode only the weights that DecodeWeight nodes yield: what is left runs compressed.

    The result is for running, not for keeping: the weights become plain initializers whatever they were before.

    Arguments and errors are those of ``decode``, except that a model without such nodes is no error.
    """
    stored_groups = [stored for stored in _find_groups(model) if stored.decoder_node]
    return Result(model, _decode_groups(stored_groups, Origins(), decoder, progress))


def _find_groups(model: ir.Model) -> list[_StoredGroup]:
    """Find the weight groups of a model. Each DecodeWeight node counts for itself: it names the weight."""
    stored_groups: dict[tuple[object, ...], _StoredGroup] = {}
    for graph in model.graphs():
        for node in graph:
            if node.domain != DOMAIN:
                continue
            if node.op_type != DECODE_WEIGHT and node.op_type not in OPERATORS:
                raise ModelError(f"node {node.name!r}: unknown operator {DOMAIN}.{node.op_type}")
            values = group.group_of(node)
            own = node if node.op_type == DECODE_WEIGHT else None
            stored_groups.setdefault((graph, own, *values), _StoredGroup(graph, values)).nodes.append(node)
    for stored in stored_groups.values():
        stored.fused = group.fused_text(stored.nodes)
    return list(stored_groups.values())


def _decode_groups(
    stored_groups: list[_StoredGroup], origins: Origins, decoder: Decoder, progress: Progress | None
) -> list[Decoded]:
    """Decode the groups, then replace them by the dense weights, graph by graph."""
    changes: list[Decoded] = []
    decoded: dict[ir.Graph, list[_DenseWeight]] = {}
    for done, stored in enumerate(stored_groups, 1):
        compressed = group.read_group(stored.nodes[0])
        array = _array(compressed, decoder, stored.name)
        weight = _dense_weight(stored, compressed, array, origins.weights.get(stored.name, Origin()), decoder)
        decoded.setdefault(stored.graph, []).append(weight)
        name, sparse = weight.value.name or "", stored.decoder_node is None
        figures = Figures.of(array), GroupFigures.of(compressed)
        changes.append(Decoded(name, array.shape, *figures, sparse=sparse, fused=stored.fused))
        del array
        if progress:
            progress(stored.name, done, len(stored_groups))
    for graph, weights in decoded.items():
        _restore(graph, weights)
    return changes


def _array(compressed: CompressedWeight, decoder: Decoder, name: str) -> np.ndarray:
    try:
        return decoder(compressed)
    except FormatError as error:
        raise error.at(name) from error


def _dense_weight(
    stored: _StoredGroup, compressed: CompressedWeight, array: np.ndarray, origin: Origin, decoder: Decoder
) -> _DenseWeight:
    """Return the dense weight as it goes into the graph."""
    node = stored.decoder_node
    name = (node.outputs[0].name if node else origin.name) or stored.name
    value = group.copied(node.outputs[0]) if node else restored_value(name, array, origin)
    tensor = restored_tensor(name if origin.node < 0 else origin.tensor, array, origin)
    if array.nbytes > _LAZY and not origin.storage:
        tensor = ir.LazyTensor(
            lambda: ir.Tensor(_array(compressed, decoder, name)),
            dtype=tensor.dtype,
            shape=ir.Shape(array.shape),
            name=tensor.name,
            doc_string=tensor.doc_string,
            metadata_props=dict(tensor.metadata_props),
        )
    return _DenseWeight(stored, value, tensor, origin)


def _restore(graph: ir.Graph, weights: list[_DenseWeight]) -> None:
    """Connect the dense weights of one graph, and put them back among its initializers, inputs and nodes."""
    initializers = {value: [value] for value in graph.initializers.values()}
    for weight in weights:
        for node in weight.stored.nodes:
            if node.op_type == DECODE_WEIGHT:
                node.outputs[0].replace_all_uses_with(weight.value, replace_graph_outputs=True)
                graph.remove(node, safe=True)
            else:
                group.make_standard(node, weight.value)
        if weight.origin.node < 0:
            weight.value.const_value = weight.tensor
            initializers[weight.stored.group[0]].append(weight.value)
    used = {value for weight in weights for value in weight.stored.group}
    graph.initializers.clear()
    for value in (value for values in initializers.values() for value in values):
        if value in used and not value.uses():
            continue
        if value.name in graph.initializers:
            raise ModelError(f"{value.name}: two weights decode to this name")
        graph.initializers.add(value)
    for weight in sorted(weights, key=lambda weight: weight.origin.input):
        if weight.origin.input >= 0:
            graph.inputs.insert(weight.origin.input, weight.value)
    _restore_constants(graph, [weight for weight in weights if weight.origin.node >= 0])


def _restore_constants(graph: ir.Graph, weights: list[_DenseWeight]) -> None:
    """Put Constant nodes back to their positions among the nodes."""
    constants = [restored_constant(weight.value, weight.tensor, weight.origin) for weight in weights]
    insert_at(graph, [(weight.origin.node, node) for weight, node in zip(weights, constants, strict=True)])

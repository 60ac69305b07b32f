"""Put the dense weights back: the inverse of ``encode``, bit for bit, names, texts and order of the model included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.operators import DECODE_WEIGHT, DOMAIN, OPERATORS
from onnxdc.domain.origin import Origin, Origins, restored_constant, restored_tensor, restored_value
from onnxdc.errors import FormatError, ModelError
from onnxdc.graph.walk import insert_at
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.fusion.unfuse import unfuse
from onnxdc.passes.result import Decoded, Figures, GroupFigures, Progress, Result

Decoder: TypeAlias = Callable[[CompressedWeight], np.ndarray]
"""From a weight group to the dense weight; raises FormatError."""

_LAZY: Final = 2**26  # bytes: larger weights are decoded to be checked, and once more when they are written or read


@dataclass
class _Site:
    """A weight group in a graph, with the nodes that it feeds and what is fused behind them, for people."""

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
    """A dense weight that is to take the place of a group."""

    site: _Site
    value: ir.Value
    tensor: ir.TensorProtocol
    origin: Origin


def decode(model: ir.Model, *, decoder: Decoder = decode_weight, progress: Progress | None = None) -> Result[Decoded]:
    """Decode every weight and give the model back its original form.

    Args:
        model: changed in place; of no more use after an error.
        decoder: what decodes one weight.
        progress: called after each weight.

    Raises:
        ModelError: the model has no compressed weight, or its metadata entry ``onnxdc.origin`` is damaged.
        FormatError: a weight breaks a rule of the format; the error names the weight.
    """
    sites = _sites(model)
    if not sites:
        raise ModelError("nothing to decode: the model has no compressed weight")
    origins = Origins.take(model)
    unfuse(model, origins.fused)
    changes = _decode_sites(sites, origins, decoder, progress)
    for identifier in [key for key in model.functions if key[0] == DOMAIN]:
        del model.functions[identifier]
    del model.opset_imports[DOMAIN]
    model.ir_version = origins.ir_version or model.ir_version
    return Result(model, changes)


def decode_dense_nodes(
    model: ir.Model, *, decoder: Decoder = decode_weight, progress: Progress | None = None
) -> Result[Decoded]:
    """Decode only the weights behind DecodeWeight nodes: what is left runs compressed.

    The result is for running, not for keeping: the weights become plain initializers whatever they were before.

    Args and errors are those of ``decode``, except that a model without such nodes is no error.
    """
    sites = [site for site in _sites(model) if site.decoder_node]
    return Result(model, _decode_sites(sites, Origins(), decoder, progress))


def _sites(model: ir.Model) -> list[_Site]:
    """The weight groups of a model. Each DecodeWeight node counts for itself: it names the weight."""
    sites: dict[tuple[object, ...], _Site] = {}
    for graph in model.graphs():
        for node in graph:
            if node.domain != DOMAIN:
                continue
            if node.op_type != DECODE_WEIGHT and node.op_type not in OPERATORS:
                raise ModelError(f"node {node.name!r}: unknown operator {DOMAIN}.{node.op_type}")
            values = group.group_of(node)
            own = node if node.op_type == DECODE_WEIGHT else None
            sites.setdefault((graph, own, *values), _Site(graph, values)).nodes.append(node)
    for site in sites.values():
        site.fused = group.fused_text(site.nodes)
    return list(sites.values())


def _decode_sites(sites: list[_Site], origins: Origins, decoder: Decoder, progress: Progress | None) -> list[Decoded]:
    """Decode the groups, then put the dense weights in their places, graph by graph."""
    changes: list[Decoded] = []
    decoded: dict[ir.Graph, list[_DenseWeight]] = {}
    for done, site in enumerate(sites, 1):
        compressed = group.read_group(site.nodes[0])
        array = _array(compressed, decoder, site.name)
        found = _dense_weight(site, compressed, array, origins.weights.get(site.name, Origin()), decoder)
        decoded.setdefault(site.graph, []).append(found)
        name, sparse = found.value.name or "", site.decoder_node is None
        figures = Figures.of(array), GroupFigures.of(compressed)
        changes.append(Decoded(name, array.shape, *figures, sparse=sparse, fused=site.fused))
        del array
        if progress:
            progress(site.name, done, len(sites))
    for graph, weights in decoded.items():
        _restore(graph, weights)
    return changes


def _array(compressed: CompressedWeight, decoder: Decoder, name: str) -> np.ndarray:
    try:
        return decoder(compressed)
    except FormatError as error:
        raise error.at(name) from error


def _dense_weight(
    site: _Site, compressed: CompressedWeight, array: np.ndarray, origin: Origin, decoder: Decoder
) -> _DenseWeight:
    """The dense weight as it goes into the graph."""
    node = site.decoder_node
    name = (node.outputs[0].name if node else origin.name) or site.name
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
    return _DenseWeight(site, value, tensor, origin)


def _restore(graph: ir.Graph, weights: list[_DenseWeight]) -> None:
    """Connect the dense weights of one graph, and put them among its initializers, inputs and nodes where they were."""
    initializers = {value: [value] for value in graph.initializers.values()}
    for weight in weights:
        for node in weight.site.nodes:
            if node.op_type == DECODE_WEIGHT:
                node.outputs[0].replace_all_uses_with(weight.value, replace_graph_outputs=True)
                graph.remove(node, safe=True)
            else:
                group.make_standard(node, weight.value)
        if weight.origin.node < 0:
            weight.value.const_value = weight.tensor
            initializers[weight.site.group[0]].append(weight.value)
    used = {value for weight in weights for value in weight.site.group}
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
    """Put Constant nodes back to their places among the nodes."""
    constants = [restored_constant(weight.value, weight.tensor, weight.origin) for weight in weights]
    insert_at(graph, [(weight.origin.node, node) for weight, node in zip(weights, constants, strict=True)])
